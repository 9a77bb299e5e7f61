{{/* The pod of a role. Arguments: the root, the role's name, the role. */}}
{{- define "voxwarden.pod" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $role := index . 2 -}}
{{- $values := $role.values -}}
metadata:
  labels:
    {{- include "voxwarden.labels" (list $root $name) | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A change of a setting that the role reads restarts its pods.
    checksum/settings: {{ include "voxwarden.settingsRead" . | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "voxwarden.podSecurity" (list $root $values.serviceAccount) | nindent 2 }}
  terminationGracePeriodSeconds: {{ $values.graceSeconds }}
  {{- with $values.priorityClass }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.runtimeClass }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "voxwarden.selector" (list $root $name) | nindent 10 }}
  containers:
    - name: {{ $name }}
      image: {{ include "voxwarden.image" (list $root $values.tag) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ toJson $role.command }}
      {{- include "voxwarden.containerSecurity" . | nindent 6 }}
      env:
        {{- include "voxwarden.env" . | nindent 8 }}
      {{- with include "voxwarden.secrets" . | fromYamlArray }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: metrics, containerPort: 9108}
        {{- with $role.port }}
        - {name: {{ $name }}, containerPort: {{ . }}}
        {{- end }}
      # It answers while models load and while Kafka or the database is down: a restart would not help.
      livenessProbe:
        httpGet: {path: /healthz, port: metrics}
        initialDelaySeconds: 20
        periodSeconds: 15
        timeoutSeconds: 5
        failureThreshold: 4
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        {{- include "voxwarden.mounts" (list $root $role) | nindent 8 }}
        {{- with $values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "voxwarden.volumes" (list $root $role (include "voxwarden.fullname" $root)) | nindent 4 }}
    {{- with $values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* What makes a pod harmless. Arguments: the root, and the name of an account (empty: that of the chart). */}}
{{- define "voxwarden.podSecurity" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ index . 1 | default (include "voxwarden.serviceAccount" $root) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "voxwarden.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* The variables of a role. Arguments: the root, the role's name, the role. */}}
{{- define "voxwarden.env" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $role := index . 2 -}}
- {name: VOXWARDEN_CONFIG, value: /etc/voxwarden/voxwarden.yaml}
{{- if eq $role.kind "StatefulSet" }}
- {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- end }}
{{- if and $role.topics (eq $role.kind "StatefulSet") }}
- {name: VOXWARDEN_KAFKA__INSTANCE, value: $(POD)}
{{- end }}
{{- if has $name (list "gateway" "console" "api") }}
- {name: VOXWARDEN_{{ upper $name }}__HOST, value: 0.0.0.0}
{{- end }}
{{- if eq $name "livekit" }}
{{- $pods := list }}
{{- range until (int $role.values.replicas) }}
{{- $pods = append $pods (printf "%s-livekit-%d" (include "voxwarden.fullname" $root) .) }}
{{- end }}
- {name: VOXWARDEN_LIVEKIT__NAME, value: $(POD)}
- {name: VOXWARDEN_LIVEKIT__MEMBERS, value: {{ toJson $pods | quote }}}
- {name: VOXWARDEN_LIVEKIT__WEBHOOK_HOST, value: 0.0.0.0}
- {name: VOXWARDEN_LIVEKIT__WEBHOOK_PORT, value: {{ $role.port | quote }}}
- {name: VOXWARDEN_LIVEKIT__GATEWAY_URL, value: "ws://{{ include "voxwarden.fullname" $root }}-gateway:8765"}
{{- end }}
{{- with $role.values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The Secrets whose keys are variables. Arguments: the root, the role's name, the role. */}}
{{- define "voxwarden.secrets" -}}
{{- $root := index . 0 -}}
{{- $role := index . 2 -}}
{{- if and $role.kafka $root.Values.broker.secret }}
- secretRef: {name: {{ $root.Values.broker.secret }}}
{{- end }}
{{- if $role.database }}
- secretRef: {name: {{ $root.Values.database.secret }}}
{{- end }}
{{- range $role.values.secrets }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}

{{/* A container that ends. Arguments: the root, the role's name, the role, the command. */}}
{{- define "voxwarden.step" -}}
{{- $root := index . 0 -}}
- name: {{ join "-" (index . 3) }}
  image: {{ include "voxwarden.image" (list $root "") }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args: {{ toJson (index . 3) }}
  {{- include "voxwarden.containerSecurity" . | nindent 2 }}
  env:
    {{- include "voxwarden.env" . | nindent 4 }}
  {{- with include "voxwarden.secrets" . | fromYamlArray }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    requests: {cpu: 100m, memory: 256Mi}
    limits: {cpu: "1", memory: 2Gi}
  volumeMounts:
    {{- include "voxwarden.mounts" (list $root (index . 2)) | nindent 4 }}
{{- end -}}

{{/* Arguments: the root, the role. */}}
{{- define "voxwarden.mounts" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
- {name: settings, mountPath: /etc/voxwarden, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
{{- if and $role.kafka $root.Values.broker.files }}
- {name: kafka, mountPath: /etc/voxwarden-kafka, readOnly: true}
{{- end }}
{{- end -}}

{{/* Arguments: the root, the role, the ConfigMap with the settings. */}}
{{- define "voxwarden.volumes" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $clips := $root.Values.clips -}}
- {name: settings, configMap: {name: {{ index . 2 }}}}
- {name: tmp, emptyDir: {sizeLimit: 2Gi}}
{{- if and $role.clips (or $clips.claim $clips.size) }}
- {name: data, persistentVolumeClaim: {claimName: {{ $clips.claim | default (printf "%s-clips" (include "voxwarden.fullname" $root)) }}}}
{{- else }}
- {name: data, emptyDir: {sizeLimit: 2Gi}}
{{- end }}
{{- if and $role.kafka $root.Values.broker.files }}
- {name: kafka, secret: {secretName: {{ $root.Values.broker.files }}}}
{{- end }}
{{- end -}}
