"""Which rule a token offends against, in words for operators: whoever asks has shown who they are.

Strangers are never told: nobody learns from an answer how to forge a token.
"""

from typing import Final

from gateway.identity.compact import NotTaken

RULES: Final = {
    "too long": "It is longer than any token of an issuer is (8192 bytes).",
    "not three parts": "It is no JWS of three parts (RFC 7515 §7.1).",
    "an empty part": "A part of it is empty: it is not signed, or says nothing (RFC 7515 §7.1, RFC 8725 §3.2).",
    "base64url that is not canonical": "A part of it is not base64url as it is written (RFC 7515 §2).",
    "not readable": "Header or claims cannot be read as JSON objects of UTF-8 (RFC 7519 §7.2).",
    "no object": "Header or claims are no JSON object (RFC 7519 §7.2).",
    "a name given twice": "A name stands twice in it (RFC 7515 §4, RFC 7519 §4).",
    "is no number": "A number in it is none of JSON (RFC 8259 §6).",
    "a header member that changes the rest": "Its header asks for what is not understood (RFC 7515 §4.1.11).",
    "another kind of token": "Its `typ` is not at+jwt: it is no access token (RFC 9068 §2.1, RFC 8725 §3.11).",
    "no such issuer, or no such key of it": (
        "No issuer in the settings has its `iss`, or that issuer's key set has no usable key with its `kid` "
        "(RFC 8725 §3.8, RFC 7515 §4.1.4)."
    ),
    "another algorithm than the key's": "Its `alg` is not the key's (RFC 8725 §3.1).",
    "a signature that is not the key's": "Its signature is not that of the key (RFC 7515 §5.2, RFC 8725 §3.3).",
    "claims": "A claim that RFC 9068 §2.2 asks for is missing, or is of another type.",
    "a lifetime that is not accepted": "Its `exp` is not after `iat`, or more than a day after it (RFC 9068 §2.2).",
    "bound to a key of the sender": "It is bound to a key of its sender (RFC 7800), whose proof is not taken here.",
    "a security event": "It is a security event (RFC 8417), and no access token.",
    'a claim is a list or "*"': 'Its legal_entities, customers or projects are neither a list nor "*".',
    "another issuer than the key's": "Its `iss` is not the issuer of the key (RFC 8725 §3.8).",
    "another audience": "Its `aud` does not name this API (RFC 8725 §3.9, RFC 9068 §4).",
    "too early or too late": "It is used before `nbf` or `iat`, or after `exp` (RFC 7519 §4.1.4, §4.1.5).",
    "denied": "It was withdrawn, by itself or with its client; `list_denials` says by whom.",
}
"""By what the reason begins with, or ends with."""


def rule_of(reason: BaseException | None) -> str:
    """Return the rule in words."""
    text = str(reason) if isinstance(reason, NotTaken) else ""
    found = [rule for words, rule in RULES.items() if text.startswith(words) or text.endswith(words)]
    return found[0] if found else "It is not a token that is accepted here."
