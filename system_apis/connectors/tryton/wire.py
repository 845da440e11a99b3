"""Tryton's words: how its JSON-RPC writes values, and the records that we read, as it shapes them.

A dotted name asks for a field of a related record; the answer has it under the name with a dot at its end.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Generic, TypeAlias, TypeVar

from msgspec import UNSET, Struct, UnsetType, convert, field

T = TypeVar("T")
Flag: TypeAlias = bool | int
"""A boolean: SQLite hands them out as 0 and 1 in places."""
Values: TypeAlias = dict[str, Any]
Domain: TypeAlias = list[Any]

NEVER: Final = date.max
"""The first day of time on what takes no time."""
ANY_STATE: Final = ["active", "in", [True, False]]
"""Inactive records are hidden from a search that does not name the field."""

MOMENT: Final = ("year", "month", "day", "hour", "minute", "second", "microsecond")
READ: Final[Mapping[str, Callable[[Values], object]]] = {
    "Decimal": lambda raw: Decimal(raw["decimal"]),
    "date": lambda raw: date(raw["year"], raw["month"], raw["day"]),
    "datetime": lambda raw: datetime(**{part: raw[part] for part in raw if part != "__class__"}, tzinfo=UTC),
    "timedelta": lambda raw: timedelta(seconds=raw["seconds"]),
}


def decoded(content: bytes, into: type[T]) -> T:
    """Return an answer as `into`; raises ValueError or MsgspecError where it has another shape."""
    try:
        answer = json.loads(content, object_hook=_value)
    except (KeyError, TypeError, ArithmeticError) as error:  # Decimal's mistakes are of arithmetic.
        raise ValueError("A typed value is not in the shape of its class.") from error
    return convert(answer, into)


def encoded(method: str, params: list[Any]) -> bytes:
    """Return a call; without exactly these keys Tryton answers in another form."""
    return json.dumps({"id": 1, "method": method, "params": params}, default=_written).encode()


def escaped(text: str) -> str:
    r"""Return the text for `like` and `ilike`: `%`, `_` and `\` stand for themselves."""
    return "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in text)


def _value(raw: Values) -> object:
    name = raw.get("__class__")
    return READ[name](raw) if isinstance(name, str) and name in READ else raw


def _written(value: object) -> Values:
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return {"__class__": "datetime", **{part: getattr(utc, part) for part in MOMENT}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, timedelta):
        return {"__class__": "timedelta", "seconds": value.total_seconds()}
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": f"{value:f}"}
    raise TypeError(f"{type(value).__name__} is not sent.")


class Answer(Struct, Generic[T], frozen=True, kw_only=True):
    """What every call is answered with: one of the two."""

    result: T | UnsetType = UNSET
    error: list[Any] | None = None


class Preferences(Struct, frozen=True, kw_only=True):
    """What Tryton knows of the user: it goes back as context with every call."""

    company: int | None = None
    companies: list[int] = []
    company_filter: str | None = None
    employee: int | None = None
    groups: list[int] = []

    @property
    def reach(self) -> list[int]:
        """Return the companies whose records the user works on: one, unless its filter says all."""
        one = [] if self.company is None else [self.company]
        return self.companies if self.company_filter == "all" else one


class Named(Struct, frozen=True, kw_only=True):
    """A record of which the name matters."""

    id: int
    name: str = ""


class Coded(Struct, frozen=True, kw_only=True):
    """A record of which the code matters: a country, a currency, an account."""

    id: int
    code: str | None = None


class Address(Struct, frozen=True, kw_only=True):
    """`party.address`."""

    id: int
    stamp: str = field(name="_timestamp")
    street: str | None = None
    city: str | None = None
    postal_code: str | None = None
    invoice: Flag | None = None
    country: Coded | None = field(name="country.", default=None)


class Identifier(Struct, frozen=True, kw_only=True):
    """`party.identifier`."""

    id: int
    stamp: str = field(name="_timestamp")
    type: str | None = None
    code: str | None = None


class Party(Struct, frozen=True, kw_only=True):
    """`party.party`."""

    id: int
    stamp: str = field(name="_timestamp")
    code: str | None = None
    name: str | None = None
    active: Flag
    last_modified_at: datetime | None = None
    payment_term: Named | None = field(name="customer_payment_term.", default=None)
    addresses: list[Address] = field(name="addresses.", default_factory=list)
    identifiers: list[Identifier] = field(name="identifiers.", default_factory=list)


PARTY: Final = (
    *("_timestamp", "code", "name", "active", "last_modified_at", "customer_payment_term.name"),
    *(f"addresses.{name}" for name in ("_timestamp", "street", "city", "postal_code", "invoice", "country.code")),
    *(f"identifiers.{name}" for name in ("_timestamp", "type", "code")),
)


class Account(Struct, frozen=True, kw_only=True):
    """`analytic_account.account`."""

    id: int
    stamp: str = field(name="_timestamp")
    code: str | None = None
    name: str
    type: str
    state: str
    active: Flag
    company: int
    note: str | None = None
    root: int | None = None
    last_modified_at: datetime | None = None
    parent: Coded | None = field(name="parent.", default=None)


ACCOUNT: Final = (
    *("_timestamp", "code", "name", "type", "state", "active", "company", "note", "root", "last_modified_at"),
    "parent.code",
)


class Work(Struct, frozen=True, kw_only=True):
    """`project.work`: a project and, below it, a tree of tasks."""

    id: int
    stamp: str = field(name="_timestamp")
    name: str
    type: str
    number: str | None = None
    company: int
    parent: int | None = None
    comment: str | None = None
    effort_duration: timedelta | None = None
    timesheet_works: list[int] = []
    timesheet_start_date: date | None = None
    timesheet_end_date: date | None = None
    last_modified_at: datetime | None = None
    party: Named | None = field(name="party.", default=None)
    status: Named = field(name="status.")


WORK: Final = (
    *("_timestamp", "name", "type", "number", "company", "parent", "comment", "effort_duration"),
    *("timesheet_works", "timesheet_start_date", "timesheet_end_date", "last_modified_at", "party.name", "status.name"),
)


class Contact(Struct, frozen=True, kw_only=True):
    """`party.party` behind an employee."""

    name: str | None = None
    email: str | None = None


class Employee(Struct, frozen=True, kw_only=True):
    """`company.employee`."""

    id: int
    stamp: str = field(name="_timestamp")
    start_date: date | None = None
    end_date: date | None = None
    party: Contact = field(name="party.")


EMPLOYEE: Final = ("_timestamp", "start_date", "end_date", "party.name", "party.email")


class Home(Struct, frozen=True, kw_only=True):
    """`party.party` behind a company."""

    id: int
    name: str | None = None
    addresses: list[Address] = field(name="addresses.", default_factory=list)


class Company(Struct, frozen=True, kw_only=True):
    """`company.company`."""

    id: int
    stamp: str = field(name="_timestamp")
    timezone: str | None = None
    currency: Coded = field(name="currency.")
    party: Home = field(name="party.")


COMPANY: Final = (
    *("_timestamp", "timezone", "currency.code", "party.name"),
    *("party.addresses._timestamp", "party.addresses.country.code"),
)


class Configuration(Struct, frozen=True, kw_only=True):
    """`account.configuration`, of one company."""

    tax_rounding: str


class Rights(Struct, frozen=True, kw_only=True):
    """What the user may do with a model."""

    read: Flag
    write: Flag
    create: Flag
    delete: Flag
