"""The release of an invoice: lock what is ready, check it, create behind the fence, compare, post, tell.

Names of steps are stored for years; a write bears its operation's name. What the run goes by comes from its order and
its steps: a release of ours in between may change everything else.
"""

from functools import partial

from msgspec import Struct

from gateway.durable import finish, skip, step, submit, submit_many, undo, workflow
from gateway.store.database import Store
from gateway.writes import Item, Writes
from openapi.process.invoice_release.v1 import ReleaseDecision
from openapi.system.erp.v1 import BillableTransactions, Invoice
from openapi.system.psa.v1 import NewEntryFeedback
from process_apis.invoice_release import closing, fence, finishing, selecting, steps
from process_apis.invoice_release.documents import FEEDBACK_AT_ONCE
from process_apis.invoice_release.finishing import Compared, Recorded, Told
from process_apis.invoice_release.order import KIND, ReleaseOrder
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.ledger.entities import Entities
from process_apis.ledger.mappings import Mappings
from system_apis.looks import feedback_shown, posted_transactions
from system_apis.ports import Erp, Landscape, Psa, posting_slot

CAPABILITY = "capability"
UNKNOWN = "unknown"
NOTHING = "nothing"


class Released(Struct, frozen=True, kw_only=True):
    """What came of it: the request, and the invoice's number, or None where its draft was cancelled."""

    request: str
    number: str | None


class Run(Struct, frozen=True, kw_only=True):
    """What the parts of a release have in common."""

    store: Store
    erp: Erp
    psa: Psa
    landscape: Landscape
    order: ReleaseOrder
    request: str

    @property
    def serial(self) -> str | None:
        """Return the slot through which postings go where the ERP takes one at a time."""
        return posting_slot(self.erp, self.order.legal_entity)


@workflow(name=KIND, refusals="undo", decision=ReleaseDecision)
async def release_invoice(
    landscape: Landscape,
    store: Store,
    writes: Writes,
    entities: Entities,
    mappings: Mappings,
    release_settings: ReleaseSettings,
    order: ReleaseOrder,
) -> Released:
    """Invoice what is ready on the contract, once, unless a rule or a hold says no."""
    erp, psa = landscape.erp(order.erp), landscape.psa(order.psa)

    request = await step("open_request", selecting.open_attempt, store, order)
    undo("tell_why_not", closing.tell_why_not, store, writes, landscape, order, request)
    undo("close_request", closing.close_request, store, request)
    await step("select_and_lock", selecting.select_and_lock, store, request, entities, mappings, order)
    await step("check_completeness", steps.check_completeness, store, request, mappings, order)
    await step("check_contract", steps.check_contract, store, request, erp, entities, release_settings, order)
    customer = await step("check_customer", steps.check_customer, store, request, erp, order, on=order.erp)
    dating = partial(steps.decide_accounting_date, store, request, erp, entities, order)
    await step("decide_accounting_date", dating, on=order.erp)
    await step("observe_holds", steps.observe, store, landscape, order, on=order.psa)
    new = await step("validate", steps.validate, store, request, order, customer)

    # The pivot. A refusal up to here frees the facts; what comes after it finishes, or parks.
    draft = await submit(
        "create_invoice",
        on=erp,
        key=new.business_key,
        payload=new,
        look=partial(erp.find_invoice, new.business_key),
        act=partial(erp.create_invoice, new),
        fence=partial(fence.pass_fence, store, request),
        agree=("legal_entity", "customer_id"),
        pivot=True,
    )
    run = Run(store=store, erp=erp, psa=psa, landscape=landscape, order=order, request=request)
    comparing = partial(finishing.compare_draft, store, request, erp, entities, new, draft.id)
    compared = await finish(step("compare_draft", comparing, on=order.erp))
    if compared.cancel:
        return await give_up(run, compared)

    invoice = await post(run, compared)
    recording = partial(finishing.record_invoice, store, request, erp, entities, order, invoice)
    recorded = await finish(step("record_invoice", recording, on=order.erp))
    await release_accrued_income(run, recorded)
    await write_note(run, recorded)
    await write_feedback(run, recorded)
    skip("notify_crm", CAPABILITY)
    return Released(request=request, number=recorded.number)


async def give_up(run: Run, compared: Compared) -> Released:
    """Cancel the draft that somebody has looked at, and free what was on it."""
    if not compared.gone:
        await cancel_draft(run, compared.invoice_id)
    told = await finish(step("give_up_request", finishing.give_up, run.store, run.request, run.order))
    await write_note(run, told)
    return Released(request=run.request, number=None)


async def cancel_draft(run: Run, invoice_id: str) -> None:
    """Cancel the draft in the ERP."""
    erp = run.erp
    cancelling = submit(
        "cancel_invoice",
        on=erp,
        object_id=invoice_id,
        look=partial(finishing.cancelled, erp, invoice_id),
        act=partial(erp.cancel_invoice, invoice_id),
        again_from="compare_draft",
    )
    await finish(cancelling)


async def post(run: Run, compared: Compared) -> Invoice:
    """Return the invoice, posted as it was compared: one that was changed since is compared again."""
    erp, invoice_id = run.erp, compared.invoice_id
    posting = submit(
        "post_invoice",
        on=erp,
        object_id=invoice_id,
        look=partial(finishing.posted, erp, invoice_id),
        act=partial(erp.post_invoice, invoice_id, compared.version),
        serial=run.serial,
        again_from="compare_draft",
    )
    return await finish(posting)


async def release_accrued_income(run: Run, recorded: Recorded) -> None:
    """Take what is invoiced out of accrued income: with the sales' postings it comes to nothing."""
    erp = run.erp
    if not recorded.releases or erp.capabilities.billable_transactions is BillableTransactions.none:
        skip("post_billable_transactions", CAPABILITY if recorded.releases else NOTHING, on=run.order.erp)
        return
    posting = submit_many(
        "post_billable_transactions",
        on=erp,
        items=[Item(key=new.business_key, payload=new) for new in recorded.releases],
        look=partial(posted_transactions, erp),
        act=erp.post_billable_transactions,
        agree=("legal_entity", "net"),
        serial=run.serial,
    )
    batch = await finish(posting)
    recording = step("record_releases", finishing.record_releases, run.store, batch, again_from="record_invoice")
    await finish(recording)


async def write_note(run: Run, told: Told) -> None:
    """Write on the PSA's project what became of it."""
    psa, order, note = run.psa, run.order, told.note
    if told.psa_project_id is None or not psa.capabilities.billing_notes:
        skip("write_billing_note", UNKNOWN if told.psa_project_id is None else CAPABILITY, on=order.psa)
        return
    writing = submit(
        "write_billing_note",
        on=psa,
        key=note.business_key,
        payload=note,
        look=partial(psa.find_billing_note, told.psa_project_id, note.business_key),
        act=partial(psa.write_billing_note, told.psa_project_id, note),
    )
    await finish(writing)


async def write_feedback(run: Run, recorded: Recorded) -> None:
    """Show on each time entry that it is billed, in the PSA that it comes from."""
    for connection, feedback in recorded.feedback.items():
        psa = run.landscape.psa(connection)
        if not psa.capabilities.time_feedback:
            skip("write_time_feedback", CAPABILITY, on=connection)
            continue
        for start in range(0, len(feedback), FEEDBACK_AT_ONCE):
            await _write_feedback(psa, feedback[start : start + FEEDBACK_AT_ONCE])


async def _write_feedback(psa: Psa, feedback: list[NewEntryFeedback]) -> None:
    wanted = {one.entry_id: one for one in feedback}
    writing = submit_many(
        "write_time_feedback",
        on=psa,
        items=[Item(key=entry_id, payload=one) for entry_id, one in wanted.items()],
        look=partial(feedback_shown, psa, wanted),
        act=psa.write_time_feedback,
        makes=False,
    )
    batch = await finish(writing)
    await finish(step("weigh_feedback", finishing.weigh_feedback, batch, again_from="write_time_feedback"))
