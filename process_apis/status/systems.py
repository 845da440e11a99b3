"""What a connected system says of a project, or said last: the port's answer, kept as an observation."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.errors import Refused, Unavailable
from gateway.store.cross_references import CrossReference
from gateway.store.database import Store
from gateway.store.observations import Observed, Subject, observe
from openapi.common.types import Code
from openapi.process.status.v1 import Family, SystemStatus
from system_apis.ports import Landscape

MISSING: Final = "missing"
"""The system's word where the project is gone there: that is news too."""


class Saying(Struct, frozen=True, kw_only=True):
    """A system's word on a project."""

    state: str
    url: str | None


class Systems:
    """The connected systems as a status sees them: asked at most as often as each connection's policy says."""

    def __init__(
        self, store: Store, landscape: Landscape, families: Mapping[str, Family], max_age_s: Mapping[str, float]
    ) -> None:
        self._store, self._landscape, self._families, self._max_age_s = store, landscape, families, max_age_s

    async def status_of(self, reference: CrossReference, *, fresh: bool) -> SystemStatus:
        """Return what the reference's system says of the project, with its age; stale while the system is away."""
        connection = reference.instance
        subject = Subject(connection=connection, object_type="project", external_id=reference.external_id)

        async def ask() -> Saying:
            return await self._said(reference)

        max_age_s = 0.0 if fresh else self._max_age_s.get(connection, 0.0)
        try:
            observed = await observe(self._store, subject, Saying, ask, max_age_s=max_age_s)
        except Unavailable:
            return self._shown(reference, None)
        return self._shown(reference, observed)

    async def _said(self, reference: CrossReference) -> Saying:
        try:
            if self._families.get(reference.instance) is Family.erp:
                accounting = await self._landscape.erp(reference.instance).get_accounting_project(reference.external_id)
                return Saying(state=accounting.state, url=None)
            project = await self._landscape.psa(reference.instance).get_project(reference.external_id)
        except Refused as refused:
            if refused.code is not Code.resource_not_found:
                # One system that cannot tell, or is connected no more, does not keep the others from being shown.
                raise Unavailable(refused.code, refused.detail) from refused
            return Saying(state=MISSING, url=None)
        return Saying(state=project.state, url=project.url)

    def _shown(self, reference: CrossReference, observed: Observed[Saying] | None) -> SystemStatus:
        return SystemStatus(
            connection=reference.instance,
            family=self._families.get(reference.instance),
            vendor=reference.system,
            external_id=reference.external_id,
            state=observed.value.state if observed else None,
            url=observed.value.url if observed else None,
            as_of=observed.as_of if observed else None,
            stale=observed.stale if observed else True,
        )
