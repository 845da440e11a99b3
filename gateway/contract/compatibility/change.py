"""One difference between two documents, as callers read it."""

from msgspec import Struct

from gateway.contract.compatibility.kinds import Kind


class Change(Struct, frozen=True, kw_only=True):
    """One thing that is not as it was. It breaks callers, or it does not: its kind alone decides."""

    kind: Kind
    operation: str | None
    """`POST /holds`; None for what concerns the whole contract."""
    pointer: str
    """Where it stands: a JSON Pointer into the newer document, or into the older one for what is gone."""
    breaking: bool
    words: str
    """One sentence for callers."""
    detail: str = ""
    """What exactly, in short: the same wherever a schema is used, while the words name a place in each call."""
