"""The candidate in this process: which set of policies is tried beside the live one, or why none is."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from gateway.edge.application import Edge
from gateway.edge.flushing import Flushing
from gateway.edge.shadow import Shadow
from gateway.policy.compiling import Compiled
from gateway.policy.document import PolicyError
from gateway.store import policy_candidates
from gateway.store.database import Store
from gateway.store.policy_candidates import Candidate, CandidateState
from gateway.store.shadow_differences import ShadowCounts
from gateway.telemetry.metrics import SHADOW_BEYOND

log = logging.getLogger(__name__)

OTHERS: Final = "Another set is in force than the one that it came to be tried beside: propose its files again."
NOT_YET: Final = "This process has not heard of it yet: ask again."


Compiles = Callable[[Mapping[str, str]], Compiled]


class Trying:
    """Follows the candidate. It is tried beside the set that was live when it came, and no other: so counts add up."""

    def __init__(self, store: Store, counts: ShadowCounts) -> None:
        self._store, self._counts = store, counts
        self._unfit: dict[str, str] = {}
        self._flushing: Flushing | None = None

    async def follow(self, edge: Edge, compiled: Compiles) -> None:
        """Return when this process tries the open candidate, or none, as the log says."""
        found = await policy_candidates.candidate(self._store)
        tried = edge.shadow.policies.id if edge.shadow else None
        if found is None or found.beside != edge.policies.id:
            edge.try_out(None)
        elif found.id != tried and found.id not in self._unfit:
            await self._begin(found, edge, compiled)

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics."""
        return {SHADOW_BEYOND: self._counts.beyond}

    async def flush(self) -> None:
        """Return when what this process has counted stands in the database."""
        await self._counts.flush()

    async def close(self) -> None:
        """Write down what was counted last, as far as the database is there."""
        if self._flushing:
            await self._flushing.close()

    def why_not(self, candidate: Candidate, edge: Edge) -> str | None:
        """Return why an open candidate is not tried in this process; None where it is, or has ended."""
        if candidate.state is not CandidateState.open:
            return None
        if candidate.beside != edge.policies.id:
            return OTHERS
        tried = edge.shadow and edge.shadow.policies.id == candidate.id
        return None if tried else self._unfit.get(candidate.id, NOT_YET)

    async def _begin(self, found: Candidate, edge: Edge, compiled: Compiles) -> None:
        try:
            policies = (await asyncio.to_thread(compiled, found.files)).policies
        except PolicyError as error:
            self._unfit = {found.id: f"It does not fit this release: {error}"}
            log.error("The candidate %s does not fit this release, and is not tried here:\n%s", found.id, error)  # noqa: TRY400 — the lines say it all.
            edge.try_out(None)
        else:
            if self._flushing is None:
                edge.kit.metrics.read_from(self.figures)
                self._flushing = Flushing(self.flush)
                await self._flushing.start()
            edge.try_out(
                Shadow(structs.replace(policies, id=found.id), edge.kit, self._counts.of(found.id), edge.clock)
            )
