"""Mappings: which account, tax code, item, role and cost stand for what. Documents of the installation, with a digest.

A value without a row is a violation, never a default. Of the rows that fit, the most exact counts; two equally exact
ones are a mistake. Every fact keeps the digest of the documents that it was made by.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import jsonschema_rs
import msgspec
from msgspec import Meta, Struct

from gateway.errors import Refused
from gateway.yaml_text import NotYaml, loaded
from openapi.common.types import Code, LegalEntityCode, Percent, Rate
from openapi.process.project_onboarding.v1 import ItemCode, Slug
from openapi.system.erp.v1 import AccountCode, TaxCodeName

Email = Annotated[str, Meta(pattern=r"^[^@\x00-\x20\x7f]+@[^@\x00-\x20\x7f]+$", max_length=200)]
FILES: Final = ("accounts.yaml", "items.yaml", "people.yaml", "taxes.yaml")


class MappingError(Exception):
    """The mappings do not hold; the text names each mistake, with file and field."""


class Dated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every row has: from when until when it holds, both days included."""

    valid_from: date | None = None
    valid_to: date | None = None

    def holds(self, day: date) -> bool:
        """Tell whether the row holds on the day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


class AccountRow(Dated, frozen=True, kw_only=True):
    """The accounts of one kind of fact. `item` and `project_type` make a row more exact."""

    legal_entity: LegalEntityCode
    kind: Literal["cost", "unbilled_sale", "revenue"]
    item: ItemCode | None = None
    project_type: Slug | None = None
    debit: AccountCode | None = None
    credit: AccountCode | None = None


class ItemRow(Dated, frozen=True, kw_only=True):
    """What a contract's item is."""

    item: ItemCode
    kind: Literal["labor", "expense", "fee", "product", "subcontract"]
    unit: Literal["hour", "day", "each"]


class TaxRow(Dated, frozen=True, kw_only=True):
    """The ERP's tax for a category. `customer` is a country, or how it relates to ours; a country is more exact."""

    legal_entity: LegalEntityCode
    category: Slug
    customer: Annotated[str, Meta(pattern=r"^([A-Z]{2}|domestic|foreign|any)$")]
    tax_code: TaxCodeName
    percent: Percent


class PersonRow(Dated, frozen=True, kw_only=True):
    """Who somebody is while employed: role, legal entity, and what an hour costs."""

    email: Email
    legal_entity: LegalEntityCode
    role: Slug
    cost_rate: Rate


class Accounts(Struct, frozen=True, kw_only=True):
    """Where a fact is posted."""

    debit: str
    credit: str


Row = TypeVar("Row", bound=Dated)
_ROWS: Final[dict[str, type[Dated]]] = {
    "accounts.yaml": AccountRow,
    "items.yaml": ItemRow,
    "people.yaml": PersonRow,
    "taxes.yaml": TaxRow,
}


class Mappings(Struct, frozen=True, kw_only=True):
    """All mappings of the installation, as they were when the process started."""

    digest: str
    accounts: tuple[AccountRow, ...]
    items: tuple[ItemRow, ...]
    people: tuple[PersonRow, ...]
    taxes: tuple[TaxRow, ...]

    def posting_accounts(
        self, legal_entity: str, kind: Literal["cost", "unbilled_sale"], item: str, project_type: str, day: date
    ) -> Accounts:
        """Return both accounts of a posting; raises Refused(gl_mapping_missing or mapping_ambiguous)."""
        row = self._accounts(legal_entity, kind, item, project_type, day)
        if row.debit is None or row.credit is None:
            raise Refused(Code.gl_mapping_missing, f"Give the row of {kind} in accounts.yaml a debit and a credit.")
        return Accounts(debit=row.debit, credit=row.credit)

    def revenue_account(self, legal_entity: str, item: str, project_type: str, day: date) -> str:
        """Return the account of an invoice's line; raises what `posting_accounts` raises."""
        row = self._accounts(legal_entity, "revenue", item, project_type, day)
        if row.credit is None:
            raise Refused(Code.gl_mapping_missing, "Give the row of revenue in accounts.yaml a credit.")
        return row.credit

    def _accounts(self, legal_entity: str, kind: str, item: str, project_type: str, day: date) -> AccountRow:
        fitting = [
            row
            for row in self.accounts
            if row.legal_entity == legal_entity
            and row.kind == kind
            and row.item in {None, item}
            and row.project_type in {None, project_type}
        ]
        wanted = f"{kind} of {item} in {legal_entity} on {day}"
        return _only(fitting, day, _narrow_account, Code.gl_mapping_missing, "accounts.yaml", wanted)

    def item(self, item: str, day: date) -> ItemRow:
        """Return what the item is; raises Refused(mapping_missing or mapping_ambiguous)."""
        fitting = [row for row in self.items if row.item == item]
        return _only(fitting, day, _alike, Code.mapping_missing, "items.yaml", f"the item {item} on {day}")

    def person(self, email: str | None, day: date) -> PersonRow:
        """Return who it was on the day; raises Refused(resource_not_mapped, resource_inactive_on_date, …)."""
        known = [row for row in self.people if email is not None and row.email.casefold() == email.casefold()]
        if not known:
            detail = f"Give {email or 'the person, who has no e-mail address in the PSA,'} a row in people.yaml."
            raise Refused(Code.resource_not_mapped, detail)
        return _only(known, day, _alike, Code.resource_inactive_on_date, "people.yaml", f"{email} on {day}")

    def tax(self, legal_entity: str, category: str, *, home: str, customer_country: str, day: date) -> TaxRow:
        """Return the tax; `home` is the entity's country. Raises Refused(tax_not_determinable or mapping_ambiguous)."""
        relation = "domestic" if home == customer_country else "foreign"
        fitting = [
            row
            for row in self.taxes
            if (row.legal_entity, row.category) == (legal_entity, category)
            and row.customer in {customer_country, relation, "any"}
        ]
        wanted = f"{category} in {legal_entity} for a customer in {customer_country} on {day}"
        return _only(fitting, day, _narrow_tax, Code.tax_not_determinable, "taxes.yaml", wanted)


Exactness = Callable[[Any], int]


def _narrow_account(row: AccountRow) -> int:
    return (row.item is not None) + (row.project_type is not None)


def _narrow_tax(row: TaxRow) -> int:
    return {"any": 0, "domestic": 1, "foreign": 1}.get(row.customer, 2)


def _alike(_row: Dated) -> int:
    return 0


def _only(rows: Sequence[Row], day: date, exactness: Exactness, missing: Code, file: str, wanted: str) -> Row:
    """Return the most exact of the rows that hold on the day."""
    holding = [row for row in rows if row.holds(day)]
    if not holding:
        raise Refused(missing, f"No row of {file} holds for {wanted}.")
    best = max(map(exactness, holding))
    found = [row for row in holding if exactness(row) == best]
    if len(found) > 1:
        raise Refused(Code.mapping_ambiguous, f"{len(found)} equally exact rows of {file} hold for {wanted}.")
    return found[0]


def load_mappings(folder: Path) -> Mappings:
    """Return the folder's four mappings; raises MappingError with all mistakes."""
    mistakes: list[str] = []
    rows: dict[str, tuple[Any, ...]] = {}
    for name in FILES:
        try:
            rows[name] = _load(folder / name, _ROWS[name])
        except MappingError as error:
            mistakes.append(str(error))
    if mistakes:
        raise MappingError("\n".join(mistakes))
    digest = hashlib.sha256(msgspec.json.encode(rows, order="deterministic")).hexdigest()
    return Mappings(
        digest=digest,
        accounts=rows["accounts.yaml"],
        items=rows["items.yaml"],
        people=rows["people.yaml"],
        taxes=rows["taxes.yaml"],
    )


def _load(path: Path, row: type[Row]) -> tuple[Row, ...]:
    try:
        raw = loaded(path.read_text("utf-8"))
    except (OSError, UnicodeError, NotYaml) as error:
        raise MappingError(f"{path} cannot be read: {error}") from error
    if not isinstance(raw, dict) or set(raw) != {"version", "rows"} or not isinstance(raw["version"], int):
        raise MappingError(f"{path}: a mapping has a `version`, which counts up, and `rows`.")
    plain = msgspec.to_builtins(raw["rows"])  # YAML has dates of its own; a schema knows them as text.
    validator = jsonschema_rs.Draft202012Validator(_schema(row), validate_formats=True)
    mistakes = [
        f"{path}: rows.{'.'.join(map(str, error.instance_path)) or '?'}: {error.message}"
        for error in validator.iter_errors(plain)
    ]
    if mistakes:
        raise MappingError("\n".join(mistakes))
    return msgspec.convert(plain, tuple[row, ...])  # type: ignore[valid-type]  # given at run time


def _schema(row: type[Dated]) -> dict[str, Any]:
    """Return the schema of a document's rows; JSON Schema spells the end of a pattern otherwise than Python does."""
    text = msgspec.json.encode(msgspec.json.schema(tuple[row, ...]))  # type: ignore[valid-type]  # given at run time
    schema: dict[str, Any] = msgspec.json.decode(text.replace(rb"\\Z", b"$"))
    return schema
