{{- /* Names of the two Secrets that an installation may bring itself. Both take the root. */ -}}

{{- define "sshaccess.webhookTlsSecret" -}}
{{- .Values.webhook.tls.existingSecret | default (printf "%s-tls" (include "sshaccess.name" (dict "root" $ "component" "webhook"))) -}}
{{- end -}}

{{- define "sshaccess.hostKeysSecret" -}}
{{- .Values.piper.hostKeys.existingSecret | default (printf "%s-host-keys" (include "sshaccess.name" (dict "root" $ "component" "piper"))) -}}
{{- end -}}
