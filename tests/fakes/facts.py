"""A ledger of facts that come in batches, each with an outcome of its own: no key is unique there, a batch can stop."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from gateway.errors import Refused
from gateway.store.database import utc_now
from openapi.common.types import Code
from tests.fakes.vendor import Book, Fault, Vendor, raise_for


class Capabilities(Struct, frozen=True, kw_only=True):
    """What the guard asks for."""

    settle_s: float


class NewFact(Struct, frozen=True, kw_only=True):
    """What is written."""

    business_key: str
    net: str = "1.00"


class Fact(Struct, frozen=True, kw_only=True):
    """What is there."""

    id: str
    business_key: str
    net: str


class Facts(Vendor):
    """The ledger, and the port to it."""

    connection = "books"

    def __init__(self, settle_s: float = 0.0, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self.capabilities = Capabilities(settle_s=settle_s)
        self.book: Book[Fact] = Book()
        self.refuses: set[str] = set()
        """The keys whose facts it does not take."""
        self.forgets: set[str] = set()
        """The keys of which an answer says nothing."""
        self.stops_after: int | None = None
        """How much of the next batch is made before its answer is lost."""
        self.batches: list[list[str]] = []
        """The keys of each batch that arrived."""

    @property
    def keys(self) -> list[str]:
        """Return the key of each document, in the order in which they were made."""
        return [fact.business_key for fact in self.book]

    async def find_facts(self, keys: Sequence[str]) -> Mapping[str, Fact]:
        """Return the facts that carry the keys, as far as the index has them."""
        return await self.read("find_facts", lambda: self.keyed(self.book, keys))

    async def post_facts(self, new: Sequence[NewFact]) -> Mapping[str, Fact | Refused]:
        """Return what came of each."""
        self.batches.append([one.business_key for one in new])
        stops_after, self.stops_after = self.stops_after, None
        taken = new if stops_after is None else new[:stops_after]
        outcomes = await self.write("post_facts", lambda: {one.business_key: self.make(one) for one in taken})
        if stops_after is not None:
            raise_for(Fault.lost_after)
        return {key: outcome for key, outcome in outcomes.items() if key not in self.forgets}

    def make(self, new: NewFact) -> Fact | Refused:
        """Return the fact, made whoever else carries the key; or why it is not taken."""
        if new.business_key in self.refuses:
            return Refused(Code.dimension_invalid_combination, "Not on this project.")
        fact = Fact(id=self.book.next_id(), business_key=new.business_key, net=new.net)
        return self.book.put(fact, self.clock())
