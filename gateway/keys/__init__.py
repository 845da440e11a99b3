"""The issuers' public keys (RFC 7517): read from files, fetched from addresses, held while they may be trusted."""

from gateway.keys.ring import Key, KeyRing, KeySetError, TrustedIssuer

__all__ = ["Key", "KeyRing", "KeySetError", "TrustedIssuer"]
