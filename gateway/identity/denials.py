"""Which tokens and clients are denied, in memory: asked on every call, read from the database when they moved."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import Unavailable
from gateway.store.denials import Denial, DenialKind
from openapi.common.types import Code

UNKNOWN: Final = -1
"""Stands for the generation while nobody can tell it."""
BLIND_S: Final = 1.0
"""So often the denials are read then."""
WITHIN_S: Final = 5.0
"""A database that says nothing for so long is away: callers wait for this."""
ANYBODY: Final = ""
"""The issuer of a denial that holds whoever vouches for the token."""
EVER: Final = float("inf")


class Denials:
    """The denials that hold, as this process knows them."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[Denial]]],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read, self._clock, self._wall = read, clock, wall
        self._until: dict[tuple[str, str, str], float] = {}
        self._generation: int | None = None
        self._read_at: float | None = None
        self._failed = 0
        self._turn = asyncio.Lock()

    def moved(self, generation: int) -> bool:
        """Tell whether what is in memory is of another generation; one that fell back moved too: counters were lost."""
        if generation == UNKNOWN:
            return self._read_at is None or self._clock() >= self._read_at + BLIND_S
        return generation != self._generation

    async def reload(self, generation: int) -> None:
        """Return when they were read by somebody who was told the generation before; once for all who wait.

        Raises Unavailable where they cannot be read: a token that may have been denied is not let in.
        """
        failed = self._failed
        async with self._turn:
            if self.moved(generation):
                if self._failed != failed:
                    raise _away()  # What was tried while this call waited: the next one would wait as long again.
                await self._reload()
                self._generation = None if generation == UNKNOWN else generation

    async def reload_anyway(self) -> None:
        """Read them again, whatever was told; raises Unavailable."""
        async with self._turn:
            await self._reload()

    def deny(self, issuer: str, jti: str, client_id: str) -> bool:
        """Tell whether a token is denied, by itself or with its client."""
        if not self._until:
            return False
        now, until = self._wall(), self._until.get
        return any(
            until((kind, name, whose), 0.0) > now
            for kind, name in ((DenialKind.token, jti), (DenialKind.client, client_id))
            for whose in (issuer, ANYBODY)
        )

    async def _reload(self) -> None:
        began = self._clock()
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await self._read()
        except (SQLAlchemyError, TimeoutError) as error:
            self._failed += 1
            raise _away() from error
        self._until = {(one.kind, one.name, one.issuer): one.until.timestamp() if one.until else EVER for one in found}
        self._read_at = began


def _away() -> Unavailable:
    return Unavailable(Code.auth_unavailable, "Nobody can tell just now whether the token was withdrawn.")


async def none_denied() -> Sequence[Denial]:
    """Return no denials: for a verifier without a database, in commands and tests."""
    return ()
