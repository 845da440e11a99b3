"""What is no longer accepted: tokens, clients, and keys that issuers took back."""

from msgspec import UNSET

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.edge.in_force import InForce
from gateway.edge.news import News
from gateway.edge.standing import DENIALS, KEYS
from gateway.errors import Refused
from gateway.keys.issuer import KeyState
from gateway.listing import Listing
from gateway.platform.governance.access import require_whole
from gateway.platform.governance.telling import untold
from gateway.store import denials
from gateway.store.database import Store
from gateway.store.pages import Window
from openapi.common.types import Code, Violation
from openapi.platform.governance.v1 import (
    Denial,
    DenialKind,
    DenialObject,
    DenialPage,
    IssuerKeys,
    KeyFlush,
    NewDenial,
    NewKeyFlush,
)


async def list_denials(
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    kind: DenialKind | None,
    value: str | None,
    limit: int,
    cursor: str | None,
) -> DenialPage:
    """Return the denials, the newest first; those that ran out lately too."""
    require_whole(caller)
    listing = Listing(cursors, "platform/governance/v1:list_denials", caller, kind=kind, value=value)
    window = Window(after=listing.after(cursor), limit=limit)
    wanted = denials.DenialKind(kind) if kind else None
    found = await denials.list_all(store, caller, window, kind=wanted, name=value)
    return DenialPage(items=[_denial(one) for one in found.items], next_cursor=listing.next_cursor(found.after))


async def deny(*, store: Store, news: News, caller: Caller, body: NewDenial) -> Denial:
    """Return the denial, which holds in every process from its next request on."""
    require_whole(caller)
    until = None if body.until is UNSET else body.until
    if until is not None and until <= store.now():
        detail = "It has passed; name a moment to come, or none."
        violation = Violation(code=Code.request_body_invalid, pointer="#/until", detail=detail)
        raise Refused(Code.request_malformed, "The denial would never hold.", violation)
    new = denials.NewDenial(
        kind=denials.DenialKind(body.kind),
        name=body.value,
        issuer="" if body.issuer is UNSET else body.issuer,
        until=until,
        reason=body.reason,
    )
    denial = await denials.deny(store, caller, new)
    if not await news.tell(DENIALS):
        raise untold(f"{denial.id} is kept, and holds in this process.")
    return _denial(denial)


async def lift_denial(*, store: Store, news: News, caller: Caller, denial_id: str) -> Denial:
    """Return the denial that held until now."""
    require_whole(caller)
    denial = await denials.get(store, caller, denial_id)
    await denials.lift(store, caller, denial_id)
    await news.tell(DENIALS)
    return _denial(denial)


async def flush_keys(*, policies: InForce, news: News, caller: Caller, body: NewKeyFlush) -> KeyFlush:
    """Return the keys as this process has fetched them now; the others do with their next request."""
    require_whole(caller)
    verifier = policies.edge.kit.verifier
    if body.issuer is not UNSET and body.issuer not in verifier.issuers:
        raise Refused(Code.resource_not_found, "No issuer in the settings has this name.")
    told = await news.tell(KEYS)
    await verifier.flush_keys()
    if not told:
        raise untold("This process has fetched the keys.")
    wanted = verifier.issuers if body.issuer is UNSET else (body.issuer,)
    return KeyFlush(issuers=[_keys(state) for state in verifier.keys.states if state.issuer in wanted])


def _keys(state: KeyState) -> IssuerKeys:
    return IssuerKeys(issuer=state.issuer, keys=sorted(state.kids), fault=state.fault)


def _denial(denial: denials.Denial) -> Denial:
    return Denial(
        id=denial.id,
        object=DenialObject.denial,
        kind=DenialKind(denial.kind),
        value=denial.name,
        issuer=denial.issuer or None,
        reason=denial.reason,
        until=denial.until,
        denied_by=denial.denied_by,
        denied_at=denial.denied_at,
    )
