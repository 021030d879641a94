{{- define "planetscale-exporter.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What every object of the release is called: the release's name, with the chart's unless that is in it. */}}
{{- define "planetscale-exporter.fullname" -}}
{{- $chart := include "planetscale-exporter.name" . -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- /* A StatefulSet adds 11 characters to its name in a label, and a label has 63 at most. */ -}}
{{- .Values.fullnameOverride | default $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "planetscale-exporter.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "planetscale-exporter.selector" -}}
app.kubernetes.io/name: {{ include "planetscale-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "planetscale-exporter.labels" -}}
{{ include "planetscale-exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name, namespace and labels of an object that is called as the release is. */}}
{{- define "planetscale-exporter.metadata" -}}
name: {{ include "planetscale-exporter.fullname" . }}
namespace: {{ include "planetscale-exporter.namespace" . }}
labels:
  {{- include "planetscale-exporter.labels" . | nindent 2 }}
{{- end }}

{{- define "planetscale-exporter.image" -}}
{{- $repository := required "image.repository: where `make image` was pushed to" .Values.image.repository -}}
{{- with (.Values.global).imageRegistry | default .Values.image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "planetscale-exporter.pullSecrets" -}}
{{- with concat (((.Values.global).imagePullSecrets) | default list) .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "planetscale-exporter.serviceAccount" -}}
{{- $made := ternary (include "planetscale-exporter.fullname" .) "default" .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default $made }}
{{- end }}

{{- define "planetscale-exporter.scheme" -}}
{{ ternary "https" "http" (and (ne .Values.webConfig.existingSecret "") .Values.webConfig.tls) }}
{{- end }}

{{/* A probe, over HTTPS where the exporter speaks it and the values say nothing else. */}}
{{- define "planetscale-exporter.probe" -}}
{{- $probe := deepCopy .probe -}}
{{- if and $probe.httpGet (eq (include "planetscale-exporter.scheme" .root) "https") -}}
{{- $_ := set $probe "httpGet" (merge $probe.httpGet (dict "scheme" "HTTPS")) -}}
{{- end -}}
{{- toYaml $probe -}}
{{- end }}

{{/* The files below a folder of the chart, and a failure where they are missing: silence would look like rules without alerts. */}}
{{- define "planetscale-exporter.files" -}}
{{- $files := dict -}}
{{- range $path, $_ := .root.Files.Glob .glob }}{{ $_ := set $files $path true }}{{ end -}}
{{- if not $files }}{{ fail (printf "%s: the chart came without these files; take it from a package, or from the whole repository" .glob) }}{{ end -}}
{{- keys $files | sortAlpha | toJson -}}
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
{{- $share := div $config.api.requests_per_minute .Values.replicas -}}
{{- if lt $share 1 }}{{ fail (printf "config.api.requests_per_minute: %v leaves less than 1 for each of %v replicas" $config.api.requests_per_minute .Values.replicas) }}{{ end -}}
{{- $_ := set $config.api "requests_per_minute" $share -}}
{{- $_ := set $config "shard" (dict "count" (int .Values.replicas)) -}}
{{- if .Values.webConfig.existingSecret }}{{ $_ := set $config.web "config_file" (printf "/etc/planetscale-exporter-web/%s" .Values.webConfig.key) }}{{ end -}}
{{- if .Values.webhook.existingSecret }}{{ $_ := set $config.web "webhook_secrets_file" "webhook/secrets" }}{{ end -}}
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
