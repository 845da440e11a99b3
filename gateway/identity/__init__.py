"""From an access token to the caller: RFC 9068, checked as RFC 8725 asks, remembered, and taken back by denials."""

from gateway.identity.denials import Denials
from gateway.identity.verifier import Identity, Verifier

__all__ = ["Denials", "Identity", "Verifier"]
