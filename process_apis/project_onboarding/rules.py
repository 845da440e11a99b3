"""What a statement of work must be before anybody is asked. Pure: no I/O, no clock, no settings."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code, Money, Violation
from openapi.decimals import text_of
from openapi.process.project_onboarding.v1 import BillingMethod, NewOnboarding, SowLine
from openapi.system.erp import v1 as erp
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.money import PLACES, amount_of, has_too_many_places, total
from process_apis.project_onboarding import tax_ids
from process_apis.project_onboarding.templates import ProjectTemplate

WITH_VALUE: Final = {BillingMethod.fixed_price, BillingMethod.milestone, BillingMethod.retainer}
WITH_SCHEDULE: Final = {BillingMethod.fixed_price, BillingMethod.milestone}
WITH_RATES: Final = {BillingMethod.time_and_materials, BillingMethod.unit}
WHOLE: Final = Decimal(100)
MALFORMED: Final = {Code.money_scale_exceeded, Code.request_body_invalid}


class Application(Struct, frozen=True, kw_only=True):
    """A statement of work, and what the installation says of what it names; None where it knows no such thing."""

    body: NewOnboarding
    entity: LegalEntity | None
    template: ProjectTemplate | None
    ledger: erp.Capabilities | None


Violations = Iterator[Violation]
Rule = Callable[[Application], Violations]


def check(application: Application) -> None:
    """Return where all RULES are met; raises Refused with everything that is wrong."""
    broken = [violation for rule in RULES for violation in rule(application)]
    if broken:
        # An amount that nobody can pay is malformed; where more is wrong, that says more.
        codes = [violation.code for violation in broken if violation.code not in MALFORMED]
        code = codes[0] if codes else Code.request_malformed
        raise Refused(code, "The statement of work cannot be onboarded as it is; `errors` names what to mend.", *broken)


def known_entity(application: Application) -> Violations:
    """Yield where no connection serves the legal entity."""
    if application.entity is None:
        detail = "This installation has no such legal entity, or no ERP and PSA for it."
        yield _violation(Code.entity_mapping_missing, "/legal_entity", detail)


def one_currency(application: Application) -> Violations:
    """Yield each amount in another currency than the document, and a document in one that its entity does not keep."""
    body, entity = application.body, application.entity
    if body.currency not in PLACES:
        yield _violation(Code.currency_mismatch, "/currency", "ISO 4217 knows no such currency.")
    elif entity and body.currency != entity.currency:
        detail = f"{entity.code} keeps its books in {entity.currency}; foreign currency needs an exchange-rate policy."
        yield _violation(Code.currency_mismatch, "/currency", detail)
    for pointer, money in _amounts(body):
        if money.currency != body.currency:
            detail = f"The statement of work is in {body.currency}."
            yield _violation(Code.currency_mismatch, f"{pointer}/currency", detail)


def fitting_template(application: Application) -> Violations:
    """Yield where the template is not there, or not for this entity or type of project."""
    body, template = application.body, application.template
    if template is None:
        detail = "This installation has no such template."
        yield _violation(Code.template_unknown, "/project/template", detail)
        return
    if template.legal_entities is not None and body.legal_entity not in template.legal_entities:
        detail = f"The template is not for {body.legal_entity}."
        yield _violation(Code.template_unknown, "/project/template", detail)
    if body.project.type and body.project.type != template.project_type:
        detail = f"The template is for projects of the type {template.project_type}."
        yield _violation(Code.template_unknown, "/project/type", detail)


def required_fields(application: Application) -> Violations:
    """Yield each field that the template wants and the statement of work leaves out."""
    for field in application.template.required_fields if application.template else ():
        value: object = application.body
        for name in field.split("."):
            value = getattr(value, name, None)
        if not value:  # Left out, or an empty list.
            pointer = "/" + field.replace(".", "/")
            yield _violation(Code.template_field_missing, pointer, "The project template wants this field.")


def usable_lines(application: Application) -> Violations:
    """Yield where there is no line, a number twice, or a line without what its billing method needs."""
    lines = application.body.lines
    if not lines:
        yield _violation(Code.contract_line_missing, "/lines", "Send at least one line.")
    numbers = [line.number for line in lines]
    for place, line in enumerate(lines):
        pointer = f"/lines/{place}"
        if line.number in numbers[:place]:
            yield _violation(Code.contract_line_missing, f"{pointer}/number", "Number each line once.")
        if line.billing_method in WITH_RATES and not line.rates:
            detail = f"A line billed as {line.billing_method} needs rates."
            yield _violation(Code.contract_line_missing, f"{pointer}/rates", detail)
        if line.billing_method in WITH_VALUE and not line.value:
            detail = f"A line billed as {line.billing_method} needs a value."
            yield _violation(Code.contract_line_missing, f"{pointer}/value", detail)


def one_price(application: Application) -> Violations:
    """Yield each rate beside which another one stands for the same work: nobody could say which of them time costs."""
    priced = set[tuple[str, str]]()
    for place, line in enumerate(application.body.lines):
        by_time = line.billing_method is BillingMethod.time_and_materials
        for rate_place, rate in enumerate((by_time and line.rates) or ()):
            if (rate.role, rate.unit) in priced:
                detail = f"Give {rate.role} one rate by the {rate.unit}, in one line."
                yield _violation(Code.contract_line_missing, f"/lines/{place}/rates/{rate_place}", detail)
            priced.add((rate.role, rate.unit))


def whole_splits(application: Application) -> Violations:
    """Yield where the payers do not pay exactly everything, or one of them stands there twice."""
    splits = application.body.splits or []
    accounts = [split.account for split in splits]
    for place in range(len(splits)):
        if accounts[place] in accounts[:place]:
            yield _violation(Code.contract_split_mismatch, f"/splits/{place}/account", "Name each payer once.")
    paid = total(Decimal(split.percent) for split in splits)
    if splits and paid != WHOLE:
        yield _violation(Code.contract_split_mismatch, "/splits", "The percentages sum to 100.", "100", text_of(paid))


def summing_schedules(application: Application) -> Violations:
    """Yield each line whose schedule is missing, or does not sum to its value, or has none to sum to."""
    for place, line in enumerate(application.body.lines):
        pointer = f"/lines/{place}/schedule"
        if line.billing_method in WITH_SCHEDULE and not line.schedule:
            detail = f"A line billed as {line.billing_method} needs a schedule."
            yield _violation(Code.schedule_total_mismatch, pointer, detail)
        elif line.schedule and line.billing_method not in WITH_VALUE:  # It would be billed twice, or for nothing.
            detail = f"A line billed as {line.billing_method} has no schedule: that is for lines with a price."
            yield _violation(Code.schedule_total_mismatch, pointer, detail)
        elif line.schedule and line.value:
            planned = total(amount_of(part.amount) for part in line.schedule)
            if planned != amount_of(line.value):
                detail = "The amounts sum to the line's value."
                yield _violation(Code.schedule_total_mismatch, pointer, detail, line.value.amount, text_of(planned))
        yield from _named_milestones(line, pointer)


def _named_milestones(line: SowLine, pointer: str) -> Violations:
    if line.billing_method is BillingMethod.milestone:
        for place, part in enumerate(line.schedule or ()):
            if not part.milestone:
                detail = "A line billed by milestones names one for each part."
                yield _violation(Code.schedule_total_mismatch, f"{pointer}/{place}/milestone", detail)


def fitting_dates(application: Application) -> Violations:
    """Yield where the project ends before it starts, or something is billed outside of it."""
    project = application.body.project
    if project.end < project.start:
        yield _violation(Code.project_date_out_of_range, "/project/end", "A project does not end before it starts.")
    for place, line in enumerate(application.body.lines):
        for part_place, part in enumerate(line.schedule or ()):
            if not project.start <= part.due_on <= project.end:
                pointer = f"/lines/{place}/schedule/{part_place}/due_on"
                detail = f"The project runs from {project.start} to {project.end}."
                yield _violation(Code.project_date_out_of_range, pointer, detail)


def valid_tax_id(application: Application) -> Violations:
    """Yield where the tax id is not one of its country, or there is neither one nor a reason."""
    customer = application.body.customer
    if not customer.tax_id and not customer.no_tax_id_reason:
        detail = "Send the tax id, or say in `no_tax_id_reason` why there is none."
        yield _violation(Code.customer_tax_id_invalid, "/customer/tax_id", detail)
    if customer.tax_id and customer.no_tax_id_reason:
        detail = "There is a tax id: leave the reason out."
        yield _violation(Code.customer_tax_id_invalid, "/customer/no_tax_id_reason", detail)
    if customer.tax_id and not tax_ids.is_valid(customer.tax_id, customer.country):
        detail = f"Not a valid tax id of {customer.country}."
        yield _violation(Code.customer_tax_id_invalid, "/customer/tax_id", detail)


def one_decision(application: Application) -> Violations:
    """Yield where the customer is said to exist and to be new."""
    customer = application.body.customer
    if customer.link_to and customer.confirmed_new:
        detail = "Either an existing customer is meant, or none."
        yield _violation(Code.customer_duplicate_candidate, "/customer/confirmed_new", detail)


def dimensions(application: Application) -> Violations:
    """Yield each dimension that the template wants and that is not there, that is there twice, or that no ERP keeps."""
    given = [str(dimension.type) for dimension in application.body.project.dimensions]
    for wanted in application.template.required_dimensions if application.template else ():
        if wanted not in given:
            detail = f"The project template wants a {wanted}."
            yield _violation(Code.dimension_missing, "/project/dimensions", detail)
    for place, kind in enumerate(given):
        if kind in given[:place]:
            detail = "A project has one value of a dimension."
            yield _violation(Code.dimension_invalid_combination, f"/project/dimensions/{place}", detail)
    ledger = application.ledger
    if ledger:
        for place, kind in enumerate(given):
            if kind not in ledger.dimensions or place >= ledger.max_dimensions:
                detail = "The entity's ERP cannot carry this dimension."
                yield _violation(Code.unsupported_field, f"/project/dimensions/{place}", detail)


def positive_amounts(application: Application) -> Violations:
    """Yield each amount that is nothing or less: a part of minus one would let another be billed twice."""
    for pointer, money in _amounts(application.body):
        if amount_of(money) <= 0:
            yield _violation(Code.request_body_invalid, f"{pointer}/amount", "An amount is more than nothing.")


def money_scale(application: Application) -> Violations:
    """Yield each amount with more decimals than its currency has."""
    for pointer, money in _amounts(application.body):
        if money.currency in PLACES and has_too_many_places(money):
            detail = f"{money.currency} has {PLACES[money.currency]} decimals."
            yield _violation(Code.money_scale_exceeded, f"{pointer}/amount", detail)


RULES: Final[tuple[Rule, ...]] = (  # The most relevant first: its code is the answer's.
    known_entity,
    one_currency,
    fitting_template,
    required_fields,
    usable_lines,
    one_price,
    whole_splits,
    summing_schedules,
    fitting_dates,
    valid_tax_id,
    one_decision,
    dimensions,
    positive_amounts,
    money_scale,
)


def _amounts(body: NewOnboarding) -> Iterator[tuple[str, Money]]:
    """Yield each amount of the document and where it stands."""
    for place, line in enumerate(body.lines):
        if line.value:
            yield f"/lines/{place}/value", line.value
        if line.cap:
            yield f"/lines/{place}/cap", line.cap
        for part_place, part in enumerate(line.schedule or ()):
            yield f"/lines/{place}/schedule/{part_place}/amount", part.amount
    if body.purchase_order and body.purchase_order.limit:
        yield "/purchase_order/limit", body.purchase_order.limit


def _violation(
    code: Code, pointer: str, detail: str, expected: str | None = None, actual: str | None = None
) -> Violation:
    shown = {name: value for name, value in (("expected", expected), ("actual", actual)) if value is not None}
    return Violation(code=code, pointer=f"#{pointer}", detail=detail, **shown)
