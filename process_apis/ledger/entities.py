"""The legal entities, as far as processes decide by them. The installation's settings say what they are."""

from collections.abc import Mapping

from msgspec import Struct


class LegalEntity(Struct, frozen=True, kw_only=True):
    """A company that signs, invoices and keeps books."""

    code: str
    name: str
    currency: str
    country: str
    time_zone: str
    code_pattern: str
    """The project code; `{number}` is the next of the installation's sequence."""


Entities = Mapping[str, LegalEntity]
