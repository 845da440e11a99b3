"""What an installation may write into `tiebeam.yaml`: a struct for each section, whose fields are its schema."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.secret import Secret

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
EntityCode = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,19}$")]
CodePattern = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]*\{number(:0[1-9])?\}[A-Za-z0-9._-]*$")]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]


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
    drain_s: Annotated[float, Meta(ge=0, le=300)] = 0.0
    """How long a web process that is told to stop listens on and says that it is not ready: until all who send calls
    have noticed. The calls that it has by then are answered in any case."""


class WorkerListener(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a worker tells orchestrators and scrapers how it is: `/health/live`, `/health/ready` and `/metrics`."""

    host: str = "127.0.0.1"
    """It asks for no token: choose an address that only they can reach."""
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """Left out, it does not listen at all."""


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


class Releases(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an invoice needs a second person before it is sent."""

    unusual_percent: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Of the average of the contract's last invoices to the payer, as far as they are of work; with 0, as where it is
    not written down, nothing is compared."""
    unusual_after: Annotated[int, Meta(ge=1, le=100)] = 3
    """So many invoices there have to be before one is compared with them."""
    trailing: Annotated[int, Meta(ge=1, le=100)] = 6
    """The average is of so many at most, the last ones."""
    lines_per_project_and_day: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How many lines of one project are invoiced on one day without that; with 0, as where it is not written down,
    they are not counted."""


class Usage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered of who calls what."""

    keep_days: Annotated[int, Meta(ge=90, le=3650)] = 800
    """After it a use that did not come again is forgotten. The default is longer than two years: who calls once a year
    does not become a new client, which a deprecated version refuses."""


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
    worker: WorkerListener = WorkerListener()
    issuers: tuple[Issuer, ...] = ()
    entities: dict[EntityCode, Entity]
    connections: dict[Name, ConnectionSettings]
    owners: dict[str, Owner]
    """Who answers for connections, by the name that they give. Whose an API version is stands in its lifecycle."""
    processes: Processes = Processes()
    transfer: Transfer = Transfer()
    holds: Holds = Holds()
    releases: Releases = Releases()
    usage: Usage = Usage()
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
