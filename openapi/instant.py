"""The one type that generated modules import: a moment with a zone. RFC 3339 without an offset is refused."""

from datetime import datetime as _datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

datetime: TypeAlias = Annotated[_datetime, Meta(tz=True)]  # noqa: PYI042 - the name that it replaces
