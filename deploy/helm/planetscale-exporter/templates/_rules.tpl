{{/* One rule as the values tune it, as JSON; nothing where they turn it off. Takes root and rule. */}}
{{- define "planetscale-exporter.rule" -}}
{{- $values := .root.Values.prometheusRule -}}
{{- $rule := deepCopy .rule -}}
{{- $exact := printf "%s/%s" (.rule.alert | default "") (dig "labels" "severity" "" .rule) -}}
{{- $tuning := dict -}}
{{- if .rule.alert -}}
{{- $tuning = mergeOverwrite (deepCopy (get $values.alerts .rule.alert | default dict)) (deepCopy (get $values.alerts $exact | default dict)) -}}
{{- $labels := mergeOverwrite (deepCopy $rule.labels) $values.additionalRuleLabels ($tuning.labels | default dict) -}}
{{- with $tuning.severity }}{{ $_ := set $labels "severity" . }}{{ end -}}
{{- $_ := set $rule "labels" $labels -}}
{{- with $tuning.annotations }}{{ $_ := set $rule "annotations" (mergeOverwrite $rule.annotations .) }}{{ end -}}
{{- with $tuning.expr }}{{ $_ := set $rule "expr" . }}{{ end -}}
{{- with get $tuning "for" }}{{ $_ := set $rule "for" . }}{{ end -}}
{{- with $tuning.keepFiringFor }}{{ $_ := set $rule "keep_firing_for" . }}{{ end -}}
{{- end -}}
{{- $on := ternary (dig "enabled" true $tuning) $values.recording (hasKey .rule "alert") -}}
{{- if $on }}{{ toJson $rule }}{{ end -}}
{{- end }}

{{/* The groups of one file as the values tune them, without those that are left empty. Takes root and text. */}}
{{- define "planetscale-exporter.groups" -}}
{{- $root := .root -}}
{{- $groups := list -}}
{{- range $group := (fromYaml .text).groups -}}
{{- $rules := list -}}
{{- range $rule := $group.rules -}}
{{- with include "planetscale-exporter.rule" (dict "root" $root "rule" $rule) }}{{ $rules = append $rules (fromJson .) }}{{ end -}}
{{- end -}}
{{- if $rules }}{{ $groups = append $groups (merge (dict "rules" $rules) $group) }}{{ end -}}
{{- end -}}
{{- if $groups }}{{ toYaml (dict "groups" $groups) }}{{ end -}}
{{- end }}
