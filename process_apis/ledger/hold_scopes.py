"""What a hold's scope is: whose it is, what lies in it, and which projects it reaches."""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from process_apis.ledger.contracts import tb_contract, tb_contract_line
from process_apis.ledger.customers import tb_customer
from process_apis.ledger.facts import SourceType, tb_fact
from process_apis.ledger.holds import Scope, ScopeType, line_scope, tb_billing_hold
from process_apis.ledger.projects import tb_project
from process_apis.ledger.schedules import tb_schedule_line

NUMBER: Final = re.compile("[0-9]{1,6}")


class Owners(Struct, frozen=True, kw_only=True):
    """Whose a scope is. A customer may be billed by several legal entities, then it is no single one's."""

    legal_entity: str | None
    customer: str
    project: str | None = None
    contract: str | None = None
    contract_line: int | None = None

    def locks(self, scope: Scope) -> list[Scope]:
        """Return the scopes whose locks a hold on the scope takes."""
        if self.contract is not None and self.contract_line is not None:
            return [line_scope(self.contract, self.contract_line), scope]
        return [scope]


def owners_of(row: Row[Any]) -> Owners:
    """Return whose a hold or a fact is, as its row says."""
    return Owners(**{name: getattr(row, name) for name in Owners.__struct_fields__})


class Reached(Struct, frozen=True, kw_only=True):
    """A project that a hold reaches."""

    id: str
    legal_entity: str
    customer: str


async def find_owners(connection: AsyncConnection, scope: Scope) -> Owners | None:
    """Return whose the scope is, or None where there is no such thing."""
    if scope.type is ScopeType.customer:
        return await _customer(connection, scope.id)
    if scope.type is ScopeType.project:
        return await _project(connection, scope.id)
    if scope.type is ScopeType.fact:
        return await _fact(connection, scope.id)
    return await _of_contract(connection, scope)


def may_hold(caller: Caller, owners: Owners) -> bool:
    """Tell whether the caller may see the scope. A whole customer is not seen by who is limited to projects."""
    seen = caller.may_see(legal_entity=owners.legal_entity, customer=owners.customer, project=owners.project)
    return seen and (owners.project is not None or caller.projects == "*")


async def projects_in(connection: AsyncConnection, scope: Scope, owners: Owners) -> list[Reached]:
    """Return each project that a hold on the scope reaches, the oldest first."""
    columns = tb_project.c
    inside: ColumnElement[bool] = columns.id == owners.project
    if scope.type is ScopeType.customer:  # Whoever pays for a part of a project is held there, too.
        paid = select(tb_fact.c.project).where(tb_fact.c.customer == scope.id)
        inside = or_(columns.customer == scope.id, columns.id.in_(paid))
    rows = await connection.execute(select(tb_project).where(inside).order_by(columns.id))
    return [Reached(id=row.id, legal_entity=row.legal_entity, customer=row.customer) for row in rows]


def reaching(project: str, customers: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a hold reaches the project, which the customers pay for."""
    columns = tb_billing_hold.c
    whole = and_(columns.scope_type == ScopeType.customer.value, columns.scope_id.in_(customers))
    return or_(columns.project == project, whole)


async def payers_of(connection: AsyncConnection, project: str) -> list[str]:
    """Return the customers that the project's invoices go to."""
    own = select(tb_project.c.customer).where(tb_project.c.id == project)
    paying = select(tb_fact.c.customer).where(tb_fact.c.project == project)
    return sorted((await connection.execute(own.union(paying))).scalars())


def facts_in(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a fact lies in the scope."""
    columns = tb_fact.c
    plain = {
        ScopeType.customer: columns.customer,
        ScopeType.contract: columns.contract,
        ScopeType.project: columns.project,
    }
    if scope.type is ScopeType.fact:
        return columns.id == scope.id
    if scope.type in plain:
        return plain[scope.type] == scope.id
    contract, line, place = _numbers(scope)
    if line is None:
        return false()
    on_line = and_(columns.contract == contract, columns.contract_line == line)
    if scope.type is ScopeType.contract_line:
        return on_line
    due = columns.source_id.like(f"%-{place}")
    return and_(on_line, columns.source_type == SourceType.milestone.value, due)


async def _customer(connection: AsyncConnection, customer: str) -> Owners | None:
    if (await connection.execute(select(tb_customer.c.id).where(tb_customer.c.id == customer))).one_or_none() is None:
        return None
    scope, owners = Scope(type=ScopeType.customer, id=customer), Owners(legal_entity=None, customer=customer)
    entities = {row.legal_entity for row in await projects_in(connection, scope, owners)}
    return Owners(legal_entity=entities.pop() if len(entities) == 1 else None, customer=customer)


async def _project(connection: AsyncConnection, project: str) -> Owners | None:
    row = (await connection.execute(select(tb_project).where(tb_project.c.id == project))).one_or_none()
    if row is None:
        return None
    return Owners(legal_entity=row.legal_entity, customer=row.customer, project=row.id)


async def _fact(connection: AsyncConnection, fact: str) -> Owners | None:
    row = (await connection.execute(select(tb_fact).where(tb_fact.c.id == fact))).one_or_none()
    return owners_of(row) if row else None


async def _of_contract(connection: AsyncConnection, scope: Scope) -> Owners | None:
    contract, line, place = _numbers(scope)
    row = (await connection.execute(select(tb_contract).where(tb_contract.c.id == contract))).one_or_none()
    if row is None or not await _is_there(connection, scope.type, contract, line, place):
        return None
    return Owners(
        legal_entity=row.legal_entity, customer=row.customer, project=row.project, contract=row.id, contract_line=line
    )


async def _is_there(
    connection: AsyncConnection, kind: ScopeType, contract: str, line: int | None, place: int | None
) -> bool:
    if kind is ScopeType.contract:
        return True
    lines, parts = tb_contract_line.c, tb_schedule_line.c
    asked = select(lines.number).where(lines.contract_id == contract, lines.number == line)
    if kind is ScopeType.milestone:
        here = (parts.contract_id == contract, parts.line_number == line, parts.place == place)
        asked = select(parts.place).where(*here)
    return (await connection.execute(asked)).first() is not None


def _numbers(scope: Scope) -> tuple[str, int | None, int | None]:
    """Return contract, line and place that a scope's id names; None where there is no such number in it."""
    wanted = {ScopeType.contract: 0, ScopeType.contract_line: 1, ScopeType.milestone: 2}[scope.type]
    contract, *numbers = scope.id.rsplit("-", wanted) if wanted else [scope.id]
    line, place = [*(int(number) if NUMBER.fullmatch(number) else None for number in numbers), None, None][:2]
    return contract, line, place
