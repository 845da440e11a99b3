"""What the story must have left in the systems, computed by hand, against what their own interfaces say."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from examples.demo import orders
from examples.demo.books import Record, Redmine, Tryton
from examples.demo.telling import chapter, verdict

# Three statements of work, two customers: one made through the gateway, one that was there and got linked.
CUSTOMER = ("Harbour Analytics S.L.", "ESB58818501", "Net 30")
LEDGER = [
    ("P-0001", "Data platform", "DEP-CONS", "opened"),
    ("P-0002", "Warehouse review", "DEP-CONS", "opened"),
    ("P-0003", "Data mesh", "DEP-DATA", "opened"),
]
DELIVERY = ["P-0001 - Data platform", "P-0002 - Warehouse review", "P-0003 - Data mesh"]


class Figures(NamedTuple):
    """What last month's work and the accepted design come to, computed by hand."""

    accrued: str
    cost: str
    net: str
    vat: str
    gross: str


# 450 and 405 minutes at 120.00, 240 and 20 at 185.00: 900.00 + 810.00 + 740.00 + 61.67 = 2,511.67; the design is
# 18,000.00; 21 % of 20,511.67 is 4,307.4507. It cost 285.00 + 256.50 at 38.00, and 168.00 + 14.00 at 42.00.
OF_MINUTES = Figures("0.00", "723.50", "20511.67", "4307.45", "24819.12")
# Redmine keeps hours with two decimals: 20 minutes are 0.33 h, which at 185.00 are 61.05, and at 42.00 cost 13.86.
OF_HOURS = Figures("0.00", "723.36", "20511.05", "4307.32", "24818.37")
TASKS_A_PROJECT = 3
REDMINE_PROJECTS = [("p-0001", "Data platform"), ("p-0002", "Warehouse review"), ("p-0003", "Data mesh")]
REDMINE_TASKS = ["Build", "Delivery", "Discovery", "Handover", "Test"]
REDMINE_MILESTONES = ["Design accepted", "Kick-off", "Platform in use"]


def ledger(erp: Tryton) -> bool:
    """Return whether the ledger holds exactly what the story made."""
    chapter(10, "The proof", "What Tryton itself shows, beside what was computed by hand.")
    parties = erp.find(
        "party.party", [["code", "like", "cus_%"]], "name", "tax_identifier.code", "customer_payment_term.name"
    )
    customers = [
        (party["name"], party["tax_identifier."]["code"], party["customer_payment_term."]["name"]) for party in parties
    ]
    alder = len(erp.find("party.party", [["name", "ilike", "alder foods%"]], "name"))
    fields = ("code", "name", "parent.code", "state")
    accounts = erp.find("analytic_account.account", [["code", "like", "P-%"]], *fields)
    projects = [(one["code"], one["name"], one["parent."]["code"], one["state"]) for one in accounts]
    return all(
        (
            verdict("customers made", [CUSTOMER], customers),
            verdict("Alder Foods in the ERP", 1, alder),
            verdict("projects in the ledger", LEDGER, projects),
        )
    )


def money(erp: Tryton, expected: Figures) -> bool:
    """Return whether the books hold one invoice to the cent, what the work cost, and no accrued income any more."""
    fields = ("state", "untaxed_amount", "tax_amount", "total_amount")
    invoices = erp.find("account.invoice", [["reference", "like", "inv_%"]], *fields)
    found = [(one["state"], *(decimal(one[name]) for name in fields[1:])) for one in invoices]
    return all(
        (
            verdict("invoices", [("posted", expected.net, expected.vat, expected.gross)], found),
            verdict("accrued income", expected.accrued, balance(erp, "1.4.2")),
            verdict("revenue", f"-{expected.net}", balance(erp, "4.2.2")),
            verdict("cost of the work", expected.cost, balance(erp, "5.1.3")),
        )
    )


def balance(erp: Tryton, account: str) -> str:
    """Return an account's debit less its credit, posted lines only."""
    lines = erp.find(
        "account.move.line", [["account.code", "=", account], ["move.state", "=", "posted"]], "debit", "credit"
    )
    return (
        f"{sum((Decimal(decimal(one['debit'])) - Decimal(decimal(one['credit'])) for one in lines), Decimal('0.00')):f}"
    )


def decimal(value: Record) -> str:
    """Return a number as Tryton sends it, with two decimals."""
    return f"{Decimal(value['decimal']):.2f}"


def delivery(psa: Tryton) -> bool:
    """Return whether the delivery database holds exactly what the story made, open from the first day."""
    roots = psa.find("project.work", [["type", "=", "project"], ["name", "like", "P-%"]], "name")
    tasks = psa.find("project.work", [["parent.name", "like", "P-%"], ["type", "=", "task"]], "timesheet_start_date")
    starts = {date(*(task["timesheet_start_date"][part] for part in ("year", "month", "day"))) for task in tasks}
    return all(
        (
            verdict("projects in delivery", DELIVERY, [root["name"] for root in roots]),
            verdict("tasks", TASKS_A_PROJECT * len(DELIVERY), len(tasks)),
            verdict("open for time from", [orders.last_month()[0]], sorted(starts)),
        )
    )


def delivery_in_redmine(psa: Redmine) -> bool:
    """Return whether Redmine holds exactly what the story made, open for time."""
    projects = [project for project in psa.projects() if project["identifier"].startswith("p-")]
    tasks = [sorted(issue["subject"] for issue in psa.issues(project)) for project in projects]
    milestones = [sorted(version["name"] for version in psa.versions(project)) for project in projects]
    open_for_time = ["time_tracking" in {module["name"] for module in one["enabled_modules"]} for one in projects]
    made = [(project["identifier"], project["name"]) for project in projects]
    return all(
        (
            verdict("projects in delivery", REDMINE_PROJECTS, made),
            verdict("tasks of each", [REDMINE_TASKS] * len(REDMINE_PROJECTS), tasks),
            verdict("milestones of each", [REDMINE_MILESTONES] * len(REDMINE_PROJECTS), milestones),
            verdict("open for time", [True] * len(REDMINE_PROJECTS), open_for_time),
        )
    )
