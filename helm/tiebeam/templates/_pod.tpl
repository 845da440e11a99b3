{{- /* A pod: root, component, args, port of its probes, resources; `hook` for one that runs before the rest is there. */ -}}
{{- define "tiebeam.pod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
metadata:
  labels:
    {{- include "tiebeam.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    checksum/installation: {{ include "tiebeam.digest" $root }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- if not .hook }}
  serviceAccountName: {{ include "tiebeam.name" $root }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  terminationGracePeriodSeconds: {{ include "tiebeam.grace" $root }}
  {{- if .hook }}
  restartPolicy: Never
  {{- end }}
  {{- if .spread }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "tiebeam.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $.component }}
    {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets: {{ range . }}{{ printf "- name: %s" . | nindent 4 }}{{ end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: "{{ $values.image.repository }}:{{ $values.image.tag | default $root.Chart.AppVersion }}{{ with $values.image.digest }}@{{ . }}{{ end }}"
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: {{ toJson .args }}
      {{- with $values.secrets.env }}
      env:
        {{- range $name, $from := . }}
        - name: {{ $name }}
          valueFrom: {secretKeyRef: {name: {{ $from.secret }}, key: {{ $from.key }}}}
        {{- end }}
      {{- end }}
      {{- with .ports }}
      ports:
        {{- range $name, $port := . }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      {{- end }}
      {{- with .probed }}
      startupProbe:
        httpGet: {path: /health/live, port: {{ . }}}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /health/live, port: {{ . }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /health/ready, port: {{ . }}}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      {{- end }}
      resources: {{ toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: settings, mountPath: /etc/tiebeam/tiebeam.yaml, subPath: tiebeam.yaml, readOnly: true}
        - {name: settings, mountPath: /etc/tiebeam/ownership.yaml, subPath: ownership.yaml, readOnly: true}
        {{- if not .hook }}
        {{- range list "policies" "templates" "mappings" }}
        - {name: {{ . }}, mountPath: /etc/tiebeam/{{ . }}, readOnly: true}
        {{- end }}
        {{- end }}
        {{- if $values.secrets.files }}
        - {name: secrets, mountPath: /etc/tiebeam/secrets, readOnly: true}
        {{- end }}
        - {name: data, mountPath: {{ $values.settings.data_dir }}}
        {{- with $values.secrets.installationKey }}
        - {name: installation-key, mountPath: {{ $values.settings.data_dir }}/installation-key, subPath: installation-key, readOnly: true}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: settings
      configMap: {name: {{ include "tiebeam.name" $root }}-{{ ternary "migration" "settings" (.hook | default false) }}}
    {{- if not .hook }}
    {{- range $folder := list "policies" "templates" "mappings" }}
    - name: {{ $folder }}
      configMap: {name: {{ (index $values $folder).existingConfigMap | default (printf "%s-%s" (include "tiebeam.name" $root) $folder) }}}
    {{- end }}
    {{- end }}
    {{- with $values.secrets.files }}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- range $name, $from := . }}
          - secret: {name: {{ $from.secret }}, items: [{key: {{ $from.key }}, path: {{ $name }}}]}
          {{- end }}
    {{- end }}
    {{- with $values.secrets.installationKey }}
    - name: installation-key
      secret: {secretName: {{ .secret }}, defaultMode: 0440, items: [{key: {{ .key }}, path: installation-key}]}
    {{- end }}
    {{- if not .claim }}
    - {name: data, emptyDir: {}}
    {{- end }}
    - {name: tmp, emptyDir: {}}
{{- end -}}
