"""Seals: what they hold, who can make one, and what is missed where one was touched."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import Update, delete, insert, select, update

from gateway.installation_key import FILE, installation_key
from gateway.secret import Secret
from gateway.store import audit_verification
from gateway.store.audit import GENESIS, TABLE, Auditor
from gateway.store.audit_seals import (
    MARK,
    CannotSeal,
    Head,
    Seal,
    hash_of,
    mac_of,
    seal,
    tb_audit_seal,
    tb_audit_seal_head,
)
from gateway.store.audit_verification import Verified, verify
from gateway.store.database import Store
from tests.audit_books import audit_store, written
from tests.fakes.clock import Clock

SEALS, HEADS = tb_audit_seal, tb_audit_seal_head


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with audit_store(database_url, Clock()) as opened:
        yield opened


async def made(store: Store, folder: Path) -> Seal:
    """Return a seal where something was added."""
    found = await seal(store, folder)
    assert found is not None
    return found


async def sealed(store: Store, folder: Path, seals: int = 3) -> list[Seal]:
    """Return seals over a chain that grew by two rows before each."""
    auditor, found = Auditor(store), []
    for number in range(seals):
        await written(auditor, f"{number}a", f"{number}b")
        found.append(await made(store, folder))
    return found


async def done(store: Store, *statements: object) -> None:
    """Do what somebody does who can write to the database."""
    async with store.begin() as connection:
        for statement in statements:
            await connection.execute(statement)  # type: ignore[call-overload]


async def test_a_seal_holds_what_has_grown_and_is_bound_to_the_one_before(store: Store, tmp_path: Path) -> None:
    one, two = Auditor(store), Auditor(store)
    await written(one, "a", "b")
    await written(two, "c")
    first = await made(store, tmp_path)
    await written(two, "d", "e")
    second = await made(store, tmp_path)

    async with store.begin() as connection:
        rows = (await connection.execute(select(TABLE.c.id, TABLE.c.writer, TABLE.c.sequence, TABLE.c.hash))).all()
    heads = {row.id: Head(row.writer, row.sequence, row.hash) for row in rows}
    assert (first.number, first.heads) == (1, tuple(sorted((heads["b"], heads["c"]))))
    assert (second.number, second.heads, second.prev_hash) == (2, (heads["e"],), first.hash)
    assert first.prev_hash == GENESIS
    assert first.mac == mac_of(installation_key(tmp_path), first.hash)


async def test_nothing_is_sealed_twice(store: Store, tmp_path: Path) -> None:
    nothing = await seal(store, tmp_path)
    await sealed(store, tmp_path, 1)

    assert nothing is None
    assert await seal(store, tmp_path) is None


async def test_of_those_who_seal_at_once_one_does(store: Store, tmp_path: Path) -> None:
    await written(Auditor(store), "a", "b")

    found = await asyncio.gather(*(seal(store, tmp_path) for _ in range(8)))

    assert [one.number for one in found if one] == [1]
    assert await verify(store, tmp_path) == Verified(rows=2, writers=1, seals=1, unsealed=0, faults=())


async def test_what_is_written_and_sealed_meanwhile_is_no_fault(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_verification, "PAGE", 1)
    auditor = Auditor(store)

    async def write() -> None:
        for number in range(30):
            await written(auditor, str(number))
            if number % 3 == 0:
                await seal(store, tmp_path)

    writing, found = asyncio.create_task(write()), []
    while not writing.done():
        found.append(await verify(store, tmp_path))
    await writing
    found.append(await verify(store, tmp_path))

    assert len(found) > 1
    assert [one.faults for one in found if one.faults] == []
    assert found[-1] == Verified(rows=30, writers=1, seals=10, unsealed=2, faults=())


async def test_progress_is_told_page_by_page(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verification, "PAGE", 2)
    await written(Auditor(store), "a", "b", "c")
    await written(Auditor(store), "d")
    told: list[tuple[int, int]] = []

    await verify(store, tmp_path, lambda *how_far: told.append(how_far))

    assert told in ([(2, 4), (3, 4), (4, 4)], [(1, 4), (3, 4), (4, 4)])


@pytest.mark.parametrize(
    ("doing", "at", "said"),
    [
        (update(SEALS).where(SEALS.c.number == 2).values(mac="0" * 64), 2, "It is forged"),
        (update(SEALS).where(SEALS.c.number == 2).values(hash="0" * 64), 2, "Its content is not what was sealed."),
        (update(SEALS).where(SEALS.c.number == 2).values(prev_hash="0" * 64), 2, "Its content is not what was sealed."),
        (update(SEALS).where(SEALS.c.number == 1).values(at=Clock()().replace(year=2020)), 1, "Its content"),
        (update(HEADS).where(HEADS.c.seal == 3).values(hash="0" * 64), 3, "Its content is not what was sealed."),
        (update(HEADS).where(HEADS.c.seal == 3).values(seal=2), 2, "Its content is not what was sealed."),
        (delete(HEADS).where(HEADS.c.seal == 2), 2, "Its content is not what was sealed."),
        (insert(HEADS).values(writer="w", sequence=1, hash="0" * 64, seal=1), 1, "Its content is not what was sealed."),
    ],
)
async def test_a_seal_that_was_changed_is_named(
    store: Store, tmp_path: Path, doing: Update, at: int, said: str
) -> None:
    await sealed(store, tmp_path)
    await done(store, doing)

    (fault,) = (await verify(store, tmp_path)).faults

    assert fault.seal == at
    assert fault.what.startswith(said)
    assert str(fault).startswith(f"seal {at}: {said}")


async def test_a_seal_that_was_taken_out_is_named(store: Store, tmp_path: Path) -> None:
    await sealed(store, tmp_path)
    await done(store, delete(HEADS).where(HEADS.c.seal == 2), delete(SEALS).where(SEALS.c.number == 2))

    (fault,) = (await verify(store, tmp_path)).faults

    assert (fault.seal, fault.what) == (2, "It is missing; the next one that is there is 3.")


async def test_seals_that_were_cut_off_with_their_rows_are_missed_on_the_machine_that_made_them(
    store: Store, tmp_path: Path
) -> None:
    *_, last = await sealed(store, tmp_path)
    rows = delete(TABLE).where(TABLE.c.sequence > 4)
    await done(store, delete(HEADS).where(HEADS.c.seal == 3), delete(SEALS).where(SEALS.c.number == 3), rows)

    (fault,) = (await verify(store, tmp_path)).faults
    (tmp_path / MARK).unlink()
    elsewhere = await verify(store, tmp_path)

    assert (fault.seal, f"3 {last.hash}" in fault.what) == (3, True)
    assert elsewhere == Verified(rows=4, writers=1, seals=2, unsealed=0, faults=())


async def test_a_seal_made_again_without_the_key_is_forged(store: Store, tmp_path: Path) -> None:
    """Who can write to the database knows everything but the key."""
    *_, last = await sealed(store, tmp_path)
    heads = tuple(structs.replace(head, hash="f" * 64) for head in last.heads)
    own = hash_of(last.number, last.at, heads, last.prev_hash)
    mac = mac_of(Secret(secrets.token_urlsafe(32)), own)
    await done(
        store,
        update(HEADS).where(HEADS.c.seal == 3).values(hash="f" * 64),
        update(SEALS).where(SEALS.c.number == 3).values(hash=own, mac=mac),
        update(TABLE).where(TABLE.c.sequence == 6).values(hash="f" * 64),
    )

    faults = (await verify(store, tmp_path)).faults

    assert faults[0].seal == 3
    assert faults[0].what.startswith("It is forged")


async def test_a_seal_that_hangs_on_no_other_is_named(store: Store, tmp_path: Path) -> None:
    *_, last = await sealed(store, tmp_path)
    own = hash_of(last.number, last.at, last.heads, GENESIS)
    mac = mac_of(installation_key(tmp_path), own)
    await done(store, update(SEALS).where(SEALS.c.number == 3).values(prev_hash=GENESIS, hash=own, mac=mac))

    assert (await verify(store, tmp_path)).faults[0].what == "It does not follow on the one before."


async def test_nothing_is_sealed_after_a_seal_that_another_key_made(store: Store, tmp_path: Path) -> None:
    await sealed(store, tmp_path)
    (tmp_path / FILE).unlink()
    await written(Auditor(store), "a")

    with pytest.raises(CannotSeal, match="Seal 3 is forged, or made with another key"):
        await seal(store, tmp_path)


@pytest.mark.parametrize("mark", ["3 {}", "4 {}", "three", "²"])
async def test_no_seal_covers_up_that_one_is_gone(store: Store, tmp_path: Path, mark: str) -> None:
    """Whatever the file of this machine names that is not there."""
    _, second, last = await sealed(store, tmp_path)
    (tmp_path / MARK).write_text(mark.format(second.hash))
    await written(Auditor(store), "a")

    with pytest.raises(CannotSeal, match="was made on this machine, and is gone"):
        await seal(store, tmp_path)
    (tmp_path / MARK).unlink()
    assert (await made(store, tmp_path)).prev_hash == last.hash


async def test_another_machine_may_have_sealed_meanwhile(store: Store, tmp_path: Path) -> None:
    _, second, _ = await sealed(store, tmp_path)
    (tmp_path / MARK).write_text(f"2 {second.hash}")
    await written(Auditor(store), "a")

    assert (await made(store, tmp_path)).number == 4
    assert (await verify(store, tmp_path)).faults == ()


async def test_another_key_proves_no_seal(store: Store, tmp_path: Path) -> None:
    await sealed(store, tmp_path)
    (tmp_path / FILE).unlink()

    faults = (await verify(store, tmp_path)).faults

    assert [fault.seal for fault in faults] == [1]
    assert "this installation's key" in faults[0].what
