"""What the checks of an entry go by, and what they collect on the way. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code, Violation
from openapi.system.psa.v1 import TimeEntry
from process_apis.ledger.contracts import ContractLine, SignedContract
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.payers import Payer
from process_apis.ledger.periods import KnownPeriod
from process_apis.ledger.projects import Project

T = TypeVar("T")


class Known(Struct, frozen=True, kw_only=True):
    """One entry, and all that its checks go by."""

    entry: TimeEntry
    project: Project | None
    entity: LegalEntity | None
    erp: str | None
    erp_project_id: str | None
    contracts: Sequence[SignedContract]
    payers: Mapping[str, Sequence[Payer]]
    """Who pays, by the contract's id, as far as they are known."""
    periods: Sequence[KnownPeriod] | None
    """None where the ERP keeps no postings of ours."""
    now: datetime
    other_minutes: Decimal
    """What else the person has booked on that day, as far as it is approved."""
    mappings: Mappings
    away: bool = False
    """Whether the ERP cannot be asked just now."""


class Choice(Struct, frozen=True, kw_only=True):
    """The line that an entry is delivered under, and the price of an hour, where it has one."""

    line: ContractLine
    rate: str | None


class Findings:
    """Collects what is broken, so that each check may go on without what another one lacks."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, code: Code, pointer: str, detail: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(code=code, pointer=pointer, detail=detail))

    def tried(self, pointer: str, look: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:  # noqa: ANN401 - passed on
        """Return what the look-up says; where it refuses, that is a violation, and the answer None."""
        try:
            return look(*args, **kwargs)
        except Refused as refused:
            self.add(refused.code, pointer, refused.detail)
            return None


def minutes_of(minutes: int | None, hours: str) -> Decimal:
    """Return the minutes; by the hours, where the PSA keeps none."""
    return Decimal(hours) * 60 if minutes is None else Decimal(minutes)
