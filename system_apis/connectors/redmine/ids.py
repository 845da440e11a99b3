"""Redmine's ids. It would take identifiers, and `007` for 7; one thing has one id."""

import re
from collections.abc import Sequence
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code

ID: Final = re.compile(r"[1-9][0-9]{0,9}\Z")


def number_of(external_id: str) -> int:
    """Return the id; what cannot be one is not there."""
    if not ID.match(external_id):
        raise Refused(Code.resource_not_found, "Redmine's ids are whole numbers.")
    return int(external_id)


def numbers_of(external_ids: Sequence[str]) -> list[int]:
    """Return the ids; what cannot be one is left out."""
    return sorted({int(each) for each in external_ids if ID.match(each)})
