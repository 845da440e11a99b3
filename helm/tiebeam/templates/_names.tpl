{{- define "tiebeam.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "tiebeam.selector" -}}
app.kubernetes.io/name: tiebeam
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tiebeam.labels" -}}
{{ include "tiebeam.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* Secrets that settings name and no pod would find: they would be missed at the start, after the migration. */ -}}
{{- define "tiebeam.secrets" -}}
{{- range regexFindAll "(?m)^[ -]*(env|file): .+$" (toYaml .Values.settings) -1 -}}
{{- $kind := regexFind "(env|file)" . -}}
{{- $name := regexReplaceAll "^[ -]*(env|file): +" . "" | trimAll "\"'" -}}
{{- if eq $kind "env" -}}
{{- if not (hasKey $.Values.secrets.env $name) }}{{ fail (printf "secrets.env: settings read {env: %s}; say which Secret has it." $name) }}{{ end -}}
{{- else if not (or (hasPrefix "/" $name) (hasKey $.Values.secrets.files (trimPrefix "secrets/" $name))) -}}
{{- fail (printf "secrets.files: settings read {file: %s}; say which Secret has it." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What runs in every pod. The web process drains, then answers what it has; the worker ends its steps, 20 s at most. */ -}}
{{- define "tiebeam.grace" -}}
{{ add (ceil .Values.settings.http.drain_s | int) 45 }}
{{- end -}}

{{- /* The texts of policies: those that ship, and the installation's over them. */ -}}
{{- define "tiebeam.policies" -}}
{{- $texts := dict -}}
{{- range $path, $_ := .Files.Glob "policies/*.yaml" }}{{ $_ := set $texts (base $path) ($.Files.Get $path) }}{{ end -}}
{{- range $name, $text := .Values.policies.files -}}
{{- if $text }}{{ $_ := set $texts $name $text }}{{ else }}{{ $_ := unset $texts $name }}{{ end -}}
{{- end -}}
{{- toYaml $texts -}}
{{- end -}}

{{- /* The files beside the folders: the settings, and who answers for what they name. */ -}}
{{- define "tiebeam.settings" -}}
tiebeam.yaml: |
  {{- toYaml .Values.settings | nindent 2 }}
ownership.yaml: |
  {{- toYaml .Values.ownership | nindent 2 }}
{{- end -}}

{{- define "tiebeam.digest" -}}
{{ printf "%s%s%s%s" (include "tiebeam.settings" .) (include "tiebeam.policies" .) (toYaml .Values.templates) (toYaml .Values.mappings) | sha256sum }}
{{- end -}}
