{{/* The files of the ConfigMap. */}}
{{- define "voxwarden.settings" -}}
voxwarden.yaml: |
  {{- toYaml .Values.settings | nindent 2 }}
{{- range $name, $text := .Values.files }}
{{ $name | quote }}: |
  {{- $text | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What a role reads of the settings, as JSON. Arguments: the root, the role's name, the role.
A file belongs to the role unless only sections that the role does not read name it. */}}
{{- define "voxwarden.settingsRead" -}}
{{- $root := index . 0 -}}
{{- $read := index ($root.Files.Get "settings_read.yaml" | fromYaml) (index . 1) -}}
{{- $env := (index . 2).values.env -}}
{{- $own := dict -}}
{{- $other := dict -}}
{{- range $section, $values := $root.Values.settings -}}
{{- $_ := set (ternary $own $other (has $section $read)) $section $values -}}
{{- end -}}
{{- $files := dict -}}
{{- range $name, $text := $root.Values.files -}}
{{- $named := contains $name (toJson (list $own $env)) -}}
{{- if or $named (not (contains $name (toJson $other))) -}}
{{- $_ := set $files $name $text -}}
{{- end -}}
{{- end -}}
{{- toJson (list $own $files) -}}
{{- end -}}
