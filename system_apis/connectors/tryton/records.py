"""Ids, pages, companies: what the ports of both families need of Tryton's records."""

import re
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from gateway.errors import Refused
from openapi.common.types import Code, Violation
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Domain

ID: Final = re.compile(r"[1-9][0-9]{0,9}")
LARGEST: Final = 2**31 - 1
"""PostgreSQL's integer; a larger one is an internal error there, and a record on no database."""


class Record(Protocol):
    """A record of any model."""

    @property
    def id(self) -> int:
        """Return its id."""


R = TypeVar("R", bound=Record)
T = TypeVar("T")


def record_id(text: str) -> int:
    """Return Tryton's id; what cannot be one is not there."""
    if ID.fullmatch(text) and int(text) <= LARGEST:
        return int(text)
    raise not_found()


def record_ids(texts: Sequence[str]) -> list[int]:
    """Return Tryton's ids; what cannot be one is left out, as it is not there."""
    return sorted({int(text) for text in texts if ID.fullmatch(text) and int(text) <= LARGEST})


def not_found() -> Refused:
    """Return what a get of an unknown id raises."""
    return Refused(Code.resource_not_found, "Tryton has no record with this id.")


def one(found: Sequence[T]) -> T | None:
    """Return the only one, or None; two that carry one key are a break, not a choice."""
    if len(found) > 1:
        raise Refused(
            Code.upstream_conflict_stale, "Two records in Tryton carry this key. Somebody has to look at both."
        )
    return found[0] if found else None


def following(after: str | None) -> Domain:
    """Return the clauses of the page after a record: Tryton's own offset shifts when records come and go."""
    return [["id", ">", record_id(after)]] if after else []


def page(found: Sequence[R], limit: int) -> tuple[Sequence[R], str | None]:
    """Return the page and where the next one starts; one record more than the limit was asked for."""
    shown = found[:limit]
    return shown, str(shown[-1].id) if found[limit:] else None


def refused(code: Code, pointer: str, detail: str) -> Refused:
    """Return the refusal of one field."""
    return Refused(code, detail, Violation(code=code, pointer=pointer, detail=detail))


def entity_of(company: int, settings: Settings) -> str:
    """Return the code of the legal entity that the company is; one that is not configured is refused."""
    for code, known in settings.companies.items():
        if known == company:
            return code
    raise Refused(Code.entity_mapping_missing, "Give this company of Tryton a row in the connection's `companies`.")


def company_of(entity: str, settings: Settings) -> int:
    """Return the company that is the legal entity here."""
    if entity not in settings.companies:
        detail = f"Give {entity} a row in the connection's `companies`."
        raise refused(Code.entity_mapping_missing, "#/legal_entity", detail)
    return settings.companies[entity]
