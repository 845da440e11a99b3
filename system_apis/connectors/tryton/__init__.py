"""Tryton 8, as an ERP and as a PSA."""

from gateway.egress import Http
from openapi.common.types import DimensionType
from openapi.system.erp import v1 as erp_v1
from openapi.system.psa import v1 as psa_v1
from system_apis.connector import Connection, Connector
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.erp.adapter import TrytonErp
from system_apis.connectors.tryton.psa.adapter import TrytonPsa
from system_apis.connectors.tryton.settings import Settings

VENDOR = "tryton"


def erp(connection: Connection, settings: Settings, http: Http) -> TrytonErp:
    """Return the port of one ledger; raises ValueError where the settings contradict the connection."""
    _check(connection, settings)
    if len(settings.companies) > 1:
        text = "a ledger of Tryton is one company, since payment terms are a company's; make a connection of each."
        raise ValueError(f"connections.{connection.name}.settings.companies: {text}")
    capabilities = erp_v1.Capabilities(
        connection=connection.name,
        vendor=VENDOR,
        environment=erp_v1.Environment(connection.environment),
        legal_entities=list(connection.legal_entities),
        search_customers=[erp_v1.SearchCustomer.tax_id, erp_v1.SearchCustomer.name],
        create_customers=True,
        update_customers=True,
        accounting_projects=True,
        dimensions=[DimensionType.department],
        max_dimensions=1,
        contracts=False,
        billing_schedules=False,
        funding_splits=False,
        idempotency=erp_v1.Idempotency.natural_key,  # A party's code is unique; an analytic account's is not.
        optimistic_lock=erp_v1.OptimisticLock.optional,
        settle_s=settings.settle_s,
        billable_transactions=erp_v1.BillableTransactions.journal,
        batch_size=50,
        postings_at_once=1,  # Numbers come from one locked row.
        line_net=erp_v1.LineNet.unit_rounded,
        rounding=erp_v1.Rounding.half_even,
        max_invoice_lines=200,
        items=True,
        payments=True,
    )
    return TrytonErp(capabilities, settings, TrytonClient(settings, http))


def psa(connection: Connection, settings: Settings, http: Http) -> TrytonPsa:
    """Return the port of one delivery database; raises ValueError where the settings contradict the connection."""
    _check(connection, settings)
    capabilities = psa_v1.Capabilities(
        connection=connection.name,
        vendor=VENDOR,
        environment=psa_v1.Environment(connection.environment),
        legal_entities=list(connection.legal_entities),
        native_templates=True,
        tasks=True,
        milestones=False,
        contracts=False,
        billing_schedules=False,
        funding_splits=False,
        close_for_time=True,
        idempotency=psa_v1.Idempotency.none,
        optimistic_lock=psa_v1.OptimisticLock.optional,
        settle_s=settings.settle_s,
        time_entries=True,
        approval=psa_v1.ApprovalPractice.convention,
        time_changes=psa_v1.TimeChanges.watermark,
        time_feedback=True,
        billing_notes=True,
        hold_flag=True,
    )
    return TrytonPsa(capabilities, settings, TrytonClient(settings, http))


def _check(connection: Connection, settings: Settings) -> None:
    if set(settings.companies) != set(connection.legal_entities):
        text = f"name the company of each of {', '.join(connection.legal_entities)}, and of no other entity."
        raise ValueError(f"connections.{connection.name}.settings.companies: {text}")


CONNECTOR = Connector(name=VENDOR, settings=Settings, erp=erp, psa=psa)
