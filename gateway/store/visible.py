"""Which rows a caller may see, as a condition that every query carries."""

from typing import Final

from sqlalchemy import Table, and_, true
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller

COLUMNS: Final = {"legal_entity": "legal_entities", "customer": "customers", "project": "projects"}
"""The columns that say whose a row is, and the claim that each is checked against."""


def seen_by(caller: Caller, of: Table) -> ColumnElement[bool]:
    """Return the condition; a claim of "*" asks nothing, an empty one lets nothing through.

    A row without a customer or project yet is no customer's and no project's: a limited caller does not see it.
    """
    claims = {column: getattr(caller, claim) for column, claim in COLUMNS.items() if column in of.c}
    return and_(true(), *(of.c[column].in_(sorted(claim)) for column, claim in claims.items() if claim != "*"))


def matching(of: Table, **wanted: object) -> ColumnElement[bool]:
    """Return the condition that each column has its value, or one of its list; None asks nothing."""
    asked = {name: value for name, value in wanted.items() if value is not None}
    return and_(
        true(),
        *(of.c[name].in_(value) if isinstance(value, list) else of.c[name] == value for name, value in asked.items()),
    )


def older_than(of: Table, after: str | None) -> ColumnElement[bool]:
    """Return the condition for the next page of a list, newest first; `after` is the last id that was shown."""
    return true() if after is None else of.c.id < after
