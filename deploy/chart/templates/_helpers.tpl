{{- define "unroll.labels" -}}
{{ include "unroll.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "unroll.selector" -}}
app.kubernetes.io/name: unroll
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "unroll.image" -}}
"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
{{- end }}

{{- define "unroll.claim" -}}
{{ .Values.store.claim.existing | default (printf "%s-store" .Release.Name) }}
{{- end }}

{{- /* A pod of either image: the images' user, which is no root, and nobody's rights in the cluster. */}}
{{- define "unroll.podSecurity" -}}
serviceAccountName: {{ .Release.Name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1034
  runAsGroup: 1034
  fsGroup: 1034
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "unroll.containerSecurity" -}}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
{{- end }}

{{- /* What Job and CronJob run; `args` beside the root context. */}}
{{- define "unroll.training" -}}
backoffLimit: 2
podFailurePolicy:
  rules:
    - action: FailJob # what the gate refused: done again, it would retrain and promote the others once more
      onExitCodes: {containerName: train, operator: In, values: [1, 2]}
    - action: Ignore # moved to another node
      onPodConditions:
        - {type: DisruptionTarget}
activeDeadlineSeconds: {{ int64 .root.Values.train.deadlineSeconds }}
ttlSecondsAfterFinished: 86400
template:
  metadata:
    labels:
      {{- include "unroll.labels" .root | nindent 6 }}
      app.kubernetes.io/component: training
  spec:
    restartPolicy: Never
    {{- include "unroll.podSecurity" .root | nindent 4 }}
    containers:
      - name: train
        image: "{{ .root.Values.trainImage.repository }}:{{ .root.Values.trainImage.tag | default .root.Chart.AppVersion }}"
        imagePullPolicy: {{ .root.Values.trainImage.pullPolicy }}
        args: {{- toYaml .args | nindent 10 }}
        {{- include "unroll.containerSecurity" .root | nindent 8 }}
        resources: {{- toYaml .root.Values.train.resources | nindent 10 }}
        volumeMounts:
          - {name: store, mountPath: /store}
          - {name: tmp, mountPath: /tmp}
          {{- if .root.Values.train.data.claim }}
          - {name: data, mountPath: /data, readOnly: true}
          {{- end }}
    volumes:
      - name: store
        persistentVolumeClaim:
          claimName: {{ include "unroll.claim" .root }}
      - name: tmp
        emptyDir:
          sizeLimit: {{ .root.Values.tmpSize }}
      {{- with .root.Values.train.data.claim }}
      - name: data
        persistentVolumeClaim:
          claimName: {{ . }}
          readOnly: true
      {{- end }}
{{- end }}

{{- /* Under which Prometheus has this release's series, apart from any other's. */}}
{{- define "unroll.job" -}}
{{ .Release.Namespace }}/{{ .Release.Name }}
{{- end }}

{{- /* What the service speaks: https as soon as it has a certificate. */}}
{{- define "unroll.scheme" -}}
{{- if .Values.env.UNROLL_TLS_CERTIFICATE_FILE }}https{{ else }}http{{ end }}
{{- end }}
