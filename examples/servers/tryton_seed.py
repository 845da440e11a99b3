"""What the databases of demos and tests hold, made through the models that a desktop user works on.

Runs in Tryton's own environment. Raise REVISION when something here changes, so that no older copy is used.
"""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

from proteus import Model, Wizard
from proteus.config import get_config

REVISION = 8
PASSWORD = "demo-Passw0rd"  # noqa: S105 - of a demo that listens on the loopback interface only
NEVER = dt.date.max

PROFILES = {
    "erp": ["account_invoice", "account_product", "analytic_account", "analytic_invoice"],
    "psa": ["project", "project_revenue", "timesheet", "timesheet_cost"],
}
GATEWAY_GROUPS = {
    "erp": [
        *(("party", "group_party_admin"), ("currency", "group_currency_admin"), ("company", "group_employee_admin")),
        *(("product", "group_product_admin"), ("account", "group_account"), ("account", "group_account_admin")),
        *(("account_product", "group_account_product_admin"), ("analytic_account", "group_analytic_admin")),
    ],
    "psa": [
        *(("party", "group_party_admin"), ("currency", "group_currency_admin"), ("company", "group_employee_admin")),
        *(
            ("product", "group_product_admin"),
            ("project", "group_project_admin"),
            ("timesheet", "group_timesheet_admin"),
        ),
    ],
}
COUNTRIES = [
    ("ES", "ESP", "724", "Spain"),
    ("FR", "FRA", "250", "France"),
    ("DE", "DEU", "276", "Germany"),
    ("GB", "GBR", "826", "United Kingdom"),
    ("US", "USA", "840", "United States"),
]
RATES = {"EUR": "1.0", "USD": "1.08", "GBP": "0.85"}
PEOPLE = [
    ("Ana Ruiz", "ana.ruiz@example.com", "38"),
    ("Ben Okafor", "ben.okafor@example.com", "42"),
    ("Chloe Martin", "chloe.martin@example.com", "55"),
]
PRODUCTS = [
    ("CONS-H", "Consulting hour", "uom_hour", "95"),
    ("DEV-H", "Development hour", "uom_hour", "80"),
    ("FIX", "Fixed-price deliverable", "uom_unit", "1000"),
    ("EXP", "Rebilled expense", "uom_unit", "0"),
]
CUSTOMERS = [
    ("Alder Foods", "ES", "Valencia", "ESA08000143", "ap@alder.example"),
    ("Birch Logistics", "FR", "Lyon", "FR40303265045", "ap@birch.example"),
    ("Cedar Health", "US", "Boston", None, "ap@cedar.example"),
]
DEPARTMENTS = [  # DATA is missing: the demo's late refusal is that finance has not opened it yet.
    ("DEP-CONS", "Consulting", "opened"),
    ("DEP-DEV", "Development", "opened"),
    ("DEP-OLD", "Mainframes", "closed"),
]


def new(model, /, **values):
    """Return a record that is not saved yet."""
    return Model.get(model)(**values)


def saved(model, /, **values):
    """Return a record that is saved."""
    record = new(model, **values)
    record.save()
    return record


def only(model, *domain):
    """Return the first record of a search."""
    return Model.get(model).find(list(domain), limit=1)[0]


def again(record):
    """Return a record anew: one that hangs on a record already cannot be put on another."""
    return type(record)(record.id)


class Ground:
    """What both profiles stand on: countries, currencies, the company, its people and products, access."""

    def __init__(self, profile):
        self.profile, self.today = profile, dt.date.today()  # noqa: DTZ011 - the day of who looks at it

    def build(self):
        """Make all of it."""
        self.geography()
        self.found_company()
        self.before_people()
        self.hire()
        self.offer_products()
        self.let_in("gateway", "Integration gateway", GATEWAY_GROUPS[self.profile], self.employees)
        self.win_customers()
        self.after_customers()

    def before_people(self):
        """Make what products and customers need."""

    def after_customers(self):
        """Make what needs customers."""

    def xml_id(self, module, name):
        """Return the id of a record that a module ships."""
        return Model.get("ir.model.data").get_id(module, name, get_config().context)

    def geography(self):
        """Make countries, and currencies with a rate of last year on."""
        self.country = {
            code: saved("country.country", name=name, code=code, code3=code3, code_numeric=number)
            for code, code3, number, name in COUNTRIES
        }
        start = dt.date(self.today.year - 1, 1, 1)
        for code, rate in RATES.items():
            currency = saved("currency.currency", code=code, name=code, symbol=code, rounding=Decimal("0.01"), digits=2)
            saved("currency.currency.rate", currency=currency, date=start, rate=Decimal(rate))

    def found_company(self):
        """Make Meridian Services, and work for it from here on."""
        party = new("party.party", name="Meridian Services")
        (address,) = party.addresses
        address.street, address.postal_code, address.city = "Calle Mayor 1", "28013", "Madrid"
        address.country = self.country["ES"]
        party.identifiers.new(type="eu_vat", code="ESB58378431")
        party.save()
        wizard = Wizard("company.company.config")
        wizard.execute("company")
        wizard.form.party, wizard.form.timezone = party, "UTC"
        wizard.form.currency = only("currency.currency", ("code", "=", "EUR"))
        wizard.execute("add")
        config = get_config()
        config._context = Model.get("res.user").get_preferences(True, {})  # noqa: SLF001, FBT003 - proteus has no setter
        self.company = only("company.company")

    def hire(self):
        """Make the employees."""
        start = dt.date(self.today.year - 1, 1, 1)
        self.employees = []
        for name, email, cost in PEOPLE:
            party = new("party.party", name=name)
            party.contact_mechanisms.new(type="email", value=email)
            party.save()
            employee = new("company.employee", party=party, company=self.company, start_date=start)
            self.set_cost(employee, start, Decimal(cost))
            employee.save()
            self.employees.append(employee)

    def set_cost(self, employee, start, cost):
        """Say what an hour of an employee costs, where the profile knows such a thing."""

    def offer_products(self):
        """Make the services that are sold."""
        category, self.product = self.category(), {}
        for code, name, unit, price in PRODUCTS:
            template = new("product.template", name=name, type="service", list_price=Decimal(price))
            template.default_uom = Model.get("product.uom")(self.xml_id("product", unit))
            if category:
                template.account_category = category
            (variant,) = template.products
            variant.suffix_code = code
            template.save()
            (self.product[code],) = template.products

    def category(self):
        """Return the accounting category of services, where there is accounting."""

    def let_in(self, login, name, groups, employees):
        """Make a user."""
        user = new("res.user", login=login, name=name, email=f"{login}@example.com", password=PASSWORD)
        user.companies.append(again(self.company))
        user.company = again(self.company)
        for employee in employees:
            user.employees.append(again(employee))
        user.employee = again(employees[0])
        for module, group in groups:
            user.groups.append(Model.get("res.group")(self.xml_id(module, group)))
        user.save()

    def win_customers(self):
        """Make customers that were there before anybody used the gateway."""
        self.customers = []
        for name, country, city, tax_id, email in CUSTOMERS:
            party = new("party.party", name=name)
            (address,) = party.addresses
            address.street, address.city, address.postal_code = "1 Market Street", city, "10001"
            address.country = self.country[country]
            party.contact_mechanisms.new(type="email", value=email)
            if tax_id:
                party.identifiers.new(type="eu_vat", code=tax_id)
            self.set_terms(party)
            party.save()
            self.customers.append(party)

    def set_terms(self, party):
        """Say when a customer pays, where the profile knows such a thing."""


class Ledger(Ground):
    """The profile `erp`: chart, years, taxes, terms, analytic accounts, and three invoices."""

    def before_people(self):
        """Make what products and customers need."""
        self.chart()
        self.years()
        self.taxes()
        self.terms()
        self.journals()
        self.document()
        self.analytic()

    def after_customers(self):
        """Make the invoices."""
        self.invoice(self.customers[0], 12, "paid")
        self.invoice(self.customers[1], 20, "posted")
        self.invoice(self.customers[2], 5, "draft")

    def chart(self):
        """Make the accounts from Tryton's universal chart."""
        wizard = Wizard("account.create_chart")
        wizard.execute("account")
        template = self.xml_id("account", "account_template_root_en")
        wizard.form.account_template = Model.get("account.account.template")(template)
        wizard.form.company = self.company
        wizard.execute("create_account")
        ours = ("company", "=", self.company.id)
        self.account = {
            kind: only("account.account", (f"type.{kind}", "=", True), ours, ("closed", "!=", True))
            for kind in ("receivable", "payable", "revenue", "expense")
        } | {
            kind: only("account.account", ("code", "=", code), ours)
            for kind, code in (("cash", "1.1.1"), ("tax", "6.3.6"), ("revenue", "4.1.2"))
        }
        form = wizard.form
        if self.account["receivable"].party_required:
            form.account_receivable = self.account["receivable"]
        if self.account["payable"].party_required:
            form.account_payable = self.account["payable"]
        form.category_account_expense, form.category_account_revenue = self.account["expense"], self.account["revenue"]
        wizard.execute("create_properties")

    def years(self):
        """Make last, this and next fiscal year, with monthly periods and number sequences."""
        move = only("ir.sequence.type", ("name", "=", "Account Move"))
        invoice = only("ir.sequence.type", ("name", "=", "Invoice"))

        def sequence(kind, name, prefix):
            return saved(
                "ir.sequence.strict", name=name, sequence_type=kind, company=self.company, prefix=prefix, padding=4
            )

        for year in range(self.today.year - 1, self.today.year + 2):
            first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
            fiscal = new("account.fiscalyear", name=str(year), company=self.company, start_date=first, end_date=last)
            fiscal.move_sequence = sequence(move, f"Moves {year}", f"M{year}/")
            (line,) = fiscal.invoice_sequences
            line.out_invoice_sequence = sequence(invoice, f"Customer invoices {year}", f"INV{year}/")
            line.out_credit_note_sequence = sequence(invoice, f"Customer credit notes {year}", f"CN{year}/")
            line.in_invoice_sequence = sequence(invoice, f"Supplier invoices {year}", f"BILL{year}/")
            line.in_credit_note_sequence = sequence(invoice, f"Supplier credit notes {year}", f"BCN{year}/")
            fiscal.save()
            Model.get("account.fiscalyear").create_period([fiscal.id], 1, 31, get_config().context)

    def taxes(self):
        """Make VAT of 21, 10 and 0 percent, each with its codes."""
        self.tax = {}
        for percent in (21, 10, 0):
            tax = new("account.tax", name=f"VAT {percent}%", description=f"VAT {percent}%", type="percentage")
            tax.rate, tax.company = Decimal(percent) / 100, self.company
            tax.invoice_account = tax.credit_note_account = self.account["tax"]
            tax.save()
            self.tax[percent] = tax
            for kind in ("base", "tax"):
                code = new("account.tax.code", name=f"{tax.name} {kind}", company=self.company)
                for of in ("invoice", "credit"):
                    code.lines.new(operator="+", tax=tax, amount=kind, type=of)
                code.save()

    def terms(self):
        """Make the payment terms."""
        self.term = {}
        for name, days in (("Immediate", 0), ("Net 30", 30)):
            term = new("account.invoice.payment_term", name=name)
            line = term.lines.new(type="remainder")
            if days:
                line.relativedeltas.new(days=days)
            term.save()
            self.term[name] = term

    def journals(self):
        """Make a way to be paid, and a journal that keeps the gateway's postings apart from people's."""
        saved(
            "account.invoice.payment.method",
            name="Bank transfer",
            journal=only("account.journal", ("type", "=", "cash")),
            company=self.company,
            credit_account=self.account["cash"],
            debit_account=self.account["cash"],
        )
        saved("account.journal", name="Delivery facts", code="FACT", type="general")

    def document(self):
        """Let a short page be the invoice's document: posting renders it, and an office document takes a second."""
        page = Path(__file__).with_name("tryton_invoice.html").read_bytes()
        for report in Model.get("ir.action.report").find([("report_name", "=", "account.invoice")]):
            report.template_extension, report.extension, report.report_content_custom = "html", "", page
            report.save()

    def analytic(self):
        """Make the root of projects, the departments below it, and two projects of before."""
        shared = {"company": self.company}
        root = saved("analytic_account.account", name="Projects", code="PRJ", type="root", state="opened", **shared)
        shared |= {"root": root, "parent": root}
        for code, name, state in DEPARTMENTS:
            saved("analytic_account.account", name=name, code=code, type="view", state=state, **shared)
        for code, name in (("PRJ-100", "Website renewal"), ("PRJ-200", "Support retainer")):
            saved("analytic_account.account", name=name, code=code, type="normal", state="opened", **shared)

    def category(self):
        """Return the accounting category of services."""
        category = new("product.category", name="Services", accounting=True)
        category.account_revenue, category.account_expense = self.account["revenue"], self.account["expense"]
        category.customer_taxes.append(again(self.tax[21]))
        category.save()
        return category

    def set_terms(self, party):
        """Let a customer pay within 30 days."""
        party.customer_payment_term = self.term["Net 30"]

    def invoice(self, party, quantity, state):
        """Make an invoice that got as far as `state`."""
        invoice = new("account.invoice", type="out", party=party, payment_term=self.term["Net 30"])
        invoice.reference = f"SAMPLE-{state.upper()}"
        line = invoice.lines.new(product=self.product["CONS-H"])
        line.quantity, line.description, line.unit_price = quantity, "Consulting", Decimal(95)
        (entry,) = line.analytic_accounts
        entry.account = only("analytic_account.account", ("code", "=", "PRJ-100"))
        invoice.save()
        if state == "draft":
            return
        invoice.invoice_date = dt.date(self.today.year, 1, 2)  # Numbers follow dates: every later one stays free.
        invoice.payment_term_date = self.today  # A due date in the past would ask for a confirmation.
        invoice.save()
        invoice.click("post")
        if state == "paid":
            pay = Wizard("account.invoice.pay", [invoice])
            pay.form.payment_method = only("account.invoice.payment.method")
            pay.form.date = invoice.invoice_date + dt.timedelta(days=20)
            pay.execute("choice")


class Delivery(Ground):
    """The profile `psa`: statuses, a template, the rule of approvals, and three projects with time on them."""

    def after_customers(self):
        """Make what delivery works with."""
        self.let_in("ana", "Ana Ruiz", [], self.employees[:1])
        self.let_in("chloe", "Chloe Martin", [("timesheet", "group_timesheet_admin")], self.employees[2:])
        for status in ("On hold", "Cancelled"):  # Tryton ships Open and Done.
            saved("project.work.status", name=status, types=["project", "task"], sequence=100)
        self.template()
        self.approvals()
        for name, party, tasks in (
            ("Website renewal", self.customers[0], [("Discovery", "CONS-H", 16, None), ("Build", "DEV-H", 80, None)]),
            (
                "Warehouse integration",
                self.customers[1],
                [("Interface design", "CONS-H", 24, 1), ("Roll-out", "CONS-H", 40, 0.25)],
            ),
            ("Clinic data migration", self.customers[2], [("Migration", "DEV-H", 100, 0.5)]),
        ):
            self.project(name, party, tasks)

    def set_cost(self, employee, start, cost):
        """Say what an hour of an employee costs."""
        employee.cost_prices.new(date=start, cost_price=cost)

    def template(self):
        """Make what a project is copied from: nobody can book time on it, nor on a copy before it is opened."""
        root = new("project.work", name="Delivery standard", type="project", timesheet_available=False)
        for name, code, hours in (("Discovery", "CONS-H", 16), ("Build", "DEV-H", 80), ("Handover", "CONS-H", 8)):
            self.task(root, name, code, hours)
        root.save()
        for task in root.children:
            task.timesheet_start_date = NEVER
            task.save()

    def task(self, parent, name, code, hours):
        """Return a task below its parent."""
        task = parent.children.new(name=name, type="task", timesheet_available=True)
        task.product, task.effort_duration = self.product[code], dt.timedelta(hours=hours)
        return task

    def approvals(self):
        """Let approved time, which begins with `[ok] `, be set and touched by Timesheet Administration alone."""
        managers = self.xml_id("timesheet", "group_timesheet_admin")
        clause = {
            "__class__": "If",
            "c": {"__class__": "In", "k": managers, "v": {"__class__": "Eval", "v": "groups", "d": []}},
            "t": [["id", ">", 0]],
            "e": [["description", "not like", "[ok] %"]],
        }
        group = new("ir.rule.group", name="Approved time is read-only", model="timesheet.line")
        group.global_p, group.default_p, group.perm_read = True, False, False
        group.perm_write = group.perm_create = group.perm_delete = True
        group.rules.new(domain=json.dumps([clause]))
        group.save()

    def project(self, name, party, tasks):
        """Make a project with tasks, and some time on them in the week before this one."""
        root = new("project.work", name=name, type="project", party=party, timesheet_available=False)
        for task_name, code, hours, progress in tasks:
            self.task(root, task_name, code, hours).progress = progress
        root.save()
        monday = self.today - dt.timedelta(days=self.today.weekday() + 7)
        for employee, task in zip(self.employees, root.children, strict=False):
            (work,) = task.timesheet_works
            for day in range(3):
                saved(
                    "timesheet.line",
                    employee=employee,
                    company=self.company,
                    date=monday + dt.timedelta(days=day),
                    work=work,
                    duration=dt.timedelta(hours=4 + day / 2),
                    description=f"{task.name}, day {day + 1}",
                )


SEEDS = {"erp": Ledger, "psa": Delivery}


def sow(profile):
    """Fill the database that proteus is set to."""
    SEEDS[profile](profile).build()
