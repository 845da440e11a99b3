"""Seals over the audit: each holds how far every writer's chain has come, and is bound to the seal before.

Who can write to the database could rewrite a chain from some row on, hashes and all. A seal has a code made with the
installation's key, which does not lie there; and each machine notes beside the key which seal it made last.
"""

import hashlib
import hmac
import logging
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Final

from msgspec import Struct, json, structs
from sqlalchemy import CTE, Column, ForeignKey, Integer, String, Table, and_, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.installation_key import FILE, installation_key
from gateway.secret import Secret
from gateway.store.alone import alone
from gateway.store.audit import GENESIS, TABLE
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant

log = logging.getLogger(__name__)

tb_audit_seal = Table(
    "tb_audit_seal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant(), nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("mac", String(64), nullable=False),
)
tb_audit_seal_head = Table(
    "tb_audit_seal_head",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("seal", Integer, ForeignKey("tb_audit_seal.number"), nullable=False, index=True),
)
EVERY_S: Final = 60.0
"""How often what was added is sealed: what is not can be rewritten by whoever can write to the database."""
MARK: Final = "audit-seal"
"""The file that names the seal that this machine made last, so that it is missed where it is gone."""
_USE: Final = b"tiebeam audit seal "
"""Nothing else that the key seals begins like this."""


class Head(Struct, frozen=True, order=True, array_like=True):
    """How far a chain has come."""

    writer: str
    sequence: int
    hash: str


class Seal(Struct, frozen=True, kw_only=True):
    """A seal as it was made. It names the chains that have grown since the one before; the others are as they were."""

    number: int
    at: datetime
    heads: tuple[Head, ...]
    prev_hash: str
    hash: str
    mac: str


class CannotSeal(Exception):
    """What stands against another seal, in words: it would cover up that one before it is gone or is not ours."""


async def seal(store: Store, folder: Path) -> Seal | None:
    """Return the seal over what was added since the last one, or None where that is nothing; raises CannotSeal.

    `folder` has the installation's key; the seal is noted there too.
    """
    key = installation_key(folder)
    async with alone(store, tb_audit_seal) as connection:
        heads = await _grown(connection)
        if not heads:
            return None
        number, prev_hash = await _last(connection, folder, key)
        made = _made(number + 1, store.now(), heads, prev_hash, key)
        row = structs.asdict(made)
        del row["heads"]
        await connection.execute(insert(tb_audit_seal).values(row))
        rows = [structs.asdict(head) | {"seal": made.number} for head in heads]
        await connection.execute(insert(tb_audit_seal_head), rows)
    _note(folder, made)
    log.info("The audit is sealed.", extra={"seal": made.number, "hash": made.hash})
    return made


def _made(number: int, at: datetime, heads: tuple[Head, ...], prev_hash: str, key: Secret) -> Seal:
    own = hash_of(number, at, heads, prev_hash)
    return Seal(number=number, at=at, heads=heads, prev_hash=prev_hash, hash=own, mac=mac_of(key, own))


async def _last(connection: AsyncConnection, folder: Path, key: Secret) -> tuple[int, str]:
    """Return the last seal's number and hash; raises CannotSeal where it is not ours, or one that we made is gone."""
    newest = select(tb_audit_seal).order_by(tb_audit_seal.c.number.desc()).limit(1)
    last = (await connection.execute(newest)).one_or_none()
    if last and not hmac.compare_digest(last.mac, mac_of(key, last.hash)):
        one_key = f"All machines of an installation need the same {FILE}."
        raise CannotSeal(f"Seal {last.number} is forged, or made with another key. {one_key}")
    ours = noted(folder)
    if ours and not await _is_there(connection, ours):
        raise CannotSeal(f"Seal {ours} was made on this machine, and is gone. After a restore, remove {folder / MARK}.")
    return (last.number, last.hash) if last else (0, GENESIS)


async def _is_there(connection: AsyncConnection, ours: str) -> bool:
    number = ours.partition(" ")[0]
    asked = select(tb_audit_seal.c.hash).where(tb_audit_seal.c.number == (int(number) if number.isdecimal() else 0))
    own_hash = (await connection.execute(asked)).scalar_one_or_none()
    return own_hash is not None and ours == note_of(int(number), own_hash)


async def _grown(connection: AsyncConnection) -> tuple[Head, ...]:
    """Return the heads of the chains that have grown since they were sealed last."""
    writers, of_seals = all_writers(), tb_audit_seal_head.c
    head = select(func.max(TABLE.c.sequence)).where(TABLE.c.writer == writers.c.writer).scalar_subquery()
    sealed = select(func.max(of_seals.sequence)).where(of_seals.writer == writers.c.writer).scalar_subquery()
    ends = select(writers.c.writer, head.label("sequence"), sealed.label("sealed")).subquery()
    there = and_(TABLE.c.writer == ends.c.writer, TABLE.c.sequence == ends.c.sequence)
    asked = select(TABLE.c.writer, TABLE.c.sequence, TABLE.c.hash).select_from(ends).join(TABLE, there)
    grown = asked.where(or_(ends.c.sealed.is_(None), ends.c.sequence > ends.c.sealed))
    return tuple(sorted(Head(*row) for row in await connection.execute(grown)))


def all_writers() -> CTE:
    """Return the names of all writers for a query: found one after the other in an index, not by reading every row."""
    first = select(func.min(TABLE.c.writer).label("writer")).cte("writers", recursive=True)
    after = select(func.min(TABLE.c.writer)).where(TABLE.c.writer > first.c.writer).scalar_subquery()
    return first.union_all(select(after).where(first.c.writer.is_not(None)))


def hash_of(number: int, at: datetime, heads: tuple[Head, ...], prev_hash: str) -> str:
    """Return what binds a seal to everything in it and to the seal before."""
    return hashlib.sha256(json.encode([number, at, heads, prev_hash])).hexdigest()


def mac_of(key: Secret, own_hash: str) -> str:
    """Return what nobody can make who has not the installation's key."""
    return hmac.digest(key.reveal().encode(), _USE + own_hash.encode(), hashlib.sha256).hex()


def noted(folder: Path) -> str | None:
    """Return which seal this machine made last, as `note_of` writes it, or None where it made none."""
    try:
        return (folder / MARK).read_text("utf-8")
    except FileNotFoundError:
        return None


def note_of(number: int, own_hash: str) -> str:
    """Return how a seal is noted."""
    return f"{number} {own_hash}"


def _note(folder: Path, made: Seal) -> None:
    part = folder / f"{MARK}.{token_hex(8)}"
    part.write_text(note_of(made.number, made.hash), "utf-8")
    part.replace(folder / MARK)
