"""What the fakes have in common: books of their own, a slow index, and switches for everything that gets lost."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Generic, NoReturn, TypeVar

from msgspec import UNSET, Struct

from gateway.errors import Refused, Unavailable, Uncertain
from gateway.store.database import utc_now
from openapi.common.types import Code, Violation
from system_apis.ports import Found

T = TypeVar("T")
AUTHOR: ContextVar[str] = ContextVar("author", default="somebody")
"""Who calls, so that an effect can be laid at somebody's door."""


class Fault(StrEnum):
    """What goes wrong with one call."""

    lost_before = auto()
    """The call never arrives; the port says so rightly: uncertain."""
    lost_after = auto()
    """The effect is there, its answer is lost; the port says so rightly: uncertain."""
    hangs_before = auto()
    """The call is never answered and has no effect."""
    hangs_after = auto()
    """The effect is there, and the call is never answered."""
    misnamed_before = auto()
    """The call never arrives; the port raises something of its transport."""
    misnamed_after = auto()
    """The effect is there; the port raises something of its transport."""
    denied_after = auto()
    """The effect is there; the port says wrongly that there certainly is none."""
    refused_after = auto()
    """The effect is there; the port says wrongly that it was refused."""
    unavailable = auto()
    """Nothing could be sent, and the port says so."""
    refused = auto()
    """The vendor says no."""


BEFORE = {Fault.lost_before, Fault.hangs_before, Fault.misnamed_before, Fault.unavailable, Fault.refused}


def raise_for(fault: Fault) -> NoReturn:
    """Raise what the port raises."""
    if fault in {Fault.misnamed_before, Fault.misnamed_after}:
        raise ConnectionResetError("the connection was reset")
    if fault in {Fault.denied_after, Fault.unavailable}:
        raise Unavailable(Code.upstream_unavailable, "The vendor cannot be reached.")
    if fault in {Fault.refused_after, Fault.refused}:
        raise Refused(Code.upstream_rejected, "The vendor refused.")
    raise Uncertain(Code.upstream_timeout_uncertain, "The answer was lost.")


class Book(Generic[T]):
    """The documents of one kind, in the order in which they were made; ids are never used twice."""

    def __init__(self) -> None:
        self._rows: dict[str, T] = {}
        self._made_at: dict[str, datetime] = {}
        self._by_key: defaultdict[str | None, list[str]] = defaultdict(list)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def next_id(self) -> str:
        """Return the id of the next document."""
        return str(len(self._rows) + 1)

    def put(self, document: T, at: datetime) -> T:
        """Keep a document, new or changed."""
        document_id: str = document.id  # type: ignore[attr-defined]  # every document of the contracts has one
        if document_id not in self._rows:
            self._made_at[document_id] = at
            self._by_key[getattr(document, "business_key", None)].append(document_id)
        self._rows[document_id] = document
        return document

    def get(self, document_id: str) -> T:
        """Return the document with the id."""
        if document_id not in self._rows:
            raise Refused(Code.resource_not_found, "The vendor does not know this id.")
        return self._rows[document_id]

    def carrying(self, business_key: str) -> list[T]:
        """Return the documents that were made with the key, whether a search shows them or not."""
        return [self._rows[document_id] for document_id in self._by_key.get(business_key, [])]

    def indexed(self, at: datetime, lag_s: float, keys: Collection[str] | None = None) -> list[T]:
        """Return what a search shows by now, of all documents or of those with one of the keys."""
        before = at - timedelta(seconds=lag_s)
        asked = self._rows if keys is None else [each for key in keys for each in self._by_key.get(key, [])]
        return [self._rows[document_id] for document_id in asked if self._made_at[document_id] <= before]


class Vendor:
    """A vendor's server as its port sees it. It knows no business key: two creates make two documents."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.lag_s = 0.0
        """How long a search does not show what was made."""
        self.latency_s = 0.0
        self.away = False
        """Whether nobody answers at all."""
        self.search_away = False
        """Whether searches are not answered, while all else goes well."""
        self.calls: Counter[str] = Counter()
        self.effects: Counter[str] = Counter()
        self.authors: list[str] = []
        """Who had each of the effects, in their order."""
        self.hanging = asyncio.Event()
        """Whether a call hangs."""
        self._planned: dict[tuple[str | None, str], deque[Fault | None]] = {}
        self._serial = 0
        self._inside: Counter[str] = Counter()

    def plan(self, operation: str, *faults: Fault | None, author: str | None = None) -> None:
        """Let the next calls of an operation go wrong, in this order, or those of one author; None goes well."""
        self._planned.setdefault((author, operation), deque()).extend(faults)

    def forget_plans(self) -> None:
        """Let everything go well from now on."""
        self._planned.clear()

    def version(self) -> str:
        """Return a version that nothing had before."""
        self._serial += 1
        return f"v{self._serial}"

    async def read(self, operation: str, answer: Callable[[], T]) -> T:
        """Return what a read finds."""
        await self._arrive(operation)
        fault = self._next(operation)
        if fault is not None:
            await self._go_wrong(fault)
        return answer()

    async def write(self, operation: str, effect: Callable[[], T], *, lock: str = "", at_once: int | None = None) -> T:
        """Return what a write did, unless something is lost on the way there or back, or too many hold the lock."""
        await self._arrive(operation)
        fault = self._next(operation)
        if fault in BEFORE and fault is not None:
            await self._go_wrong(fault)
        with self._holding(lock, at_once):
            done = effect()
            self.effects[operation] += 1
            self.authors.append(AUTHOR.get())
            await asyncio.sleep(self.latency_s)
        if fault is not None:
            await self._go_wrong(fault)
        return done

    def find(self, book: Book[T], which: Callable[[T], bool]) -> T | None:
        """Return the one document for which it holds; two are refused."""
        found = self.search(book, which)
        if len(found) > 1:
            raise Refused(Code.upstream_conflict_stale, "Two documents carry the key.")
        return found[0] if found else None

    def search(self, book: Book[T], which: Callable[[T], bool]) -> list[T]:
        """Return the documents for which it holds, as far as the index has them."""
        self.check_search()
        return [document for document in book.indexed(self.clock(), self.lag_s) if which(document)]

    def keyed(self, book: Book[T], keys: Collection[str]) -> dict[str, T]:
        """Return the documents that carry the keys, by key, as far as the index has them; two with one are refused."""
        self.check_search()
        found: dict[str, T] = {}
        for document in book.indexed(self.clock(), self.lag_s, keys):
            business_key: str = document.business_key  # type: ignore[attr-defined]  # those of these books have one
            if business_key in found:
                detail = "Two documents carry the key."
                code = Code.upstream_conflict_stale
                raise Refused(code, detail, Violation(code=code, pointer="#", detail=detail, actual=business_key))
            found[business_key] = document
        return found

    def check_search(self) -> None:
        """Return where searches are answered."""
        if self.search_away:
            raise_for(Fault.unavailable)

    @contextmanager
    def _holding(self, lock: str, at_once: int | None) -> Iterator[None]:
        if at_once is not None and self._inside[lock] >= at_once:
            raise Unavailable(Code.upstream_unavailable, "The vendor's lock is taken.")
        self._inside[lock] += 1
        try:
            yield
        finally:
            self._inside[lock] -= 1

    async def _go_wrong(self, fault: Fault) -> NoReturn:
        if fault in {Fault.hangs_before, Fault.hangs_after}:
            self.hanging.set()
            await asyncio.Event().wait()
        raise_for(fault)

    def _next(self, operation: str) -> Fault | None:
        planned = self._planned.get((AUTHOR.get(), operation)) or self._planned.get((None, operation))
        return planned.popleft() if planned else None

    async def _arrive(self, operation: str) -> None:
        self.calls[operation] += 1
        await asyncio.sleep(self.latency_s)
        if self.away:
            raise_for(Fault.unavailable)


def page(documents: list[T], after: str | None, limit: int) -> Found[T]:
    """Return one page; `after` is the number of what was shown before."""
    start = int(after or 0)
    end = start + limit
    return Found(items=documents[start:end], after=str(end) if documents[end:] else None)


def refuse_unless(holds: object, code: Code, detail: str) -> None:
    """Return where it holds; the vendor refuses the rest."""
    if not holds:
        raise Refused(code, detail)


def given(body: Struct, field: str, otherwise: Any = None) -> Any:  # noqa: ANN401 - a field of any type
    """Return a field of a body, or `otherwise` where it was left out."""
    value = getattr(body, field)
    return otherwise if value is UNSET else value
