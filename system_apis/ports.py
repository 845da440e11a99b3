"""What other systems do for us, in the words of their contracts.

A look and a write are plain: `gateway.writes` alone joins them, and nobody else calls a write. Every method raises the
three families of `gateway.errors` and nothing else. Nothing here is answered from a cache.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from gateway.errors import Refused
from openapi.system.erp import v1 as erp
from openapi.system.psa import v1 as psa

T = TypeVar("T")


class Found(Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a search; `after` is where the next one starts, in the connector's own words, or None."""

    items: list[T]
    after: str | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that `tiebeam check --connections` looked at, and how to mend it where it is not as needed."""

    subject: str
    holds: bool
    detail: str
    mend: str = ""


class Erp(Protocol):
    """One connection to an ERP.

    Finds by key ask for two: two documents with one key are `Refused(upstream_conflict_stale)`, not a choice. A get of
    an id that does not exist is `Refused(resource_not_found)`.
    """

    connection: str
    capabilities: erp.Capabilities

    async def examine(self) -> list[Finding]:
        """Return what the connection needs from the ERP, and whether it is there."""

    async def list_legal_entities(self) -> list[erp.LegalEntity]:
        """Return the companies that the connection serves."""

    async def search_customers(
        self, *, tax_id: str | None = None, name: str | None = None, after: str | None = None, limit: int = 20
    ) -> Found[erp.Customer]:
        """Return customers by tax id (compact, any case) or by a part of the name, inactive ones included."""

    async def find_customer(self, business_key: str) -> erp.Customer | None:
        """Return the customer that carries the key, or None."""

    async def get_customer(self, customer_id: str) -> erp.Customer:
        """Return the customer."""

    async def create_customer(self, new: erp.NewCustomer) -> erp.Customer:
        """Return the new customer, which carries `new.business_key`."""

    async def update_customer(self, customer_id: str, change: erp.CustomerChange, version: str | None) -> erp.Customer:
        """Return the changed customer; a version that is not the present one is `Refused(precondition_failed)`."""

    async def search_accounting_projects(
        self, *, code: str, after: str | None = None, limit: int = 20
    ) -> Found[erp.AccountingProject]:
        """Return the projects with the code; the case counts as it does for the ERP."""

    async def find_accounting_project(self, business_key: str) -> erp.AccountingProject | None:
        """Return the project that carries the key, or None."""

    async def get_accounting_project(self, project_id: str) -> erp.AccountingProject:
        """Return the project."""

    async def create_accounting_project(self, new: erp.NewAccountingProject) -> erp.AccountingProject:
        """Return the new project: state draft, carrying `new.business_key`."""

    async def activate_accounting_project(self, project_id: str) -> erp.AccountingProject:
        """Return the project, taking postings."""

    async def deactivate_accounting_project(self, project_id: str) -> erp.AccountingProject:
        """Return the project, taking none."""

    async def list_periods(
        self, legal_entity: str, *, on: date | None = None, after: str | None = None, limit: int = 20
    ) -> Found[erp.Period]:
        """Return the entity's accounting periods, the earliest first; `on` leaves the one that the day falls into."""

    async def list_items(
        self, *, code: str | None = None, after: str | None = None, limit: int = 20
    ) -> Found[erp.Item]:
        """Return what can be sold, the oldest first."""

    async def list_tax_codes(
        self, legal_entity: str, *, after: str | None = None, limit: int = 20
    ) -> Found[erp.TaxCode]:
        """Return the taxes that the entity charges, the oldest first."""

    async def find_billable_transactions(self, keys: Sequence[str]) -> Mapping[str, erp.BillableTransaction]:
        """Return the postings that carry the keys, by key; a draft is one too. At most `batch_size` keys."""

    async def post_billable_transactions(
        self, new: Sequence[erp.NewBillableTransaction]
    ) -> Mapping[str, erp.BillableTransaction | Refused]:
        """Return what came of each fact, by key: posted, or why not. All are of one entity, currency and period.

        At most `batch_size`. A draft that carries a key is posted, not made again. What is raised holds for the whole
        batch: after Refused and Unavailable nothing of it is there, after Uncertain any part of it may be.
        """

    async def find_invoice(self, business_key: str) -> erp.Invoice | None:
        """Return the invoice that carries the key, or None; a cancelled draft is none."""

    async def get_invoice(self, invoice_id: str) -> erp.Invoice:
        """Return the invoice."""

    async def create_invoice(self, new: erp.NewInvoice) -> erp.Invoice:
        """Return the new invoice: a draft that carries `new.business_key`, with the ERP's tax and totals."""

    async def post_invoice(self, invoice_id: str, version: str) -> erp.Invoice:
        """Return the invoice, posted. One that is not what `version` told any more is Refused(precondition_failed)."""

    async def cancel_invoice(self, invoice_id: str) -> erp.Invoice:
        """Return the draft, cancelled; a posted one is Refused(invoice_already_posted)."""

    async def list_payments(self, invoice_id: str, *, after: str | None = None, limit: int = 20) -> Found[erp.Payment]:
        """Return what was paid on the invoice, the earliest first."""


class Psa(Protocol):
    """One connection to a PSA. What `Erp` says of finds and gets holds here too."""

    connection: str
    capabilities: psa.Capabilities

    async def examine(self) -> list[Finding]:
        """Return what the connection needs from the PSA, and whether it is there."""

    async def list_resources(self, *, after: str | None = None, limit: int = 20) -> Found[psa.Resource]:
        """Return the people that the PSA plans with."""

    async def find_resource(self, email: str) -> psa.Resource | None:
        """Return the person with the e-mail address, active or not, or None."""

    async def search_projects(self, *, code: str, after: str | None = None, limit: int = 20) -> Found[psa.Project]:
        """Return the projects with the code."""

    async def find_project(self, business_key: str) -> psa.Project | None:
        """Return the project that carries the key, or None."""

    async def get_project(self, project_id: str) -> psa.Project:
        """Return the project."""

    async def create_project(self, new: psa.NewProject) -> psa.Project:
        """Return the new project: state closed, carrying `new.business_key`."""

    async def open_project(self, project_id: str) -> psa.Project:
        """Return the project, taking time; a cancelled one is taken up again by it."""

    async def close_project(self, project_id: str) -> psa.Project:
        """Return the project, taking no time; a cancelled one is taken up again by it."""

    async def cancel_project(self, project_id: str) -> psa.Project:
        """Return the project as a tombstone."""

    async def list_tasks(self, project_id: str, *, after: str | None = None, limit: int = 20) -> Found[psa.Task]:
        """Return the project's tasks, parents first."""

    async def find_task(self, project_id: str, business_key: str) -> psa.Task | None:
        """Return the project's task that carries the key, or None."""

    async def create_task(self, project_id: str, new: psa.NewTask) -> psa.Task:
        """Return the new task, which carries `new.business_key`."""

    async def list_milestones(
        self, project_id: str, *, after: str | None = None, limit: int = 20
    ) -> Found[psa.Milestone]:
        """Return the project's milestones, the earliest first."""

    async def find_milestone(self, project_id: str, business_key: str) -> psa.Milestone | None:
        """Return the project's milestone that carries the key, or None."""

    async def create_milestone(self, project_id: str, new: psa.NewMilestone) -> psa.Milestone:
        """Return the new milestone, which carries `new.business_key`."""

    async def list_time_entries(
        self,
        *,
        changed_since: datetime,
        approval: psa.ApprovalState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Found[psa.TimeEntry]:
        """Return the time that has changed since, that moment included, by (updated_at, id).

        With `time_changes: window` it is all time of that day and later: whoever asks compares.
        """

    async def get_time_entries(self, entry_ids: Sequence[str]) -> Mapping[str, psa.TimeEntry]:
        """Return those of the time entries that there are, by id, whatever their approval. At most 200."""

    async def list_time_totals(self, first: date, last: date) -> list[psa.TimeTotal]:
        """Return one row for each project and day, both days included, that has approved time."""

    async def find_time_feedback(self, entry_ids: Sequence[str]) -> Mapping[str, psa.TimeFeedback]:
        """Return what time entries show of their billing, by id; the newest word counts. At most 200."""

    async def write_time_feedback(
        self, feedback: Sequence[psa.NewEntryFeedback]
    ) -> Mapping[str, psa.TimeFeedback | Refused]:
        """Return what each time entry shows now, by id, or why it cannot. At most 200, each of another entry."""

    async def find_billing_note(self, project_id: str, business_key: str) -> psa.BillingNote | None:
        """Return the project's note that carries the key, or None."""

    async def write_billing_note(self, project_id: str, new: psa.NewBillingNote) -> psa.BillingNote:
        """Return the new note, which carries `new.business_key`."""

    async def get_hold_flag(self, project_id: str) -> psa.HoldFlag:
        """Return whether the PSA shows the project as held."""

    async def set_hold_flag(self, project_id: str, new: psa.NewHoldFlag) -> psa.HoldFlag:
        """Return the project's flag, set."""


def posting_slot(erp: Erp, legal_entity: str) -> str | None:
    """Return the name that the guard lets one posting of the entity through at a time, or None where any number may.

    An ERP that takes two at once gets one: a lock that is never met costs less than one that is.
    """
    return None if erp.capabilities.postings_at_once is None else f"{erp.connection}/{legal_entity}"


class Landscape(Protocol):
    """Which connection serves whom. A process looks its connections up, and pins their names in its order."""

    def erp_of(self, legal_entity: str) -> str:
        """Return the name of the entity's ERP connection; raises Refused(entity_mapping_missing)."""

    def psa_of(self, legal_entity: str) -> str:
        """Return the name of the entity's PSA connection; raises Refused(entity_mapping_missing)."""

    def erp(self, connection: str) -> Erp:
        """Return the bare port of a connection."""

    def psa(self, connection: str) -> Psa:
        """Return the bare port of a connection."""

    def connections(self) -> Sequence[str]:
        """Return the names of all connections."""
