"""The ports of the vendor process: a connector of tests, which sends what the product's connectors send through egress.

Its way over the wire is plain: an operation of a port is a path, its arguments are JSON, a refusal is a 422.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.egress import Http, unanswered
from gateway.errors import Refusal, Refused
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction, Period
from openapi.system.erp.v1 import Capabilities as ErpCapabilities
from openapi.system.psa.v1 import ApprovalState, NewEntryFeedback, TimeEntry, TimeFeedback, TimeFeedbackState, TimeTotal
from openapi.system.psa.v1 import Capabilities as PsaCapabilities
from system_apis.connector import Connection, Connector
from system_apis.ports import Erp, Found, Psa
from tests.fakes.erp import CAPABILITIES as ERP_CAPABILITIES
from tests.fakes.psa import CAPABILITIES as PSA_CAPABILITIES

T = TypeVar("T")
VENDOR: Final = "ledger"
DEADLINE_S: Final = 1.5
SLOW_S: Final = 2.0
"""How late the vendor is where nobody waits any more."""
SETTLE_S: Final = 3.0
"""After which an effect that nobody waited for is there, or never comes."""
ERP: Final = replace(ERP_CAPABILITIES, settle_s=SETTLE_S, legal_entities=["ES01"])
PSA: Final = replace(PSA_CAPABILITIES, settle_s=SETTLE_S, legal_entities=["ES01"], hold_flag=False)


class Booking(Struct, frozen=True, kw_only=True):
    """Time that somebody books."""

    psa: str
    project_id: str
    minutes: int
    on: date
    by: str
    seen_after_s: float = 0.0


class Told(Struct, frozen=True, kw_only=True):
    """What people see beside a time entry."""

    state: TimeFeedbackState
    amount: Money | None


class Shown(Struct, frozen=True, kw_only=True):
    """A time entry as its PSA has it in the end."""

    psa: str
    entry_id: str
    project_id: str
    on: date
    by: str
    minutes: int
    approved: bool
    told: list[Told]
    """All that was ever said of it, the newest last."""


class Entered(Struct, frozen=True, kw_only=True):
    """An entry of the ERP's journal."""

    key: str
    project_id: str
    on: date
    debit: str
    net: str


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the connector has to be told."""

    base_url: str
    settle_s: float = SETTLE_S
    batch_size: int = ERP.batch_size


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of an item of a batch that was refused."""

    refused: Refusal


class Remote:
    """One system, at its address."""

    def __init__(self, name: str, settings: Settings, http: Http) -> None:
        self.connection, self._http = name, http
        self._url = f"{settings.base_url}/systems/{name}"

    async def ask(self, operation: str, into: Any, *, write: bool = False, **asked: object) -> Any:  # noqa: ANN401
        """Return what the operation says, as `into`."""
        content = msgspec.json.encode(asked)
        answer = await self._http.call(
            "POST", f"{self._url}/{operation}", operation=operation, write=write, content=content
        )
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            said = msgspec.json.decode(answer.content, type=Refusal)
            raise Refused(said.code, said.detail)
        try:
            return msgspec.json.decode(answer.content, type=into)
        except msgspec.DecodeError as error:
            broken = unanswered(write=write)
            raise broken(Code.upstream_contract_violation, "The answer cannot be read.") from error

    async def ask_each(self, operation: str, into: type[T], **asked: object) -> dict[str, T | Refused]:
        """Return what came of each item of a batch."""
        said = await self.ask(operation, dict[str, msgspec.Raw], write=True, **asked)
        return {key: _outcome(raw, into) for key, raw in said.items()}


def _outcome(raw: msgspec.Raw, into: type[T]) -> T | Refused:
    if bytes(raw).startswith(b'{"refused"'):
        said = msgspec.json.decode(raw, type=Outcome).refused
        return Refused(said.code, said.detail)
    return msgspec.json.decode(raw, type=into)


class RemoteErp(Remote):
    """The port `Erp`, as far as a transfer of time calls it."""

    def __init__(self, account: Connection, settings: Settings, http: Http) -> None:
        super().__init__(account.name, settings, http)
        self.capabilities: ErpCapabilities = replace(
            ERP, connection=account.name, settle_s=settings.settle_s, batch_size=settings.batch_size
        )

    async def list_periods(
        self, legal_entity: str, *, on: date | None = None, after: str | None = None, limit: int = 20
    ) -> Found[Period]:
        """Return the months of the books."""
        asked = {"legal_entity": legal_entity, "on": on, "after": after, "limit": limit}
        return cast(Found[Period], await self.ask("list_periods", Found[Period], **asked))

    async def find_billable_transactions(self, keys: Sequence[str]) -> Mapping[str, BillableTransaction]:
        """Return what carries the keys."""
        into = dict[str, BillableTransaction]
        return cast(into, await self.ask("find_billable_transactions", into, keys=keys))

    async def post_billable_transactions(
        self, new: Sequence[NewBillableTransaction]
    ) -> Mapping[str, BillableTransaction | Refused]:
        """Return what came of each."""
        return await self.ask_each("post_billable_transactions", BillableTransaction, new=new)


class RemotePsa(Remote):
    """The port `Psa`, as far as a transfer of time calls it."""

    def __init__(self, account: Connection, settings: Settings, http: Http) -> None:
        super().__init__(account.name, settings, http)
        self.capabilities: PsaCapabilities = replace(PSA, connection=account.name, settle_s=settings.settle_s)

    async def list_time_entries(
        self,
        *,
        changed_since: datetime,
        approval: ApprovalState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Found[TimeEntry]:
        """Return a page of what has changed."""
        asked = {"changed_since": changed_since, "approval": approval, "after": after, "limit": limit}
        return cast(Found[TimeEntry], await self.ask("list_time_entries", Found[TimeEntry], **asked))

    async def get_time_entries(self, entry_ids: Sequence[str]) -> Mapping[str, TimeEntry]:
        """Return those that there are."""
        into = dict[str, TimeEntry]
        return cast(into, await self.ask("get_time_entries", into, entry_ids=entry_ids))

    async def list_time_totals(self, first: date, last: date) -> list[TimeTotal]:
        """Return what is approved, by project and day."""
        return cast(list[TimeTotal], await self.ask("list_time_totals", list[TimeTotal], first=first, last=last))

    async def find_time_feedback(self, entry_ids: Sequence[str]) -> Mapping[str, TimeFeedback]:
        """Return the newest word on each."""
        into = dict[str, TimeFeedback]
        return cast(into, await self.ask("find_time_feedback", into, entry_ids=entry_ids))

    async def write_time_feedback(self, feedback: Sequence[NewEntryFeedback]) -> Mapping[str, TimeFeedback | Refused]:
        """Return what each shows now."""
        return await self.ask_each("write_time_feedback", TimeFeedback, feedback=feedback)


def _erp(account: Connection, settings: Settings, http: Http) -> Erp:
    return cast(Erp, RemoteErp(account, settings, http))


def _psa(account: Connection, settings: Settings, http: Http) -> Psa:
    return cast(Psa, RemotePsa(account, settings, http))


CONNECTOR: Final = Connector(name=VENDOR, settings=Settings, erp=_erp, psa=_psa)
