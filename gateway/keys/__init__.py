"""The issuers' public keys (RFC 7517): from files and addresses, held while they may be trusted."""

from gateway.keys.issuer import KeySetError, KeyTimes, TrustedIssuer
from gateway.keys.jwk import Key
from gateway.keys.ring import KeyRing, Tools

__all__ = ["Key", "KeyRing", "KeySetError", "KeyTimes", "Tools", "TrustedIssuer"]
