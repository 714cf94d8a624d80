{{- /*
(root, component, rules, namespaceVerbs) What a program may do where the workloads are. In the whole cluster by a
ClusterRole; with watchNamespaces by a Role in each of them, and then a ClusterRole remains for the Namespaces themselves,
which are in none: of those named it may read the labels, Pod Security level and organization, and whether they end.
*/ -}}
{{- define "sshaccess.workloadRbac" -}}
{{- $scope := . -}}
{{- $name := include "sshaccess.name" . -}}
{{- $namespaces := .root.Values.watchNamespaces -}}
{{- if or .namespaceVerbs (not $namespaces) }}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "sshaccess.labels" . | nindent 4 }}
rules:
  {{- if .namespaceVerbs }}
  - apiGroups: ['']
    resources: [namespaces]
    {{- with $namespaces }}
    # A list or watch is allowed where it asks for one of these by name.
    resourceNames: {{ toJson . }}
    {{- end }}
    verbs: {{ toJson .namespaceVerbs }}
  {{- end }}
  {{- if not $namespaces }}
  {{- .rules | nindent 2 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "sshaccess.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
{{ include "sshaccess.subject" . }}
{{- end }}
{{- range $namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}-workloads
  namespace: {{ . }}
  labels:
    {{- include "sshaccess.labels" $scope | nindent 4 }}
rules:
  {{- $scope.rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}-workloads
  namespace: {{ . }}
  labels:
    {{- include "sshaccess.labels" $scope | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}-workloads
{{ include "sshaccess.subject" $scope }}
{{- end }}
{{- end -}}

{{- /* (root, component) */ -}}
{{- define "sshaccess.subject" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "sshaccess.name" . }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{- /*
The root. Two installations that serve one namespace would write one another's keys over and over: the second is refused.
(A tool that renders without a cluster sees no other.)
*/ -}}
{{- define "sshaccess.refuseOverlap" -}}
{{- $mine := .Values.watchNamespaces -}}
{{- range (lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" "").items }}
  {{- $annotations := .metadata.annotations | default dict }}
  {{- $labels := .metadata.labels | default dict }}
  {{- $place := printf "%s/%s" (get $annotations "meta.helm.sh/release-namespace") (get $annotations "meta.helm.sh/release-name") }}
  {{- $isOther := ne $place (printf "%s/%s" $.Release.Namespace $.Release.Name) }}
  {{- if and (eq (get $labels "app.kubernetes.io/part-of") "sshaccess") $isOther }}
    {{- $theirs := get $annotations "sshaccess.dev/watch-namespaces" | splitList "," | compact }}
    {{- if or (not $mine) (not $theirs) }}
      {{- fail (printf "the installation %s is in this cluster: give both a list of namespaces (watchNamespaces) that the other does not have" $place) }}
    {{- end }}
    {{- range $mine }}
      {{- if has . $theirs }}
        {{- fail (printf "the namespace %s is served by the installation %s: take it out of watchNamespaces here or there" . $place) }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
