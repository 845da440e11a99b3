"""Facts in the books: found by key, and posted, one move a fact, in a journal of our own.

What can be seen before anything is sent is refused here, fact by fact; `batch.py` sends the others.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Code, Violation
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction
from system_apis.connectors.tryton import wire as shared
from system_apis.connectors.tryton.client import TrytonClient, effect_is_there
from system_apis.connectors.tryton.erp import postings_mapping as mapping
from system_apis.connectors.tryton.erp.batch import MODEL, Batch, Draft
from system_apis.connectors.tryton.erp.books import Books, taking
from system_apis.connectors.tryton.erp.postings_mapping import Place
from system_apis.connectors.tryton.erp.wire import MOVE, Move
from system_apis.connectors.tryton.records import company_of, not_found, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Domain

Outcome = BillableTransaction | Refused


class Postings:
    """The facts of one ledger."""

    def __init__(self, client: TrytonClient, settings: Settings, books: Books) -> None:
        self._client, self._settings, self._books = client, settings, books

    async def find(self, keys: Sequence[str]) -> Mapping[str, BillableTransaction]:
        """Return the postings that carry the keys, drafts included."""
        found = await self._carrying(keys)
        twice = [key for key, moves in found.items() if len(moves) > 1]
        if twice:
            raise two_carry(*twice)
        return {key: self._told(moves[0]) for key, moves in found.items()}

    async def post(self, new: Sequence[NewBillableTransaction]) -> Mapping[str, Outcome]:
        """Return what came of each fact, by key."""
        company = company_of(new[0].legal_entity, self._settings)
        asked = [key for one in new for key in (one.business_key, one.reverses) if key is not UNSET]
        found = await self._carrying(asked)
        projects = await self._books.projects({one.project_id for one in new}, company)
        outcomes: dict[str, Outcome] = {}
        drafts: list[Draft] = []
        for one in new:
            try:
                made = await self._prepared(one, company, found, projects)
            except Refused as error:
                outcomes[one.business_key] = error
            else:
                if isinstance(made, Draft):
                    drafts.append(made)
                else:
                    outcomes[one.business_key] = made
        return {**outcomes, **(await self._through(drafts, company) if drafts else {})}

    async def _prepared(
        self,
        new: NewBillableTransaction,
        company: int,
        found: Mapping[str, Sequence[Move]],
        projects: Mapping[str, shared.Account],
    ) -> Draft | BillableTransaction:
        """Return what is to be made and posted, or what is posted already."""
        move = _only(new.business_key, found)
        if move is not None and move.state == "posted":
            return self._told(move)
        net = mapping.net_of(new.net, await self._books.currency(company), "#/net")
        place = await self._place(new, company, found, taking(projects, new.project_id, "#/project_id").id)
        mapping.check_accounts(place.debit, place.credit)
        if move is not None and not mapping.same(move, new, net, place):
            detail = "A draft in Tryton carries this key, with other content. Have it deleted there, then try again."
            raise refused(Code.upstream_conflict_stale, "#/business_key", detail)
        values = mapping.from_new_transaction(new, net, place)
        return Draft(key=new.business_key, values=values, move=move.id if move else None)

    async def _place(
        self, new: NewBillableTransaction, company: int, found: Mapping[str, Sequence[Move]], project: int
    ) -> Place:
        books = self._books
        return Place(
            journal=await books.journal(self._settings.facts_journal),
            period=await books.period(new.date, company, "#/date"),
            debit=await books.account(new.debit_account, company, "#/debit_account"),
            credit=await books.account(new.credit_account, company, "#/credit_account"),
            project=project,
            reversed=None if new.reverses is UNSET else _original(new.reverses, found),
        )

    async def _through(self, drafts: Sequence[Draft], company: int) -> Mapping[str, Outcome]:
        """Return what came of drafts: made where they were not there, posted, read back."""
        batch = Batch(self._client, company, drafts)
        refusals = await batch.carry_out()
        with effect_is_there():
            posted = await self._posted(batch.moves.values())
            if posted.keys() | refusals.keys() < {draft.key for draft in drafts}:
                raise not_found()
        return {**refusals, **posted}

    async def _posted(self, moves: Collection[int]) -> Mapping[str, BillableTransaction]:
        """Return those of the moves that are posted, by key, whoever posted them."""
        read = await self._moves([["id", "in", sorted(moves)]]) if moves else []
        return {move.description or "": self._told(move) for move in read if move.state == "posted"}

    def _told(self, move: Move) -> BillableTransaction:
        return mapping.to_transaction(move, self._settings)

    async def _carrying(self, keys: Sequence[str]) -> Mapping[str, Sequence[Move]]:
        """Return the moves of our journal by the key that they carry."""
        found = defaultdict(list)
        for move in await self._moves([["description", "in", sorted(set(keys))]]):
            found[move.description or ""].append(move)
        return found

    async def _moves(self, domain: Domain) -> list[Move]:
        here = [
            ["journal.code", "=", self._settings.facts_journal],
            ["company", "in", sorted(self._settings.companies.values())],
        ]
        return await self._client.search(MODEL, [*domain, *here], Move, MOVE)


def two_carry(*keys: str) -> Refused:
    """Return the refusal of keys that two moves carry: a break, not a choice."""
    detail = "Two moves in Tryton carry this key. Somebody has to look at both."
    code, pointer = Code.upstream_conflict_stale, "#/business_key"
    found = [Violation(code=code, pointer=pointer, detail=detail, actual=key) for key in keys]
    return Refused(code, f"Two moves in Tryton carry {', '.join(keys)}.", *found)


def _only(key: str, found: Mapping[str, Sequence[Move]]) -> Move | None:
    moves = found.get(key, ())
    if len(moves) > 1:
        raise two_carry(key)
    return moves[0] if moves else None


def _original(key: str, found: Mapping[str, Sequence[Move]]) -> int:
    """Return the id of the move that is reversed; a draft cannot be."""
    move = _only(key, found)
    if move is None or move.state != "posted":
        detail = f"{key}, which this one reverses, is not posted yet. Post that first."
        raise refused(Code.dependency_not_ready, "#/reverses", detail)
    return move.id
