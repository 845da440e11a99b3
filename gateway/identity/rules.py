"""The rules for tokens, and which one a token offends against: for our log, and for operators who ask.

Senders are never told: nobody learns from an answer how to forge a token.
"""

from enum import StrEnum


class Rule(StrEnum):
    """A rule, in words that say what a token does against it."""

    length = "It is longer than any token of an issuer is (8192 bytes)."
    parts = "It is no JWS of three parts, none of them empty (RFC 7515 §7.1, RFC 8725 §3.2)."
    spelling = "A part of it is not base64url as it is written (RFC 7515 §2, RFC 4648 §3.5)."
    json = "Header or claims cannot be read as JSON objects in UTF-8 (RFC 7519 §7.2)."
    unique_names = "A name stands twice in it (RFC 7515 §4, RFC 7519 §4)."
    header = "Its header has no `typ`, `alg` or `kid`, or one that is no text (RFC 7515 §4.1)."
    extensions = "Its header asks for what is not understood (RFC 7515 §4.1.11)."
    kind = "Its `typ` is not at+jwt: it is no access token (RFC 9068 §2.1, RFC 8725 §3.11)."
    key = (
        "No issuer in the settings has its `iss`, or that issuer's key set has no usable key with its `kid` "
        "(RFC 8725 §3.8, RFC 7515 §4.1.4)."
    )
    algorithm = "Its `alg` is not the key's (RFC 8725 §3.1)."
    signature = "Its signature is not that of the key (RFC 7515 §5.2, RFC 8725 §3.3)."
    claims = "A claim that RFC 9068 §2.2 asks for is missing, or one is of another type."
    lifetime = "Its `exp` is not after `iat`, or more than a day after it (RFC 9068 §5)."
    bound = "It is bound to a key of its sender (RFC 7800), whose proof is not taken here."
    event = "It is a security event, such as a logout (RFC 8417), and no access token."
    audience = "Its `aud` does not name this API (RFC 8725 §3.9, RFC 9068 §4)."
    time = "It is used before `nbf` or `iat`, or after `exp` (RFC 7519 §4.1.4, §4.1.5)."
    denied = "It was denied, by itself or with its client; the list of denials says by whom."
    unknown = "It is not a token that is accepted here."


class NotTaken(Exception):
    """The token is refused; `note` says where, and holds nothing of what stands in it."""

    def __init__(self, rule: Rule, note: str = "") -> None:
        super().__init__(f"{rule.name} {note}".strip())
        self.rule = rule


def rule_of(reason: BaseException | None) -> str:
    """Return the rule in words."""
    return (reason.rule if isinstance(reason, NotTaken) else Rule.unknown).value
