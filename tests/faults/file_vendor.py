"""A vendor whose books are a file, so that they outlive the process that writes to them; run as a writer that dies.

`python -m tests.faults.file_vendor DATABASE_URL BOOKS MOMENT [KEY…]` carries out rounds until it knows what came of
them, and prints it; at the moment it kills itself. With keys it is a batch of orders that is written, through a slot.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from gateway.errors import Refused, Uncertain, WriteInProgress
from gateway.store.database import Store, create_engine
from gateway.writes import Item, Writes, WriteSettings

MOMENTS = ("before_effect", "between_intent_and_act", "after_effect", "between_act_and_record")
LEASE_S, SETTLE_S = 0.6, 0.2


class Order(Struct, frozen=True, kw_only=True):
    """What is written."""

    business_key: str


class Books:
    """One line a document. An append of a line is atomic; nothing keeps two from having one key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def documents(self) -> list[str]:
        """Return the key of each document."""
        return self.path.read_text().split() if self.path.exists() else []

    async def find(self, key: str) -> str | None:
        """Return the document that carries the key."""
        return key if key in self.documents() else None

    def create(self, key: str) -> str:
        """Make a document."""
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{key}\n".encode())
        os.close(handle)
        return key


def die() -> None:
    """End as a machine does that loses its power."""
    os.kill(os.getpid(), signal.SIGKILL)


async def write(url: str, books: Books, key: str, moment: str | None) -> str:
    """Carry out rounds until one knows."""

    async def moments(name: str, _operation: str, _key: str) -> None:
        if name == moment:
            die()

    async def act() -> str:
        if moment == "before_effect":
            die()
        made = books.create(key)
        if moment == "after_effect":
            die()
        return made

    store = Store(create_engine(url))
    writes = Writes(store, WriteSettings(lease_s=LEASE_S), moments)
    try:
        while True:
            try:
                return await writes.once(
                    connection="books",
                    operation="create_order",
                    key=key,
                    payload=Order(business_key=key),
                    look=lambda: books.find(key),
                    act=act,
                    settle_s=SETTLE_S,
                )
            except (WriteInProgress, Uncertain):
                await asyncio.sleep(0.05)
    finally:
        await store.close()


async def write_batch(url: str, books: Books, keys: Sequence[str], moment: str) -> str:
    """Carry out rounds of a batch until one knows; `halfway` is after its first document."""

    async def moments(name: str, _operation: str, _key: str) -> None:
        if name == moment:
            die()

    async def look(asked: Sequence[str]) -> dict[str, str]:
        return {key: key for key in books.documents() if key in asked}

    async def act(new: Sequence[Order]) -> dict[str, str | Refused]:
        for order in new:
            books.create(order.business_key)
            if moment == "halfway":
                die()
        return {order.business_key: order.business_key for order in new}

    store = Store(create_engine(url))
    writes = Writes(store, WriteSettings(lease_s=LEASE_S, slot_s=LEASE_S), moments)
    items = [Item(key=key, payload=Order(business_key=key)) for key in keys]
    try:
        while True:
            try:
                done = await writes.many(
                    connection="books",
                    operation="create_orders",
                    items=items,
                    look=look,
                    act=act,
                    settle_s=SETTLE_S,
                    serial="books",
                )
            except (WriteInProgress, Uncertain):
                await asyncio.sleep(0.05)
            else:
                return " ".join(done)
    finally:
        await store.close()


if __name__ == "__main__":
    database_url, path, at, *batch = sys.argv[1:]
    ledger = Books(Path(path))
    writing = write_batch(database_url, ledger, batch, at) if batch else write(database_url, ledger, "ord_1", at)
    sys.stdout.write(asyncio.run(writing))
