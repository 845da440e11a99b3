"""The issuers' public keys, from JWK sets (RFC 7517) in files. One key has one algorithm, whatever a token says."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

log = logging.getLogger(__name__)

ALGORITHMS: Final[Mapping[tuple[str, str | None], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""By key type and curve. A key whose `alg` names another one is not used: it was made for something else."""
PRIVATE: Final = ("d", "p", "q", "k")
RSA_BITS: Final = 2048
SET_BYTES: Final = 262_144
SET_KEYS: Final = 100


class KeySetError(Exception):
    """An issuer's keys cannot be used; the text names the file and what to do."""


class TrustedIssuer(Struct, frozen=True, kw_only=True):
    """Whose tokens are accepted: the exact `iss`, the audience that names us, and where the keys lie."""

    issuer: str
    audience: str
    jwks_file: Path


class Key(NamedTuple):
    """One public key, bound to its issuer and its algorithm."""

    issuer: TrustedIssuer
    kid: str
    algorithm: str
    public: Any
    jwk: Mapping[str, Any]


class KeyRing:
    """The keys of all issuers. A file that changed is read again; if that fails, the keys stay as they were."""

    def __init__(self, issuers: Sequence[TrustedIssuer], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._look_again_at = clock, 0.0
        self._sets = {issuer.issuer: (_stamp(issuer.jwks_file), read_keys(issuer)) for issuer in issuers}
        if len(self._sets) != len(issuers):
            raise KeySetError("Two issuers have the same name; each may stand once in `issuers`.")
        self.issuers = tuple(issuers)

    def find(self, issuer: object, kid: object) -> Key | None:
        """Return the issuer's key of that name. Both come from the token: they select, and open nothing."""
        self._look_again()
        if not isinstance(issuer, str) or not isinstance(kid, str) or issuer not in self._sets:
            return None
        return self._sets[issuer][1].get(kid)

    def holds(self, key: Key) -> bool:
        """Tell whether the key has not been withdrawn, nor its name given to another one."""
        present = self.find(key.issuer.issuer, key.kid)
        return present is key or (present is not None and present.jwk == key.jwk)

    def _look_again(self) -> None:
        now = self._clock()
        if now < self._look_again_at:
            return
        self._look_again_at = now + 1.0
        for issuer in self.issuers:
            stamp = _stamp(issuer.jwks_file)
            if stamp != self._sets[issuer.issuer][0]:
                self._sets[issuer.issuer] = (stamp, self._read_or_keep(issuer))

    def _read_or_keep(self, issuer: TrustedIssuer) -> Mapping[str, Key]:
        try:
            return read_keys(issuer)
        except KeySetError as error:
            log.error("The keys of %s stay as they were. %s", issuer.issuer, error)  # noqa: TRY400 — it says it all.
            return self._sets[issuer.issuer][1]


def read_keys(issuer: TrustedIssuer) -> Mapping[str, Key]:
    """Return the usable keys by name; one that is of no use is passed over, a name given twice stops the reading."""
    keys: dict[str, Key] = {}
    for jwk in _read_set(issuer.jwks_file):
        key = _key_of(issuer, jwk)
        if key is None:
            continue
        if key.kid in keys and keys[key.kid].jwk != key.jwk:
            raise KeySetError(f"{issuer.jwks_file}: two keys are named {key.kid!r}; a `kid` names one.")
        keys[key.kid] = key
    if not keys:
        raise KeySetError(f"{issuer.jwks_file}: there is no key for RS256, ES256 or EdDSA with a `kid` in it.")
    return keys


def _read_set(path: Path) -> list[Any]:
    try:
        text = path.read_bytes()
        found = json.loads(text)["keys"] if len(text) <= SET_BYTES else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeySetError(f"{path}: this is no JWK set that can be read: {type(error).__name__}.") from error
    if not isinstance(found, list) or len(found) > SET_KEYS:
        raise KeySetError(f"{path}: a JWK set holds at most {SET_KEYS} keys in {SET_BYTES} bytes.")
    return found


def _key_of(issuer: TrustedIssuer, jwk: object) -> Key | None:
    """Return the key, or None where it is of no use: RFC 7517 §5 wants such ones passed over."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or any(name in jwk for name in PRIVATE):
        return None
    algorithm = ALGORITHMS.get((str(jwk.get("kty")), jwk.get("crv")))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    if "verify" not in jwk.get("key_ops", ["verify"]):
        return None
    try:
        public = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < RSA_BITS:
        return None
    return Key(issuer, jwk["kid"], algorithm, public, jwk)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
