{{- define "arena.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "arena.labels" -}}
app.kubernetes.io/name: arena
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "arena.selector" -}}
app.kubernetes.io/name: arena
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "arena.image" -}}
{{- printf "%s/%s:%s" .root.Values.image.registry .component (.root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}

{{- define "arena.tls" -}}
[tls]
ca = "/etc/arena/tls/ca.pem"
certificate = "/etc/arena/tls/cert.pem"
key = "/etc/arena/tls/key.pem"
{{- end -}}

{{- define "arena.telemetry" -}}
[telemetry]
{{- with .Values.telemetry.otlp }}
otlp = {{ . | quote }}
{{- end }}
prometheus = {{ printf "0.0.0.0:%d" (int .Values.telemetry.metricsPort) | quote }}
log = "json"
{{- end -}}

{{/* A value as TOML, on one line: JSON writes all but tables the same way. */}}
{{- define "arena.toml" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }},{{ end }} {{ toJson $key }} = {{ include "arena.toml" (get $ $key) }}{{ end }} }
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}

{{- define "arena.coordinatorConfig" -}}
[coordinator]
listen = {{ printf "0.0.0.0:%d" (int .Values.coordinator.port) | quote }}
client_certificates = {{ .Values.coordinator.clientCertificates | quote }}
drain_s = {{ int .Values.coordinator.drainSeconds }}

[store]
url = {{ .Values.store.url | quote }}
{{- with .Values.store.user }}
user = {{ . | quote }}
{{- end }}
{{- if .Values.store.password }}
password_file = "/etc/arena/store/password"
{{- end }}
{{- if .Values.store.ca }}
ca = "/etc/arena/store/ca.pem"
{{- end }}
{{- if .Values.store.certificate }}
certificate = "/etc/arena/store/cert.pem"
key = "/etc/arena/store/key.pem"
{{- end }}
{{- with .Values.store.replicas }}
replicas = {{ int . }}
{{- end }}
{{- if not (kindIs "invalid" .Values.store.keepDays) }}
keep_days = {{ int .Values.store.keepDays }}
{{- end }}

[blobs]
url = {{ .Values.blobs.url | quote }}
{{- with .Values.blobs.endpoint }}
endpoint = {{ . | quote }}
{{- end }}
{{- with .Values.blobs.region }}
region = {{ . | quote }}
{{- end }}
{{- if .Values.blobs.credentialsSecret }}
credentials = "/etc/arena/blobs/credentials"
{{- if .Values.blobs.ca }}
ca = "/etc/arena/blobs/ca.pem"
{{- end }}
{{- end }}

[limits]
{{- range $key, $value := .Values.limits }}
{{ $key }} = {{ include "arena.toml" $value }}
{{- end }}

{{ include "arena.tls" . }}
{{- if .Values.coordinator.revoked }}
revoked = "/etc/arena/tls/revoked.pem"
{{- end }}

{{ include "arena.telemetry" . }}
{{- with .Values.coordinator.extraConfig }}

{{ . }}
{{- end }}
{{- end -}}

{{- define "arena.workerConfig" -}}
[worker]
coordinators = [{{ printf "https://%s-coordinator.%s.svc:%d" (include "arena.name" .) .Release.Namespace (int .Values.coordinator.port) | quote }}]
engine_slots = {{ int .Values.worker.engineSlots }}
measure_cores = {{ .Values.worker.measureCores | toJson }}
engine_packs = {{ .Values.worker.engineDirectory | quote }}
workspaces = {{ .Values.worker.workspaces | quote }}
drain_s = {{ int .Values.worker.drainSeconds }}

{{ include "arena.tls" . }}

{{ include "arena.telemetry" . }}
{{- range $name, $provider := .Values.worker.providers }}

[provider.{{ $name }}]
upstream = {{ $provider.upstream | quote }}
key_file = {{ printf "/etc/arena/keys/%s" $name | quote }}
models = {{ $provider.models | toJson }}
{{- end }}
{{- with .Values.worker.extraConfig }}

{{ . }}
{{- end }}
{{- end -}}
