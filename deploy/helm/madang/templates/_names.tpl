{{- define "madang.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "madang.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "madang.labels" -}}
{{ include "madang.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* How many hubs share one database; 0 is one hub alone. */}}
{{- define "madang.shared" -}}
{{- add .Values.hubs.api.replicas .Values.hubs.worker.replicas .Values.hubs.sense.replicas -}}
{{- end -}}

{{/* Whether hubs share a folder of history: several do, unless it is in a bucket. */}}
{{- define "madang.folder" -}}
{{- if and (ne (include "madang.shared" .) "0") (not .Values.settings.history_path) }}yes{{ end -}}
{{- end -}}

{{- define "madang.history" -}}
{{- .Values.history.claim | default (printf "%s-history" (include "madang.name" .)) -}}
{{- end -}}

{{/* Refuses several hubs that could not work. */}}
{{- define "madang.check" -}}
{{- if ne (include "madang.shared" .) "0" -}}
{{- range $role, $hub := .Values.hubs }}{{ if lt (int $hub.replicas) 1 }}
{{- fail (printf "hubs.%s.replicas is 0; several hubs need at least one of each role" $role) -}}
{{- end }}{{ end -}}
{{- range list "store" "bus" "base_url" }}{{ if not (index $.Values.settings .) }}
{{- fail (printf "several hubs need settings.%s" .) -}}
{{- end }}{{ end -}}
{{- if not .Values.secret }}{{ fail "several hubs need secret, with MADANG_SECRET_KEY in it" }}{{ end -}}
{{- if and (gt (int .Values.hubs.sense.replicas) 1) (ne (toString .Values.settings.mqtt_broker) "false") -}}
{{- fail "only one hub listens for devices: set hubs.sense.replicas to 1, or settings.mqtt_broker to false" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The label of a role; one hub alone has none. */}}
{{- define "madang.role" -}}
{{- if . }}app.kubernetes.io/component: {{ . }}{{ end -}}
{{- end -}}
