"""Dating releases of accrued income anew: their period was closed between the invoice and them."""

from gateway.store.database import Store
from openapi.common.types import Code
from process_apis.ledger import periods
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.facts import Fact, Kind, Posting, find_facts, redate_facts, tb_fact
from system_apis.ports import Erp


async def date_anew(store: Store, request_id: str, erp: Erp, entity: LegalEntity) -> None:
    """Date into an open period what the ERP has refused for its day, as the entity's policy says.

    What the ERP has so much as a draft of keeps its day: somebody deletes the draft first. Raises Refused where no
    period is open.
    """
    refused = await _refused(store, request_id)
    there = await erp.find_billable_transactions([fact.business_key for fact in refused]) if refused else {}
    free = [fact for fact in refused if fact.business_key not in there]
    if not free:
        return
    now = entity.today(store.now())
    on = await periods.accounting_date_in(erp, entity, free[0].accounting_date, today=now)
    async with store.begin() as connection:
        await redate_facts(connection, store, [fact.id for fact in free], on)


async def _refused(store: Store, request_id: str) -> list[Fact]:
    columns = tb_fact.c
    async with store.begin() as connection:
        return await find_facts(
            connection,
            columns.source_id == request_id,
            columns.kind == Kind.release.value,
            columns.posting == Posting.failed.value,
            columns.code == Code.period_closed.value,
        )
