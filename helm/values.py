"""What the chart's values may say beside the installation's settings: a struct for each section, as Helm spells it."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Object = dict[str, Any]
"""Something of Kubernetes' own, which its API server checks."""
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
Variable = Annotated[str, Meta(pattern=r"^[A-Z_][A-Z0-9_]*$")]
File = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+\.yaml$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Size = Annotated[str, Meta(pattern=r"^[0-9]+(Mi|Gi|Ti)$")]
Resource = Annotated[str, Meta(pattern=r"^(cpu|memory|ephemeral-storage)$")]
Replicas = Annotated[int, Meta(ge=1, le=100)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the values; a field that it does not have is a mistake."""


class SecretKey(Section, frozen=True, kw_only=True):
    """Where a secret stands: a key of a Secret of the same namespace."""

    secret: Name
    key: Key


class Image(Section, frozen=True, kw_only=True):
    """Which image runs."""

    repository: Annotated[str, Meta(min_length=1)]
    tag: str = ""
    digest: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    pull_policy: Literal["Always", "IfNotPresent", "Never"]


class Files(Section, frozen=True, kw_only=True):
    """Files of one folder of the installation."""

    files: dict[File, str] = {}
    existing_config_map: Name | None = None


class Secrets(Section, frozen=True, kw_only=True):
    """Which secrets the pods get; never one itself."""

    env: dict[Variable, SecretKey] = {}
    files: dict[Key, SecretKey] = {}
    installation_key: SecretKey | None = None


class Resources(Section, frozen=True, kw_only=True):
    """What a container asks for, and what it may take at most."""

    requests: dict[Resource, str | int]
    limits: Annotated[dict[Resource, str | int], Meta(min_length=1)]


class Autoscaling(Section, frozen=True, kw_only=True):
    """From `replicas` up to so many, by the CPU time that is asked for."""

    max_replicas: Replicas
    target_cpu: Annotated[int, Meta(ge=10, le=100)] = field(name="targetCPUUtilizationPercentage")


class Scaled(Section, frozen=True, kw_only=True):
    """One kind of pod of a service."""

    resources: Resources
    replicas: Replicas | None = None
    autoscaling: Autoscaling | None = None


class Embedded(Section, frozen=True, kw_only=True):
    """The one pod that has all."""

    storage: Size
    storage_class: Name | None = None
    resources: Resources


class Migration(Section, frozen=True, kw_only=True):
    """The job before an installation and each upgrade."""

    resources: Resources


class Service(Section, frozen=True, kw_only=True):
    """Where the service listens."""

    port: Port


class Ingress(Section, frozen=True, kw_only=True):
    """How callers reach the service from outside."""

    host: Name
    class_name: Name | None = None
    tls_secret: Name | None = None
    annotations: dict[str, str] = {}


class Egress(Section, frozen=True, kw_only=True):
    """A system that the pods call."""

    to: Annotated[list[Object], Meta(min_length=1)]
    ports: Annotated[list[Port], Meta(min_length=1)]


class NetworkPolicy(Section, frozen=True, kw_only=True):
    """Who may call, and who may be called."""

    enabled: bool
    callers: list[Object]
    monitoring: list[Object]
    egress: dict[Name, Egress]


class Monitoring(Section, frozen=True, kw_only=True):
    """What Prometheus and Grafana are told."""

    scrape: bool
    rules: bool
    dashboard: bool
    token: SecretKey | None = None


class Values(Section, frozen=True, kw_only=True):
    """All values. `settings` and `ownership` are the installation's files."""

    profile: Literal["service", "embedded"]
    image: Image
    settings: Object
    ownership: Object
    policies: Files
    templates: Files
    mappings: Files
    secrets: Secrets
    web: Scaled
    worker: Scaled
    embedded: Embedded
    migration: Migration
    service: Service
    ingress: Ingress | None = None
    network_policy: NetworkPolicy
    monitoring: Monitoring
    node_selector: dict[str, str]
    tolerations: list[Object]
    pod_annotations: dict[str, str]
    image_pull_secrets: list[Name]
