"""What a change of a customer means for the party and for what hangs on it. Pure."""

from msgspec import UNSET, UnsetType

from openapi.system.erp.v1 import CustomerChange, CustomerState
from system_apis.connectors.tryton import wire
from system_apis.connectors.tryton.erp import mapping
from system_apis.connectors.tryton.wire import Values


def changes_of(
    party: wire.Party, change: CustomerChange, *, country: int | UnsetType, term: int | UnsetType | None
) -> Values:
    """Return the values to write on the party, one call for everything: all of it happens, or nothing."""
    values: Values = {}
    if change.name is not UNSET:
        values["name"] = change.name
    if change.state is not UNSET:
        values["active"] = change.state is CustomerState.active
    if term is not UNSET:
        values["customer_payment_term"] = term
    if change.billing_address is not UNSET and country is not UNSET:
        present = mapping.billing_address(party)
        values["addresses"] = _put(present, mapping.from_address(change.billing_address, country))
    if change.tax_id is not UNSET:
        present_id = mapping.tax_identifier(party)
        values["identifiers"] = _put(present_id, mapping.from_tax_id(change.tax_id, _country(party, change)))
    return values


def more_than_state(change: CustomerChange) -> bool:
    """Tell whether something else than the state is to be otherwise."""
    return any(getattr(change, name) is not UNSET for name in change.__struct_fields__ if name != "state")


def _put(present: wire.Address | wire.Identifier | None, values: Values) -> list[object]:
    """Return the command that changes what is there, or makes it where there is none."""
    return [["write", [present.id], values] if present else ["create", [values]]]


def _country(party: wire.Party, change: CustomerChange) -> str | None:
    """Return the country that decides how the tax id is checked: the one that the customer will have."""
    if change.billing_address is not UNSET:
        return change.billing_address.country
    address = mapping.billing_address(party)
    return address.country.code if address and address.country else None
