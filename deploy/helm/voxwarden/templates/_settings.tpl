{{/* The files of the ConfigMap. */}}
{{- define "voxwarden.settings" -}}
voxwarden.yaml: |
  {{- toYaml .Values.settings | nindent 2 }}
{{- range $name, $text := .Values.files }}
{{ $name | quote }}: |
  {{- $text | nindent 2 }}
{{- end }}
{{- end -}}
