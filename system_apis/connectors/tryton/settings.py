"""What a connection to Tryton needs to know; `README.md` beside it says where each comes from."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.secret import Secret

EntityCode = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,19}$")]
Text = Annotated[str, Meta(min_length=1)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One database of one Tryton server, and one user of it."""

    base_url: Annotated[str, Meta(pattern=r"^https?://[^/\s]+$")]
    """Scheme, host and port; nothing behind."""
    database: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$")]
    user: Text
    password: Secret
    companies: Annotated[dict[EntityCode, Annotated[int, Meta(ge=1)]], Meta(min_length=1)]
    """Which company of Tryton is which legal entity: `{ES01: 1}`."""
    payment_terms: dict[Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}$")], Text] = {}
    """Our name of payment terms, and Tryton's: `{net_30: Net 30}`. As ERP."""
    analytic_root: Text = "PRJ"
    """The code of the analytic root that accounting projects stand below. As ERP."""
    department_prefix: str = "DEP-"
    """A department CONS is the opened view account DEP-CONS below the root. As ERP."""
    facts_journal: Text = "FACT"
    """The code of the journal that keeps postings of facts apart from people's. As ERP."""
    invoices_journal: Text = "REV"
    """The code of the journal that customers' invoices are posted in. As ERP."""
    templates: tuple[Text, ...] = ()
    """The template projects that `tiebeam check --connections` looks for, by name. As PSA."""
    status_open: Text = "Open"
    status_cancelled: Text = "Cancelled"
    status_on_hold: Text = "On hold"
    """The statuses of projects that take work, that were withdrawn, and whose billing is held. As PSA."""
    settle_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    """A call that still runs is invisible until it commits: longer than the longest one, shorter than patience."""
