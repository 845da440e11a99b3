"""Whose access tokens are accepted: issuers and their keys, who is denied, and what clients are told of getting one."""

from collections.abc import Sequence
from functools import partial

from msgspec import structs

from gateway import portal, token_minting
from gateway.composition.parts import CannotStart
from gateway.contract import Api
from gateway.identity import Denials, Verifier
from gateway.keys import KeyRing, KeySetError, KeyTimes, TrustedIssuer
from gateway.platform import metrics
from gateway.settings import Settings
from gateway.store import denials
from gateway.store.database import Store


def keys_of(settings: Settings) -> KeyRing:
    """Return the issuers' keys; raises CannotStart where a file with keys cannot be used."""
    for issuer in settings.issuers:
        if issuer.development:
            token_minting.ensure_development_key(settings.data)
    trusted = [
        TrustedIssuer(
            issuer=one.issuer,
            audience=one.audience,
            jwks_file=settings.path(one.jwks_file) if one.jwks_file else None,
            jwks_url=one.jwks_url,
            times=KeyTimes(**structs.asdict(one.keys)),
        )
        for one in settings.issuers
    ]
    try:
        return KeyRing(trusted)
    except KeySetError as error:
        raise CannotStart(str(error)) from error


def verifier_of(settings: Settings, store: Store) -> Verifier:
    """Return what verifies tokens; raises CannotStart where a file with keys cannot be used."""
    return Verifier(keys_of(settings), denials=denials_of(store))


def denials_of(store: Store) -> Denials:
    """Return who is denied, read from the database when it moved."""
    return Denials(partial(denials.list_standing, store))


def resources_of(settings: Settings, apis: Sequence[Api]) -> portal.Resources:
    """Return what clients are told of getting tokens; addresses begin as callers reach us."""
    http = settings.http
    host = f"[{http.host}]" if ":" in http.host else http.host
    public_url = http.public_url or f"http://{host}:{http.port}"
    issuers = [issuer.issuer for issuer in settings.issuers]
    return portal.Resources(public_url, issuers, apis, metrics.OPERATION.scopes)
