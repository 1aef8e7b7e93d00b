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

{{- /* Security of every pod: the images' user, which is not root, and no rights in the cluster. */}}
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

{{- /* The spec of Job and CronJob. Takes the root context and `args`. */}}
{{- define "unroll.training" -}}
backoffLimit: 2
podFailurePolicy:
  rules:
    - action: FailJob # the gate refused: a retry would retrain and promote the other models again
      onExitCodes: {containerName: train, operator: In, values: [1, 2]}
    - action: Ignore # the pod moves to another node
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

{{- /* The Prometheus job of this release, which keeps its series apart from other releases'. */}}
{{- define "unroll.job" -}}
{{ .Release.Namespace }}/{{ .Release.Name }}
{{- end }}

{{- /* The service's scheme: https when it has a certificate. */}}
{{- define "unroll.scheme" -}}
{{- if .Values.env.UNROLL_TLS_CERTIFICATE_FILE }}https{{ else }}http{{ end }}
{{- end }}
