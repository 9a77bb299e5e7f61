{{/* All enabled roles, as YAML: what roles.yaml says of each, and under `values` its values on top of the defaults. */}}
{{- define "voxwarden.roles" -}}
{{- $roles := dict -}}
{{- range $name, $role := .Files.Get "roles.yaml" | fromYaml -}}
{{- $own := index $.Values.roles $name | default dict -}}
{{- if ne $own.enabled false -}}
{{- $values := merge (deepCopy $own) (deepCopy $.Values.defaults) -}}
{{- /* `merge` takes a 0 for no value. */}}
{{- $strategy := deepCopy $.Values.defaults.strategy -}}
{{- range $key, $pods := $own.strategy -}}
{{- $_ := set $strategy $key $pods -}}
{{- end -}}
{{- $_ := set $values "strategy" $strategy -}}
{{- $scaled := and $values.autoscaling (or $.Values.keda.enabled (not $role.topics)) -}}
{{- $named := or $role.named (and $role.topics $.Values.broker.staticMembership) -}}
{{- $kind := ternary "StatefulSet" "Deployment" (not (empty $named)) -}}
{{- $_ := set $roles $name (merge (dict "values" $values "scaled" (not (empty $scaled)) "kind" $kind) $role) -}}
{{- end -}}
{{- end -}}
{{- toYaml $roles -}}
{{- end -}}

{{- define "voxwarden.fullname" -}}
{{- if contains "voxwarden" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-voxwarden{{ end -}}
{{- end -}}

{{/* The labels that select pods. Arguments: the root, and the role (empty: all roles). */}}
{{- define "voxwarden.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: voxwarden
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "voxwarden.labels" -}}
{{- $root := index . 0 -}}
{{ include "voxwarden.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end -}}

{{/* The image. Arguments: the root, and a tag that wins (empty: that of the chart). */}}
{{- define "voxwarden.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- if index . 1 -}}
{{ $image.repository }}:{{ index . 1 }}
{{- else if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "voxwarden.serviceAccount" -}}
{{- $account := .Values.serviceAccount -}}
{{- $account.name | default (ternary (include "voxwarden.fullname" .) "default" $account.create) -}}
{{- end -}}
