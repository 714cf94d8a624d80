{{- /* Every helper takes a dict {root: $, component: "operator"} where it says (root, component). */ -}}

{{- /* (root, component) The name of a component's objects. */ -}}
{{- define "sshaccess.name" -}}
{{- printf "%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") .component -}}
{{- end -}}

{{- define "sshaccess.selectorLabels" -}}
app.kubernetes.io/name: sshaccess
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "sshaccess.labels" -}}
{{ include "sshaccess.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: sshaccess
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "sshaccess.metadata" -}}
name: {{ include "sshaccess.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "sshaccess.labels" . | nindent 2 }}
{{- end -}}

{{- define "sshaccess.image" -}}
{{- $image := .root.Values.image -}}
{{- $tag := printf ":%s" ($image.tag | default .root.Chart.AppVersion) -}}
{{- $digest := get ($image.digests | default dict) .component -}}
{{- printf "%s/%s%s" $image.registry .component ($digest | empty | ternary $tag (printf "@%s" $digest)) -}}
{{- end -}}

{{- /* (root, component) metadata of the pods of our own programs. What selects them cannot be overridden. */ -}}
{{- define "sshaccess.podMetadata" -}}
{{- $values := index .root.Values .component -}}
{{- $own := include "sshaccess.selectorLabels" . | fromYaml -}}
labels:
  {{- merge $own ($values.podLabels | default dict) | toYaml | nindent 2 }}
{{- with $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* (root, component) What the pods of our own programs have in common. */ -}}
{{- define "sshaccess.podSettings" -}}
{{- $values := index .root.Values .component -}}
serviceAccountName: {{ include "sshaccess.name" . }}
# A process 1 hears SIGTERM only once it has a handler for it: told to stop while it starts, a piper would stay for an hour.
shareProcessNamespace: true
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # Host keys and certificates are mounted with mode 0440: readable by this group only.
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  {{- with $values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  # Soft: on a cluster of one node the second replica still starts.
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sshaccess.selectorLabels" . | nindent 8 }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* (root, component) What the containers of our own programs have in common. */ -}}
{{- define "sshaccess.programSettings" -}}
name: {{ .component }}
image: {{ include "sshaccess.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [node, /opt/sshaccess/{{ .component }}/main.mjs]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
resources:
  {{- toYaml (index .root.Values .component).resources | nindent 2 }}
{{- end -}}

{{- /* (root, component) And those that run for ever. */ -}}
{{- define "sshaccess.containerSettings" -}}
{{ include "sshaccess.programSettings" . }}
livenessProbe:
  httpGet: { path: /livez, port: health }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: health }
  periodSeconds: 2
  timeoutSeconds: 2
{{- end -}}

{{- define "sshaccess.commonEnv" -}}
- name: LOG_LEVEL
  value: {{ .root.Values.logLevel }}
- name: HEALTH_PORT
  value: '8080'
{{- if get (.root.Values.profiling | default dict) "enabled" }}
- name: PROFILING_PORT
  value: '9091'
{{- end }}
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
{{- with .root.Values.watchNamespaces }}
- name: WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}
