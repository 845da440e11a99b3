"""What an installation decides of its calls to one system: the fields of `policies/30-upstreams.yaml`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0, le=60)]
"""At most a minute: the guard of writes counts on a send that has ended by then."""


class Quota(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many calls the vendor takes from us, all our processes together."""

    rate: Annotated[float, Meta(gt=0, le=100_000)]
    """Calls a second."""
    burst: Annotated[int, Meta(ge=2, le=100_000)]
    """Calls that may come at once after a pause."""
    concurrency: Annotated[int, Meta(ge=2, le=1_000)]
    """Calls under way; web process and worker each have their part of them."""
    interactive_share: Annotated[float, Meta(ge=0.1, le=0.9)]
    """The part of burst and concurrency that background work leaves to people who wait."""
    when_unavailable: Literal["count_alone", "refuse"]
    """While nobody can count for all processes: each counts for itself, or nobody calls. No default."""
    scope: Annotated[str, Meta(min_length=1)] | None = None
    """Whose quota it is, an account's or an app's: connections of one scope share it. Left out, each has its own."""


class Patience(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long, and how often."""

    deadline_s: Seconds
    """For the whole call, waiting and retries included; a caller who has less time left ends it sooner."""
    connect_s: Seconds
    """For a connection to stand."""
    read_retries: Annotated[int, Meta(ge=0, le=10)]
    """How often a read is asked again when its answer is lost. Writes never are."""


class Breaker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a system counts as away."""

    failures: Annotated[int, Meta(ge=1, le=1_000)]
    """So many in a row open the circuit."""
    open_s: Annotated[float, Meta(gt=0, le=3_600)]
    """So long nobody calls; then one read may try."""


class Terms(Struct, frozen=True, kw_only=True):
    """All of it, for one connection."""

    quota: Quota
    patience: Patience
    circuit: Breaker
    max_answer_bytes: int = 16 * 1024 * 1024
