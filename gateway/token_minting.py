"""Access tokens for demos and tests, signed with a key in the data directory. Production settings refuse its issuer."""

import contextlib
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from msgspec import Struct

from gateway.private_files import make_folder

KEY_FILE: Final = "development-key.json"
JWKS_FILE: Final = "development-jwks.json"


class Grant(Struct, frozen=True, kw_only=True):
    """What a token says of its holder; a claim of None is left out."""

    client_id: str
    scopes: tuple[str, ...]
    legal_entities: tuple[str, ...] | str | None = None
    customers: tuple[str, ...] | str | None = None
    projects: tuple[str, ...] | str | None = None
    subject: str | None = None
    """Left out, the client itself."""
    lifetime_s: int = 3600


def ensure_development_key(folder: Path) -> Path:
    """Return the JWK set's file; both files are made where they are missing, the private one for us alone."""
    make_folder(folder)
    private, public = folder / KEY_FILE, folder / JWKS_FILE
    if not private.exists():
        named = {"kid": f"development-{uuid.uuid4().hex[:8]}", "use": "sig", "alg": "EdDSA"}
        _write(private, OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True) | named)
    if not public.exists():
        jwk = json.loads(private.read_text("utf-8"))
        _write(public, {"keys": [{name: value for name, value in jwk.items() if name not in ("d", "key_ops")}]})
    return public


def mint(folder: Path, grant: Grant, *, issuer: str, audience: str, now: float | None = None) -> str:
    """Return a signed access token (RFC 9068) of the development issuer whose key lies in the folder."""
    ensure_development_key(folder)
    jwk = json.loads((folder / KEY_FILE).read_text("utf-8"))
    key = jwt.PyJWK(jwk, "EdDSA")
    claims = claims_of(grant, issuer=issuer, audience=audience, now=time.time() if now is None else now)
    return jwt.encode(claims, key, "EdDSA", headers={"typ": "at+jwt", "kid": jwk["kid"]})


def claims_of(grant: Grant, *, issuer: str, audience: str, now: float) -> dict[str, Any]:
    """Return the token's claims."""
    limits = {"legal_entities": grant.legal_entities, "customers": grant.customers, "projects": grant.projects}
    return {
        "iss": issuer,
        "aud": audience,
        "sub": grant.subject or grant.client_id,
        "client_id": grant.client_id,
        "iat": int(now),
        "exp": int(now) + grant.lifetime_s,
        "jti": uuid.uuid4().hex,
        "scope": " ".join(grant.scopes),
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in limits.items()
            if value is not None
        },
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write the file whole, unless another process was first: then its one counts."""
    part = path.with_suffix(f".{uuid.uuid4().hex}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(document, file)
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
