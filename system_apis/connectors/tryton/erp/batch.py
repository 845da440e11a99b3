"""A batch of moves on its way into the books.

Tryton makes and posts a batch in one transaction each. So a move that it refuses holds the others back: then the batch
is cut in two until the bad one stands alone. That is safe, since a refusal wrote nothing; an unknown outcome ends it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Code
from system_apis.connectors.tryton.client import TrytonClient, effect_is_there
from system_apis.connectors.tryton.wire import Values

MODEL: Final = "account.move"
OF_ALL: Final = (Code.period_closed, Code.period_not_open_yet)
"""Refusals that are alike for all of one period: there is nothing to separate."""


class Draft(Struct, frozen=True, kw_only=True):
    """A fact that is to be posted."""

    key: str
    values: Values
    move: int | None
    """The draft that carries the key already, or None."""


class Batch:
    """Facts of one period, each a move of its own."""

    def __init__(self, client: TrytonClient, company: int, drafts: Sequence[Draft]) -> None:
        self._client, self._company = client, company
        self._values = {draft.key: draft.values for draft in drafts if draft.move is None}
        self.moves = {draft.key: draft.move for draft in drafts if draft.move is not None}
        """The moves by key, those that were there and those that were made."""
        self._touched = False

    async def carry_out(self) -> dict[str, Refused]:
        """Return who was refused, and why; the others are made and posted."""
        try:
            unmade = await _apart(list(self._values), self._create)
            unposted = await _apart(list(self.moves), self._post)
            await self._take_back([self.moves[key] for key in unposted if key in self._values])
        except Unavailable as error:
            if not self._touched:
                raise
            detail = "Tryton went away in the middle of a batch: a part of it is there."
            raise Uncertain(Code.upstream_timeout_uncertain, detail) from error
        return {**unmade, **unposted}

    async def _create(self, keys: Sequence[str]) -> None:
        made = await self._client.create_all(MODEL, [self._values[key] for key in keys], company=self._company)
        self._touched = True
        self.moves.update(zip(keys, made, strict=True))

    async def _post(self, keys: Sequence[str]) -> None:
        await self._client.press(MODEL, "post", [self.moves[key] for key in keys], company=self._company)
        self._touched = True

    async def _take_back(self, moves: Sequence[int]) -> None:
        """Delete drafts that were made now and cannot be posted: a refused fact leaves nothing in the books."""
        if moves:
            with effect_is_there():
                await self._client.delete(MODEL, moves, company=self._company)


async def _apart(keys: Sequence[str], act: Callable[[Sequence[str]], Awaitable[None]]) -> dict[str, Refused]:
    """Return who was refused, and why; the others went through."""
    if not keys:
        return {}
    try:
        await act(keys)
    except Refused as error:
        if len(keys) == 1 or error.code in OF_ALL:
            return dict.fromkeys(keys, error)
        middle = len(keys) // 2
        return {**await _apart(keys[:middle], act), **await _apart(keys[middle:], act)}
    return {}
