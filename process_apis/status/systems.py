"""What a connected system says of a project or an invoice, or said last: the port's answer, kept as an observation."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from msgspec import Struct, json
from sqlalchemy import select

from gateway.errors import Refused, Unavailable
from gateway.store.cross_references import CrossReference
from gateway.store.database import Store
from gateway.store.observations import Observed, Subject, observe, tb_observation
from openapi.common.types import Code, Money
from openapi.process.status.v1 import Family, SystemStatus
from system_apis.ports import Landscape

MISSING: Final = "missing"
"""The system's word where the project is gone there: that is news too."""


class Saying(Struct, frozen=True, kw_only=True):
    """A system's word on a project."""

    state: str
    url: str | None


class Paid(Struct, frozen=True, kw_only=True):
    """One payment."""

    on: date
    amount: Money


class InvoiceSaying(Struct, frozen=True, kw_only=True):
    """The ERP's word on an invoice."""

    state: str
    number: str | None
    gross: Money
    balance: Money
    payments: list[Paid]


INVOICE: Final = "invoice"
PAGE: Final = 100


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

    async def invoice_of(self, connection: str, invoice_id: str, *, fresh: bool) -> Observed[InvoiceSaying] | None:
        """Return what the ERP says of the invoice, or said last, then stale; None where it never said anything."""
        subject = Subject(connection=connection, object_type=INVOICE, external_id=invoice_id)

        async def ask() -> InvoiceSaying:
            return await self._said_of_invoice(connection, invoice_id)

        max_age_s = 0.0 if fresh else self._max_age_s.get(connection, 0.0)
        try:
            return await observe(self._store, subject, InvoiceSaying, ask, max_age_s=max_age_s)
        except Unavailable:
            return None

    async def last_of_invoices(self, connection: str, invoice_ids: Sequence[str]) -> dict[str, InvoiceSaying]:
        """Return what the ERP said last of each invoice; nobody is asked."""
        columns = tb_observation.c
        mine = (columns.connection == connection, columns.object_type == INVOICE, columns.external_id.in_(invoice_ids))
        async with self._store.begin() as open_connection:
            rows = await open_connection.execute(select(columns.external_id, columns.document).where(*mine))
            return {row.external_id: json.decode(row.document, type=InvoiceSaying) for row in rows}

    async def _said_of_invoice(self, connection: str, invoice_id: str) -> InvoiceSaying:
        try:
            erp = self._landscape.erp(connection)
            invoice = await erp.get_invoice(invoice_id)
            paid = await erp.list_payments(invoice_id, limit=PAGE)
        except Refused as refused:
            raise Unavailable(refused.code, refused.detail) from refused
        payments = [Paid(on=payment.date, amount=payment.amount) for payment in paid.items]
        return InvoiceSaying(
            state=invoice.state.value,
            number=invoice.number,
            gross=invoice.gross,
            balance=invoice.balance,
            payments=payments,
        )

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
