"""Redmine 5, as a PSA."""

from gateway.egress import Http
from openapi.system.psa.v1 import (
    ApprovalPractice,
    Capabilities,
    Environment,
    Idempotency,
    OptimisticLock,
    TimeChanges,
)
from system_apis.connector import Connection, Connector
from system_apis.connectors.redmine.adapter import RedminePsa
from system_apis.connectors.redmine.client import RedmineClient
from system_apis.connectors.redmine.settings import Settings


def capabilities(connection: Connection, settings: Settings) -> Capabilities:
    """Return what Redmine can do here. It knows no money, and copies projects in its pages only."""
    return Capabilities(
        connection=connection.name,
        vendor="redmine",
        environment=Environment(connection.environment),
        legal_entities=list(connection.legal_entities),
        native_templates=False,
        tasks=True,
        milestones=True,
        contracts=False,
        billing_schedules=False,
        funding_splits=False,
        close_for_time=True,
        idempotency=Idempotency.lookup,  # Of projects the identifier is unique as well; of issues nothing is.
        optimistic_lock=OptimisticLock.none,
        settle_s=settings.settle_s,
        time_entries=True,
        approval=ApprovalPractice.convention,
        time_changes=TimeChanges.window,  # It ignores filters that it does not know, and this is one.
        time_feedback=True,
        billing_notes=True,
        hold_flag=True,
    )


def psa(connection: Connection, settings: Settings, http: Http) -> RedminePsa:
    """Return the port of one connection; `http` comes with everything of `gateway.egress`."""
    return RedminePsa(capabilities(connection, settings), settings, RedmineClient(settings, http))


CONNECTOR = Connector(name="redmine", settings=Settings, psa=psa)
