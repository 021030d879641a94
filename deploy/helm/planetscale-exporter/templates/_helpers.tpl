{{/* What every object of the release is called: the release's name, with the chart's unless that is in it. */}}
{{- define "planetscale-exporter.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- /* A StatefulSet adds 11 characters to its name in a label, and a label has 63 at most. */ -}}
{{- .Values.fullnameOverride | default $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "planetscale-exporter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "planetscale-exporter.labels" -}}
{{ include "planetscale-exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "planetscale-exporter.image" -}}
{{- $repository := required "image.repository: where `make image` was pushed to" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* Every login by its folder beside config.yml, in which each of its parts is a file. */}}
{{- define "planetscale-exporter.logins" -}}
{{- $logins := dict -}}
{{- with .Values.credentials.default }}{{ $_ := set $logins "default" . }}{{ end -}}
{{- range $organization, $login := .Values.credentials.organizations -}}
{{- $_ := set $logins (printf "organizations/%s" $organization) $login -}}
{{- end -}}
{{- toYaml $logins -}}
{{- end }}

{{/* The files of one login, as the settings name them. */}}
{{- define "planetscale-exporter.loginFiles" -}}
{{- $files := dict -}}
{{- range $part := keys (omit (.login.existingSecret | default .login) "name") -}}
{{- $_ := set $files (printf "%s_file" $part) (printf "%s/%s" $.folder $part) -}}
{{- end -}}
{{- toYaml $files -}}
{{- end }}

{{/* The configuration file: values.config, and what the chart adds to it. */}}
{{- define "planetscale-exporter.config" -}}
{{- if not .Values.config.targets }}{{ fail "config.targets: name at least one target, as in --set config.targets={acme}" }}{{ end -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config.api "requests_per_minute" (div $config.api.requests_per_minute .Values.replicas) -}}
{{- $_ := set $config "shard" (dict "count" (int .Values.replicas)) -}}
{{- range $folder, $login := include "planetscale-exporter.logins" . | fromYaml -}}
{{- $files := include "planetscale-exporter.loginFiles" (dict "folder" $folder "login" $login) | fromYaml -}}
{{- if eq $folder "default" -}}
{{- $_ := set $config "api" (merge $files $config.api) -}}
{{- else -}}
{{- $_ := set $config "credentials" (merge (dict (trimPrefix "organizations/" $folder) $files) ($config.credentials | default dict)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}
