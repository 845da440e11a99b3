"""Whether the audit is as it was written: every seal, and every row of every chain, page by page."""

import contextlib
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Column, Row, Select, and_, func, select, true

from gateway.installation_key import installation_key
from gateway.secret import Secret
from gateway.store.audit import GENESIS, ORDER, TABLE
from gateway.store.audit import hash_of as hash_of_row
from gateway.store.audit_seals import (
    MARK,
    Head,
    all_writers,
    hash_of,
    mac_of,
    note_of,
    noted,
    tb_audit_seal,
    tb_audit_seal_head,
)
from gateway.store.database import Store

PAGE: Final = 1000
Progress = Callable[[int, int], None]
"""Told how many rows were followed, and how many there are."""


class Fault(Struct, frozen=True, kw_only=True):
    """Where a chain, or that of the seals, is no longer as it was written."""

    what: str
    seal: int | None = None
    writer: str | None = None
    sequence: int | None = None
    id: str | None = None
    """The decision's, where the row is there."""

    def __str__(self) -> str:
        if self.writer is None:
            return f"seal {self.seal}: {self.what}"
        return f"writer {self.writer}, row {self.sequence}{f', {self.id}' if self.id else ''}: {self.what}"


class Verified(Struct, frozen=True, kw_only=True):
    """What was found."""

    rows: int
    """How many hold; of a broken chain those before its fault."""
    writers: int
    seals: int
    unsealed: int
    """How many of the rows are in no seal yet."""
    faults: tuple[Fault, ...]
    """The first one of each chain that is broken: the seals', then from the oldest chain on."""


def unheard(_followed: int, _of: int) -> None:
    """Tell nobody how far it is."""


async def verify(store: Store, folder: Path, progress: Progress = unheard) -> Verified:
    """Return what holds and what does not. It may be written meanwhile; `folder` has the installation's key."""
    seals = _Seals(installation_key(folder), noted(folder))
    faults = [fault] if (fault := await seals.follow(store)) else []
    total, rows, unsealed = await _count(store), 0, 0
    writers = await _writers(store, seals)
    for writer in writers:
        chain = _Chain(writer, seals)
        async for followed in chain.follow(store):
            progress(rows + followed, total)
        rows, unsealed = rows + chain.rows, unsealed + max(0, chain.rows - chain.sealed)
        if chain.fault:
            faults.append(chain.fault)
    return Verified(rows=rows, writers=len(writers), seals=seals.count, unsealed=unsealed, faults=tuple(faults))


class _Unmet(Struct, frozen=True, kw_only=True):
    """The first head of a chain, as a seal holds it, that the chain's rows do not bear out."""

    seal: int
    sequence: int
    after: int
    """The last row that a seal before bears out."""


class _Seals:
    """The seals, followed one by one, and what they say of the chains."""

    def __init__(self, key: Secret, noted: str | None) -> None:
        self.count = 0
        self.heads: dict[str, int] = {}
        """How far each chain is sealed."""
        self.unmet: dict[str, _Unmet] = {}
        self._key, self._noted, self._last = key, noted, GENESIS

    async def follow(self, store: Store) -> Fault | None:
        """Return the first seal that is not as it was made, or is gone."""
        columns = tb_audit_seal.c
        after = None
        while seals := await _fetched(store, _after(select(tb_audit_seal), columns.number, after)):
            heads = await _heads(store, seals)
            for seal in seals:
                if what := self._wrong(seal, heads[seal.number]):
                    return self._fault(what)
                self._take(seal, heads[seal.number])
            after = seals[-1].number
        if seals is None:
            return self._fault("It cannot be read.")
        if self._noted:
            return self._fault(f"This machine made {self._noted}, which is not there. After a restore, remove {MARK}.")
        return None

    def _fault(self, what: str) -> Fault:
        return Fault(seal=self.count + 1, what=what)

    def _wrong(self, seal: Row[Any], rows: Sequence[Row[Any]]) -> str | None:
        heads = tuple(Head(row.writer, row.sequence, row.hash) for row in rows)
        if seal.number != self.count + 1:
            return f"It is missing; the next one that is there is {seal.number}."
        if hash_of(seal.number, seal.at, heads, seal.prev_hash) != seal.hash:
            return "Its content is not what was sealed."
        if seal.prev_hash != self._last:
            return "It does not follow on the one before."
        if not hmac.compare_digest(mac_of(self._key, seal.hash), seal.mac):
            return "It is forged: it was not made with this installation's key."
        return None

    def _take(self, seal: Row[Any], rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            if row.hash != row.there:
                after = self.heads.get(row.writer, 0)
                self.unmet.setdefault(row.writer, _Unmet(seal=seal.number, sequence=row.sequence, after=after))
            self.heads[row.writer] = row.sequence
        self.count, self._last = seal.number, seal.hash
        if self._noted == note_of(seal.number, seal.hash):
            self._noted = None


class _Chain:
    """One writer's rows, followed one by one."""

    def __init__(self, writer: str, seals: _Seals) -> None:
        self.rows, self.sealed = 0, seals.heads.get(writer, 0)
        self.fault: Fault | None = None
        self._writer, self._last, self._unmet = writer, GENESIS, seals.unmet.get(writer)

    async def follow(self, store: Store) -> AsyncIterator[int]:
        """Yield now and then how many rows hold; `fault` is there afterwards, where there is one."""
        after = None
        while rows := await _fetched(store, self._asked(after)):
            for row in rows:
                self.fault = self._wrong(row)
                if self.fault:
                    return
                self.rows, self._last = row.sequence, row.hash
            after = self.rows
            yield self.rows
        if rows is None:
            self.fault = self._fault("It cannot be read.")
        elif self._unmet:
            gone = "No row of this writer is there" if not self.rows else "The chain ends before it"
            self.fault = self._fault(f"{gone}; seal {self._unmet.seal} holds row {self._unmet.sequence}.")

    def _asked(self, after: int | None) -> Select[Any]:
        columns = [TABLE.c[name] for name in (*ORDER, "hash")]
        return _after(select(*columns).where(TABLE.c.writer == self._writer), TABLE.c.sequence, after)

    def _wrong(self, row: Row[Any]) -> Fault | None:
        place = self.rows + 1
        if not isinstance(row.sequence, int) or row.sequence < place:  # SQLite takes anything for a number.
            return self._fault("No row was written under this number.", row)
        if row.sequence > place:
            return self._fault(f"It is missing; the next one that is there is {row.sequence}.")
        if hash_of_row(row[:-1]) != row.hash:
            return self._fault("Its content is not what was written.", row)
        if row.prev_hash != self._last:
            return self._fault("It does not follow on the row before: one of the two was replaced.", row)
        if self._unmet and self._unmet.sequence == place:
            what = f"It is not what seal {self._unmet.seal} holds: a row after {self._unmet.after} was rewritten."
            return self._fault(what, row)
        return None

    def _fault(self, what: str, row: Row[Any] | None = None) -> Fault:
        if row is None:
            return Fault(writer=self._writer, sequence=self.rows + 1, what=what)
        return Fault(writer=self._writer, sequence=row.sequence, id=row.id, what=what)


def _after(asked: Select[Any], column: Column[int], last: int | None) -> Select[Any]:
    return asked.where(true() if last is None else column > last).order_by(column)


async def _fetched(store: Store, asked: Select[Any]) -> Sequence[Row[Any]] | None:
    """Return the next page, which is a short one before a row that cannot be read; None at that row."""
    for limit in (PAGE, 1):
        with contextlib.suppress(ValueError, TypeError):
            async with store.begin() as connection:
                found: Sequence[Row[Any]] = (await connection.execute(asked.limit(limit))).all()
                return found
    return None


async def _heads(store: Store, seals: Sequence[Row[Any]]) -> dict[int, list[Row[Any]]]:
    """Return the heads of each seal, and beside each the hash of the row that is there now."""
    head = tb_audit_seal_head.c
    row = and_(TABLE.c.writer == head.writer, TABLE.c.sequence == head.sequence)
    asked = select(tb_audit_seal_head, TABLE.c.hash.label("there")).outerjoin(TABLE, row)
    of_these = asked.where(head.seal.between(seals[0].number, seals[-1].number)).order_by(head.writer, head.sequence)
    found: dict[int, list[Row[Any]]] = {seal.number: [] for seal in seals}
    async with store.begin() as connection:
        for one in await connection.execute(of_these):
            found.setdefault(one.seal, []).append(one)
    return found


async def _count(store: Store) -> int:
    async with store.begin() as connection:
        return int((await connection.execute(select(func.count()).select_from(TABLE))).scalar_one())


async def _writers(store: Store, seals: _Seals) -> list[str]:
    """Return all writers, those first whose rows are all gone, then the oldest."""
    writers = all_writers()
    oldest = select(func.min(TABLE.c.at)).where(TABLE.c.writer == writers.c.writer, TABLE.c.sequence == 1)
    asked = select(writers.c.writer).where(writers.c.writer.is_not(None))
    in_order = asked.order_by(oldest.scalar_subquery(), writers.c.writer)
    async with store.begin() as connection:
        there = list((await connection.execute(in_order)).scalars())
    return sorted(seals.heads.keys() - set(there)) + there
