"""The kind `authenticate`: whose tokens an operation takes."""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Final

from msgspec import Meta

from gateway.errors import Refused
from gateway.identity import Identity
from gateway.policy.call import Call
from gateway.policy.kinds.base import Globs, Policy
from openapi.common.types import Code

SCHEME: Final = b"bearer "
ACCESS_TOKEN: Final = re.compile(rb"(?:^|&)access_token(?:=|&|\Z)").search


class Authenticate(Policy, tag="authenticate", frozen=True, kw_only=True):
    """The call carries an access token of RFC 9068 in `Authorization`; without one nothing is said of what is here."""

    audience: Annotated[str, Meta(min_length=1)]
    """What the token's `aud` must name."""
    issuers: Annotated[Globs, Meta(min_length=1)]
    """Names of configured issuers, or globs."""

    @property
    def before_caller(self) -> bool:
        """Tell that the row decides who calls."""
        return True

    def unknown_names(self, operations: frozenset[str], issuers: frozenset[str]) -> list[tuple[str, str]]:
        """Return the issuers that are not configured."""
        return [("issuers", glob) for glob in self.issuers if not any(fnmatchcase(issuer, glob) for issuer in issuers)]

    def accepts(self, identity: Identity) -> Refused | None:
        """Return the refusal of a verified token that was made for something else."""
        known = any(fnmatchcase(identity.issuer, glob) for glob in self.issuers)
        if self.audience in identity.audiences and known:
            return None
        return Refused(Code.auth_invalid_token, "This token was made for something else; fetch one for this audience.")


def bearer_token(call: Call) -> bytes:
    """Return the one token of the one place where it may stand (RFC 6750 §2.1); raises Refused."""
    found = call.all(b"authorization")
    if len(found) > 1 or (b"access_token" in call.query and ACCESS_TOKEN(call.query)):
        raise Refused(Code.auth_malformed, "Send one access token, in the Authorization header only.")
    if not found:
        raise Refused(Code.auth_token_missing, "Send Authorization: Bearer <access token>.")
    if found[0][:7].lower() != SCHEME:
        raise Refused(
            Code.auth_token_missing, "Another scheme is not taken: send Authorization: Bearer <access token>."
        )
    return found[0][7:].strip(b" ")
