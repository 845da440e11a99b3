"""The installation's settings: one `tiebeam.yaml`, the environment over it. The only reader of the environment.

What cannot be loaded stops the start, with every mistake named at once. Secrets are never written into the file: they
stand as `{file: …}` or `{env: …}` and are read from there.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import jsonschema_rs
import msgspec
import yaml
from msgspec import Meta, Struct

from gateway.secret import Secret

PREFIX = "TIEBEAM__"
CONFIG_VARIABLE = "TIEBEAM_CONFIG"
DEFAULT_FILE = "tiebeam.yaml"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
VISIBLE: Final = re.compile(r"[\x21-\x7e]+\Z").match

T = TypeVar("T")
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
EntityCode = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,19}$")]
CodePattern = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]*\{number(:0[1-9])?\}[A-Za-z0-9._-]*$")]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]


class SettingsError(Exception):
    """The installation's settings do not hold; the text names each mistake and where it stands."""


class Database(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where everything is kept that may not be lost."""

    url: Secret | None = None
    """`postgresql://…`; left out, SQLite in the data directory."""


class Redis(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where counters and caches are shared between replicas; Redis or Valkey."""

    url: Secret


class HttpServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    public_url: Annotated[str, Meta(pattern=r"^https?://[^/?#\s]+$")] | None = None
    """How callers reach it, where that is not host and port; what it says of itself begins so."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of proxies whose `X-Forwarded-For` is believed, such as 10.0.0.0/8."""
    most_under_way: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """How many calls are worked on at once; who comes beyond gets 503 and when to come again."""


class IssuerKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When keys at a `jwks_url` are fetched again."""

    fresh_at_least_s: Annotated[float, Meta(ge=1, le=3600)] = 300.0
    fresh_at_most_s: Annotated[float, Meta(ge=1, le=3600)] = 900.0
    """`Cache-Control: max-age` is honoured between the two. So long a key may be used after it was withdrawn."""
    stale_s: Annotated[float, Meta(ge=0, le=86400)] = 3600.0
    """How long after that they are still used while the issuer cannot be asked; then its tokens are refused."""
    refetch_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    """At most once in so many seconds a key that is not there is a reason to fetch."""


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose access tokens are accepted (RFC 9068), and with which keys: a file or an address, one of them."""

    issuer: Annotated[str, Meta(min_length=1, max_length=500)]
    """The exact `iss` of its tokens."""
    audience: Annotated[str, Meta(min_length=1)]
    """What `aud` must name."""
    jwks_file: Annotated[str, Meta(min_length=1)] | None = None
    """A JWK set (RFC 7517), relative to the settings file; read again when it changes."""
    jwks_url: Annotated[str, Meta(min_length=1)] | None = None
    """Where the issuer publishes its JWK set: https, and no redirect; http on this machine outside production."""
    keys: IssuerKeys = IssuerKeys()
    development: bool = False
    """Its key lies in the data directory, for `tiebeam token`. Refused in production."""


class Entity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A legal entity, and the connections that serve it."""

    name: str
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    time_zone: str
    tax_basis: Literal["per_rate_group", "per_line"]
    """How the ERP rounds taxes; `tiebeam check --connections` compares."""
    code_pattern: CodePattern = "P-{number:04}"
    """The project code; `{number}` is the next of a sequence of the installation."""
    rounding: Literal["half_up", "half_even", "down"] = "half_up"
    """How lines and taxes are rounded, as the ERP does it; `tiebeam check --connections` compares."""
    period_policy: Literal["reject", "next_open"] = "reject"
    """What becomes of work whose accounting period is closed."""
    erp: Name
    psa: Name


class ConnectionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account at one vendor."""

    vendor: Name
    family: Literal["erp", "psa"]
    environment: Literal["production", "sandbox"]
    owner: Annotated[str, Meta(min_length=1)]
    """One of `owners`."""
    legal_entities: Annotated[list[EntityCode], Meta(min_length=1)]
    settings: dict[str, Any] = {}
    """The connector's own; its README describes them."""


class Owner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team that answers for something."""

    team: Annotated[str, Meta(min_length=1)]
    contact: Annotated[str, Meta(min_length=1)]


class Processes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The clocks of durable work."""

    hold_forward_h: Annotated[float, Meta(gt=0, le=8760)] = 24.0
    """How long a parked process keeps what it made before it is undone."""
    probes_s: Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=20)] = (5.0, 30.0, 120.0, 600.0)
    """When a write of unknown outcome is looked for."""
    write_deadline_s: Seconds = 3600.0
    """After it an unknown outcome becomes a work item."""
    write_lease_s: Annotated[float, Meta(gt=0, le=3600)] = 120.0
    worker_lease_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """On PostgreSQL: after how long a worker that says nothing is taken for dead, and others go on with its work."""
    retry_attempts: Annotated[int, Meta(ge=1, le=20)] = 5
    retry_interval_s: Seconds = 0.5
    poll_interval_s: Annotated[float, Meta(gt=0, le=60)] = 0.2
    unavailable_resume_s: Annotated[float, Meta(gt=0, le=86400)] = 30.0
    """How soon what parked because a system was away is taken up again; doubled each time."""


class Transfer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When approved time is taken over from a PSA, and how far back it is looked for."""

    poll_s: Annotated[float, Meta(gt=0, le=86400)] = 60.0
    sweep_s: Annotated[float, Meta(gt=0, le=604800)] = 900.0
    """How often all of it is counted and summed on both sides."""
    overlap_s: Annotated[float, Meta(ge=0, le=86400)] = 600.0
    """How far before the last change seen is asked again; longer than any write in the PSA takes to be seen."""
    since_days: Annotated[int, Meta(ge=1, le=366)] = 62
    """How far back the first run and each sweep look."""
    retry_rejected_s: Annotated[float, Meta(gt=0, le=86400)] = 900.0
    """When time that was refused is looked at again by itself."""


class Holds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When holds are told to systems, and looked for in them."""

    push_every_s: Annotated[float, Meta(gt=0, le=86400)] = 15.0
    settle_every_s: Annotated[float, Meta(gt=0, le=86400)] = 30.0
    observe_every_s: Annotated[float, Meta(gt=0, le=86400)] = 120.0
    """Between the looks of releases, which read the flags themselves before they submit."""
    ack_within_s: Annotated[float, Meta(gt=0, le=86400)] = 60.0
    """A system that has not confirmed a hold by then is a work item."""


class Telemetry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where spans go; left out, none are made."""

    otlp_endpoint: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the installation decides. Policies and templates lie in folders beside the file."""

    environment: Literal["production", "sandbox"]
    """Production refuses development issuers, fault switches and sandbox connections."""
    data_dir: str = "data"
    """Where the embedded database, counters and keys lie; relative to the file."""
    database: Database = Database()
    redis: Redis | None = None
    http: HttpServer = HttpServer()
    issuers: tuple[Issuer, ...] = ()
    entities: dict[EntityCode, Entity]
    connections: dict[Name, ConnectionSettings]
    owners: dict[str, Owner]
    """Who answers for connections, by the name that they give. Whose an API version is stands in its lifecycle."""
    processes: Processes = Processes()
    transfer: Transfer = Transfer()
    holds: Holds = Holds()
    telemetry: Telemetry = Telemetry()
    file: str = ""
    """Where all this was read from; set by the loader."""

    def path(self, *parts: str) -> Path:
        """Return a path below the file's folder; an absolute one stays."""
        return Path(self.file).parent.joinpath(*parts)

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.path(self.data_dir)

    @property
    def database_url(self) -> str:
        """Return the database's URL: the one given, or SQLite in the data directory."""
        return self.database.url.reveal() if self.database.url else f"sqlite:///{self.data / 'tiebeam.sqlite'}"


def load(file: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the file given, or named by TIEBEAM_CONFIG, or in the working directory.

    Raises SettingsError with all mistakes.
    """
    environ = os.environ if environ is None else environ
    path = Path(file or environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read. `tiebeam init DIR` writes a commented one.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} has no settings in it.")
    path = path.resolve()
    document["file"] = str(path)
    settings = convert(overridden(document, environ), Settings, path.name, base=path.parent, environ=environ)
    mistakes = contradictions(settings)
    if mistakes:
        raise SettingsError("\n".join(f"{path.name}: {mistake}" for mistake in mistakes))
    return settings


def hand_on(settings: Settings) -> None:
    """Let the processes that this one starts read the same file."""
    os.environ[CONFIG_VARIABLE] = settings.file


def overridden(document: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with `TIEBEAM__SECTION__FIELD=value` put over it; a value is read as YAML.

    Raises SettingsError with the variable that cannot be read, but never with its value.
    """
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        *sections, field = name.removeprefix(PREFIX).split("__")
        target: Any = document
        for section in sections:
            target = target.setdefault(_key(target, section), {})
            if not isinstance(target, dict):
                raise SettingsError(f"The variable {name} names no field: {section} has none.")
        try:
            target[_key(target, field)] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"The value of the variable {name} is no YAML.") from error
    return document


def _key(section: Mapping[str, Any], name: str) -> str:
    """Return the key as the section spells it: the environment knows capitals only."""
    return next((key for key in section if key.upper().replace("-", "_") == name.upper()), name.lower())


def convert(
    raw: object, into: type[T], where: str, *, base: Path | None = None, environ: Mapping[str, str] | None = None
) -> T:
    """Return the settings as `into`; raises SettingsError with every mistake, each with its place.

    `base` is the folder that files of secrets are relative to.
    """
    environ = os.environ if environ is None else environ
    schema = msgspec.json.schema(into, schema_hook=_secret_schema)
    validator = jsonschema_rs.Draft202012Validator(schema, mask="the value")  # A secret may stand in the wrong place.
    mistakes = [f"{where}: {_place(error.instance_path)}: {error.message}" for error in validator.iter_errors(raw)]
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return msgspec.convert(raw, into, dec_hook=partial(_secret, base=base or Path(), environ=environ))


def _place(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path) or "the document"


def _secret_schema(kind: type) -> dict[str, Any]:
    if kind is not Secret:
        raise NotImplementedError(kind)
    one = {"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return one | {"properties": {"file": {"type": "string"}, "env": {"type": "string"}}}


def _secret(kind: type, value: Mapping[str, str], *, base: Path, environ: Mapping[str, str]) -> Secret:
    if kind is not Secret:
        raise NotImplementedError(kind)
    if "env" in value:
        if value["env"] not in environ:
            raise SettingsError(f"The variable {value['env']}, which a secret is read from, is not set.")
        return Secret(environ[value["env"]])
    path = base / value["file"]
    try:
        return Secret(path.read_text("utf-8").strip())
    except OSError as error:
        raise SettingsError(f"{path}, which a secret is read from, cannot be read.") from error


def _network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def contradictions(settings: Settings) -> list[str]:
    """Return what is well formed and still cannot be meant."""
    found = [
        f"http.trusted_proxies: {each} is no network." for each in settings.http.trusted_proxies if not _network(each)
    ]
    for code, entity in settings.entities.items():
        for family, name in (("erp", entity.erp), ("psa", entity.psa)):
            connection = settings.connections.get(name)
            if connection is None:
                found.append(f"entities.{code}.{family}: there is no connection {name}.")
            elif connection.family != family:
                found.append(f"entities.{code}.{family}: {name} is of the family {connection.family}.")
            elif code not in connection.legal_entities:
                found.append(f"entities.{code}.{family}: {name} does not list {code} in its legal_entities.")
    for name, connection in settings.connections.items():
        if connection.environment != settings.environment:
            found.append(f"connections.{name}: {connection.environment} does not mix with {settings.environment}.")
        if connection.owner not in settings.owners:
            found.append(f"connections.{name}.owner: {connection.owner} is not one of the owners.")
        found += [
            f"connections.{name}.legal_entities: there is no entity {code}."
            for code in connection.legal_entities
            if code not in settings.entities
        ]
    for number, issuer in enumerate(settings.issuers):
        found += [f"issuers.{number}{mistake}" for mistake in _issuer_mistakes(issuer, settings.environment)]
    return found


def _issuer_mistakes(issuer: Issuer, environment: str) -> Iterator[str]:
    if issuer.development and environment == "production":
        yield f": {issuer.issuer} is for development; production refuses it."
    if (issuer.jwks_file is None) == (issuer.jwks_url is None):
        yield f": {issuer.issuer} needs jwks_file or jwks_url, one of them."
    if issuer.keys.fresh_at_least_s > issuer.keys.fresh_at_most_s:
        yield ".keys: fresh_at_least_s is more than fresh_at_most_s."
    if issuer.jwks_url is not None and not _may_fetch(issuer.jwks_url, environment):
        yield ".jwks_url: write https://host/path, without a user or fragment; http is for this machine, in a sandbox."


def _may_fetch(url: str, environment: str) -> bool:
    """Tell whether keys may come from there: what is read on the way can be replaced on the way."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and "@" not in parts.netloc and "#" not in url and parts.port != 0
    except ValueError:
        return False
    if not usable or not VISIBLE(url):
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in LOOPBACK and environment != "production"
    )
