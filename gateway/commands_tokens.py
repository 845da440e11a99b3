"""What `tiebeam token` does: a token of the development issuer, and what one would have to grant."""

from msgspec import Struct, structs

from gateway import main, token_minting
from gateway.composition.parts import CannotStart
from gateway.egress.limits import Part
from gateway.platform import metrics
from gateway.settings import Settings


class Claims(Struct, frozen=True, kw_only=True):
    """What a development token is to say; an empty tuple limits nothing."""

    client: str
    scopes: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()


def development_token(settings: Settings, claims: Claims, seconds: int) -> str:
    """Return a signed token of the development issuer; raises CannotStart where there is none."""
    issuer = next((one for one in settings.issuers if one.development), None)
    if issuer is None:
        raise CannotStart("No issuer in the settings is for development; tokens come from your identity provider.")
    grant = structs.replace(grant_of(settings, claims), lifetime_s=seconds)
    return token_minting.mint(settings.data, grant, issuer=issuer.issuer, audience=issuer.audience)


def grant_of(settings: Settings, claims: Claims) -> token_minting.Grant:
    """Return what a token of the claims grants: every scope and legal entity where they name none."""
    return token_minting.Grant(
        client_id=claims.client,
        scopes=claims.scopes or all_scopes(settings),
        legal_entities=claims.entities or "*",
        customers=claims.customers or None,
        projects=claims.projects or None,
    )


def all_scopes(settings: Settings) -> tuple[str, ...]:
    """Return every scope that an operation asks for, and those with which one shows or allows more."""
    parts = main.parts(main.read(settings), Part.whole)
    operations = [operation for api in main.apis_of(parts) for operation in api.operations]
    named = {scope for each in operations for scope in (*each.scopes, *each.further_scopes)}
    return tuple(sorted(named | metrics.OPERATION.scopes))
