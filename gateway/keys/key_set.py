"""From a JWK set's text to the keys in it. One bad key never costs the others."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from gateway.keys.issuer import KeySetError, TrustedIssuer
from gateway.keys.jwk import Key, usable_key

log = logging.getLogger(__name__)

SET_BYTES: Final = 262_144
SET_KEYS: Final = 100


def keys_in(issuer: TrustedIssuer, text: bytes) -> Mapping[str, Key]:
    """Return the usable keys by name; raises KeySetError where the text is no JWK set.

    One that is of no use is passed over, and so are two different ones of one name: nobody could say which is meant.
    A set without any is a set all the same: so an issuer withdraws its last key.
    """
    keys: dict[str, Key] = {}
    doubtful = set()
    for jwk in _listed(issuer, text):
        key = usable_key(issuer, jwk)
        if key is None:
            continue
        if key.kid in keys and keys[key.kid].content != key.content:
            doubtful.add(key.kid)
        keys[key.kid] = key
    for kid in doubtful:
        log.warning("%s: two keys are named %r; neither is used, a `kid` names one.", issuer.place, kid)
        del keys[kid]
    return keys


def _listed(issuer: TrustedIssuer, text: bytes) -> list[Any]:
    try:
        found = json.loads(text.decode())["keys"] if len(text) <= SET_BYTES else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeySetError(f"{issuer.place}: this is no JWK set that can be read: {type(error).__name__}.") from error
    if not isinstance(found, list) or len(found) > SET_KEYS:
        raise KeySetError(f"{issuer.place}: a JWK set is a list of at most {SET_KEYS} keys in {SET_BYTES} bytes.")
    return found


def without_use(issuer: TrustedIssuer) -> KeySetError:
    """Return the error for a set in which there is nothing to verify with."""
    return KeySetError(f"{issuer.place}: there is no key for RS256, PS256, ES256 or EdDSA with a `kid` in it.")
