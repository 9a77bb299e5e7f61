{{/* What a schema cannot say. Each message names the value and the remedy. */}}
{{- define "voxwarden.checks" -}}
{{- $kafka := .Values.settings.kafka | default dict -}}
{{- $gateway := .Values.roles.gateway | default dict -}}
{{- if not $kafka.bootstrap -}}
{{- fail "settings.kafka.bootstrap is empty. Set it to HOST:PORT of your brokers." -}}
{{- end -}}
{{- if not .Values.database.secret -}}
{{- fail "database.secret is empty. Create a Secret with the key VOXWARDEN_STORE__URL, and name it here." -}}
{{- end -}}
{{- if and (ne $gateway.enabled false) (not $gateway.secrets) (not .Values.defaults.secrets) -}}
{{- fail "roles.gateway.secrets is empty. Create a Secret with the key VOXWARDEN_GATEWAY__TOKENS, and name it here." -}}
{{- end -}}
{{- $evidence := .Values.settings.evidence | default dict -}}
{{- if and (ne $evidence.store "s3") (not .Values.clips.claim) (not .Values.clips.size) -}}
{{- fail "There is no place for clips. Set settings.evidence.store to s3, or clips.claim, or clips.size." -}}
{{- end -}}
{{- if and .Values.clips.claim .Values.clips.size -}}
{{- fail "clips.claim and clips.size exclude each other. Keep one." -}}
{{- end -}}
{{- range $name, $role := include "voxwarden.roles" . | fromYaml -}}
{{- $strategy := $role.values.strategy -}}
{{- if and (has (toString $strategy.maxSurge) (list "0" "0%")) (has (toString $strategy.maxUnavailable) (list "0" "0%")) -}}
{{- fail (printf "roles.%s.strategy lets no pod stop and none start. Set maxSurge or maxUnavailable to 1." $name) -}}
{{- end -}}
{{- with $role.values.autoscaling -}}
{{- if and .lag (not $role.topics) -}}
{{- fail (printf "roles.%s.autoscaling has a lag, but only workers take records from Kafka. Set roles.%s.replicas." $name $name) -}}
{{- end -}}
{{- if and $role.topics (gt (int .max) (int ($kafka.partitions | default 12))) -}}
{{- fail (printf "roles.%s.autoscaling.max is %d, but a topic has %d partitions. More workers would wait idle." $name (int .max) (int ($kafka.partitions | default 12))) -}}
{{- end -}}
{{- if gt (int .min) (int .max) -}}
{{- fail (printf "roles.%s.autoscaling.min is larger than max." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
