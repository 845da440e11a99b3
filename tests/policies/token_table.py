"""The tokens that are refused, each with the text that it offends against, and those that must pass.

Every one but those about signatures is signed by a key that is trusted: what is refused is what its name says, and
nothing beside it. A new attack is a new row.
"""

import base64
import json
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.identity.claims import MAX_LIFETIME_S
from gateway.identity.compact import TOKEN_BYTES
from gateway.identity.rules import Rule
from gateway.identity.verifier import LEEWAY_S
from tests.policies.token_makers import (
    DER,
    ED_RAW,
    LOGOUT,
    P256_ORDER,
    PEM,
    PUBLIC,
    SECOND,
    compressed,
    deep,
    ecdsa,
    evil_key,
    forged,
    general_json,
    hmac_token,
    id_token,
    longest,
    loose_end,
    malleable,
    padded,
    put,
    resigned,
    tampered,
    twice,
    two,
)
from tests.tokens import (
    AUDIENCE,
    EC_KEY,
    ED_KEY,
    HEADER,
    ISSUER,
    NEW_KEY,
    NOW,
    OTHER,
    PSS_KEY,
    RSA_KEY,
    STRANGE_EC,
    STRANGE_KEY,
    claims,
    headed,
    header,
    jwk,
    parts_of,
    raw_claim,
    signed,
    text,
    token,
    with_signature,
)


class Row(NamedTuple):
    """One token, and the text that it offends against, or is allowed by."""

    source: str
    make: Callable[[], bytes]


ALGORITHMS: Final[dict[str, Row]] = {
    **{
        f"alg {name!r}": Row("RFC 8725 §2.1, §3.2", lambda name=name: headed(alg=name))
        for name in ("none", "None", "NONE", "nOnE", "none ", " none", "none\x00", "", "dir", "RSA-OAEP", "A128KW")
    },
    **{
        f"alg {name!r} for the EdDSA key": Row("RFC 8725 §3.1", lambda name=name: headed(alg=name))
        for name in ("eddsa", "EDDSA", "Ed25519", "Ed448", "ES256", "RS256", "HS256", "ES256K", "EdDSA ", "ML-DSA-44")
    },
    **{
        f"alg {name!r}, no text": Row("RFC 7515 §4.1.1", lambda name=name: headed(alg=name))
        for name in (None, 1, True, ["EdDSA"], {"name": "EdDSA"})
    },
    "alg missing": Row("RFC 7515 §4.1.1", lambda: headed(alg=...)),
    "none without a signature": Row("RFC 7518 §3.6", lambda: text(header(alg="none")) + b"." + text(claims()) + b"."),
    "none with another token's signature": Row("RFC 8725 §2.1", lambda: with_signature(headed(alg="none"), b"x" * 64)),
    "HS256 with the public key's PEM": Row("RFC 8725 §2.1; CVE-2022-29217", lambda: hmac_token(PEM)),
    "HS256 with the PEM less its line feed": Row("RFC 8725 §2.1; CVE-2026-39999", lambda: hmac_token(PEM.strip())),
    "HS256 with the public key's DER": Row("RFC 8725 §2.1", lambda: hmac_token(DER)),
    "HS256 with the public key's JWK": Row(
        "RFC 8725 §2.1", lambda: hmac_token(json.dumps(jwk(RSA_KEY, "r", alg="RS256")).encode())
    ),
    "HS256 with the Ed25519 key's bytes": Row("RFC 8725 §2.1", lambda: hmac_token(ED_RAW, kid="d")),
    "HS384 with the public key's PEM": Row("RFC 8725 §2.1", lambda: hmac_token(PEM, "HS384")),
    "HS512 with the public key's PEM": Row("RFC 8725 §2.1", lambda: hmac_token(PEM, "HS512")),
    "HS256 with no secret": Row("RFC 8725 §2.2", lambda: hmac_token(b"")),
    "HS256 with a weak secret": Row("RFC 8725 §2.2", lambda: hmac_token(b"secret")),
    "RS384 of the RS256 key": Row("RFC 8725 §3.1", lambda: token(RSA_KEY, "RS384", "r")),
    "RS512 of the RS256 key": Row("RFC 8725 §3.1", lambda: token(RSA_KEY, "RS512", "r")),
    "PS256 of the RS256 key": Row("RFC 8725 §3.1", lambda: token(RSA_KEY, "PS256", "r")),
    "PS384 of the PS256 key": Row("RFC 8725 §3.1", lambda: token(PSS_KEY, "PS384", "p")),
    "RS256 of the PS256 key": Row("RFC 8725 §3.1", lambda: token(PSS_KEY, "RS256", "p")),
    "EdDSA of the Ed25519 key": Row("RFC 9864 §2.2", lambda: token(NEW_KEY, "EdDSA", "n")),
    "ES384 under the ES256 key's name": Row(
        "RFC 8725 §3.1", lambda: token(ec.generate_private_key(ec.SECP384R1()), "ES384", "e")
    ),
}

SIGNATURES: Final[dict[str, Row]] = {
    "signature and its dot stripped": Row("RFC 7519 §7.2", lambda: token().rsplit(b".", 1)[0]),
    "signature empty": Row("RFC 8725 §3.2", lambda: token().rsplit(b".", 1)[0] + b"."),
    "signature a byte short": Row("RFC 8032 §5.1.7", lambda: with_signature(token(), parts_of(token())[2][:-1])),
    "signature a byte long": Row(
        "RFC 8032 §5.1.7", lambda: with_signature(given := token(), parts_of(given)[2] + b"\x00")
    ),
    "signature twice": Row("RFC 8725 §3.3", lambda: with_signature(given := token(), parts_of(given)[2] * 2)),
    "signature one byte": Row("RFC 8725 §3.3", lambda: with_signature(token(), b"\x00")),
    "signature all zeros": Row("RFC 8725 §3.4", lambda: with_signature(token(), bytes(64))),
    "signature all ones": Row("RFC 8725 §3.4", lambda: with_signature(token(), b"\xff" * 64)),
    "signature of another token": Row("RFC 7515 §5.2", lambda: with_signature(token(), parts_of(token(sub="x"))[2])),
    "signature with one bit turned": Row(
        "RFC 7515 §5.2",
        lambda: with_signature(given := token(), bytes([(tail := parts_of(given)[2])[0] ^ 1]) + tail[1:]),
    ),
    "signature as hex": Row("RFC 7515 §2", lambda: with_signature(given := token(), parts_of(given)[2].hex().encode())),
    "signature encoded twice": Row("RFC 7515 §2", lambda: with_signature(given := token(), given.rsplit(b".", 1)[1])),
    "signature of the claims alone": Row(
        "RFC 7515 §5.1", lambda: with_signature(given := token(), ED_KEY.sign(given.split(b".")[1]))
    ),
    "signature of what is encoded": Row(
        "RFC 7515 §5.1",
        lambda: with_signature(given := token(), ED_KEY.sign(b".".join(parts_of(given)[:2]))),
    ),
    "claims replaced": Row("RFC 7515 §5.2", lambda: tampered(client_id="cfo")),
    "claims with more scopes": Row("RFC 7515 §5.2", lambda: tampered(scope="finance:read")),
    "header replaced": Row("RFC 7515 §5.2", lambda: text(header(x=1)) + b"." + token().split(b".", 1)[1]),
    "ES256 in DER": Row("RFC 7518 §3.4", lambda: ecdsa(encode_dss_signature)),
    "ES256 of zeros": Row("RFC 8725 §3.4; CVE-2022-21449", lambda: ecdsa(lambda _r, _s: two(0, 0))),
    "ES256 with r zero": Row("RFC 8725 §3.4; CVE-2022-21449", lambda: ecdsa(lambda _r, s: two(0, s))),
    "ES256 with s zero": Row("RFC 8725 §3.4; CVE-2022-21449", lambda: ecdsa(lambda r, _s: two(r, 0))),
    "ES256 of the group's order": Row("FIPS 186-5 §6.4.2", lambda: ecdsa(lambda _r, _s: two(P256_ORDER, P256_ORDER))),
    "ES256 of ones": Row("RFC 8725 §3.4", lambda: ecdsa(lambda _r, _s: two(1, 1))),
    "ES256 with its numbers exchanged": Row("RFC 7518 §3.4", lambda: ecdsa(lambda r, s: two(s, r))),
    "ES256 in the length of ES384": Row("RFC 7518 §3.4", lambda: ecdsa(lambda r, s: r.to_bytes(48) + s.to_bytes(48))),
    "ES256 without leading zeros": Row("RFC 7518 §3.4", lambda: ecdsa(lambda r, s: two(r, s)[:-1])),
    "Ed25519 with the order added": Row("RFC 8032 §8.4", malleable),
    "RS256 with a zero before it": Row(
        "RFC 8017 §8.2.2", lambda: with_signature(given := token(RSA_KEY, "RS256", "r"), b"\x00" + parts_of(given)[2])
    ),
    "RS256 of zeros": Row("RFC 8017 §8.2.2", lambda: with_signature(token(RSA_KEY, "RS256", "r"), bytes(256))),
    "RS256 of one": Row("RFC 8017 §8.2.2", lambda: with_signature(token(RSA_KEY, "RS256", "r"), (1).to_bytes(256))),
    "RS256 larger than the modulus": Row(
        "RFC 8017 §5.2.2",
        lambda: with_signature(
            given := token(RSA_KEY, "RS256", "r"),
            (int.from_bytes(parts_of(given)[2]) + PUBLIC.public_numbers().n).to_bytes(257),
        ),
    ),
    "RS256 of another key": Row("RFC 7515 §5.2", lambda: token(PSS_KEY, "RS256", "r")),
    "EdDSA of another key": Row("RFC 7515 §5.2", lambda: token(STRANGE_KEY)),
    "ES256 of another key": Row("RFC 7515 §5.2", lambda: token(STRANGE_EC, "ES256", "e")),
}

FORM: Final[dict[str, Row]] = {
    "empty": Row("RFC 7519 §7.2", lambda: b""),
    "a word": Row("RFC 7519 §7.2", lambda: b"abc"),
    "dots alone": Row("RFC 7519 §7.2", lambda: b".."),
    "four parts": Row("RFC 7515 §7.1", lambda: token() + b".e"),
    "a part before": Row("RFC 7515 §7.1", lambda: b"." + token()),
    "a dot behind": Row("RFC 7515 §7.1", lambda: token() + b"."),
    "five parts, an encrypted token": Row(
        "RFC 8725 §3.3; RFC 7516 §7.1",
        lambda: b".".join([text({"alg": "dir", "enc": "A128GCM", "typ": "at+jwt"}), b"", b"AAAA", b"AAAA", b"AAAA"]),
    ),
    "five parts, signed before": Row("RFC 7516 §7.1", lambda: token() + b".AAAA.AAAA"),
    "enc in the header": Row("RFC 7516 §4.1.2", lambda: headed(enc="A128GCM")),
    "zip in the header": Row("RFC 8725 §3.6; RFC 7516 §4.1.3", lambda: headed(zip="DEF")),
    "claims compressed": Row("RFC 8725 §3.6", compressed),
    "JSON serialisation": Row("RFC 9068 §2; RFC 7515 §7.2", general_json),
    "a token in a token": Row("RFC 8725 §3.3; RFC 7519 §5.2", lambda: signed(header(cty="JWT"), token())),
    "cty over claims": Row("RFC 7519 §5.2", lambda: headed(cty="JWT")),
    "two tokens": Row("RFC 6750 §2.1", lambda: token() + b"," + token()),
    "scheme twice": Row("RFC 6750 §2.1", lambda: b"Bearer " + token()),
    "in quotes": Row("RFC 6750 §2.1", lambda: b'"' + token() + b'"'),
    "percent-encoded dots": Row("RFC 7515 §7.1", lambda: token().replace(b".", b"%2E")),
    **{
        f"{name} {where}": Row("RFC 7515 §2; RFC 4648 §3.3", lambda end=end, where=where: put(end, where))
        for name, end in (("a blank", b" "), ("a line feed", b"\n"), ("a tab", b"\t"), ("a NUL", b"\x00"))
        for where in ("before", "behind", "within")
    },
    "CR LF behind": Row("RFC 7515 §2", lambda: token() + b"\r\n"),
    "not base64": Row("RFC 7515 §2", lambda: b"!!!.???.###"),
    "not ASCII": Row("RFC 7515 §2", lambda: "é".encode() + token()),
    "not UTF-8": Row("RFC 7515 §2", lambda: b"\xff\xfe." + token()),
    "base64 instead of base64url": Row(
        "RFC 7515 §2",
        lambda: resigned(base64.b64encode(b'{"x":"\xc3\xbf\xc3\xbf??"}').rstrip(b"=") + b"." + text(claims())),
    ),
    **{f"padding in part {part}": Row("RFC 7515 §2", lambda part=part: padded(part)) for part in (0, 1, 2)},
    **{f"bits left over in part {part}": Row("RFC 4648 §3.5", lambda part=part: loose_end(part)) for part in (0, 1, 2)},
    "padding that is signed": Row("RFC 7515 §2", lambda: resigned(text(header(x="aa")) + b"=." + text(claims()))),
    "one letter too many": Row("RFC 4648 §4", lambda: resigned(text(HEADER) + b"." + text(claims(x="aa")) + b"A")),
    "longer than any": Row("RFC 8725 §3.6", lambda: token(filler="a" * TOKEN_BYTES)),
    "a header longer than any": Row("RFC 8725 §3.6", lambda: headed(filler="a" * TOKEN_BYTES)),
    **{
        f"header {name}": Row("RFC 7515 §4", lambda raw=raw: signed(raw))
        for name, raw in {
            "a list": b"[1]",
            "a text": b'"x"',
            "a number": b"1",
            "null": b"null",
            "cut": b"{",
            "in single quotes": b"{'alg': 'EdDSA'}",
            "with more behind": json.dumps(HEADER).encode() + b"{}",
            "with a BOM": b"\xef\xbb\xbf" + json.dumps(HEADER).encode(),
            "in UTF-16": json.dumps(HEADER).encode("utf-16"),
            "not UTF-8": b'{"x": "\xff", ' + json.dumps(HEADER).encode()[1:],
            "without a bottom": deep(1500),
        }.items()
    },
    **{
        f"claims {name}": Row("RFC 7519 §7.2; RFC 8725 §3.7", lambda raw=raw: signed(body=raw))
        for name, raw in {
            "a list": b"[1]",
            "a text": b'"x"',
            "null": b"null",
            "cut": b"{",
            "with a comment": b"{/**/" + json.dumps(claims()).encode()[1:],
            "with more behind": json.dumps(claims()).encode() + b"x",
            "with a BOM": b"\xef\xbb\xbf" + json.dumps(claims()).encode(),
            "in UTF-16": json.dumps(claims()).encode("utf-16"),
            "in UTF-32": json.dumps(claims()).encode("utf-32-be"),
            "not UTF-8": b'{"x": "\xff", ' + json.dumps(claims()).encode()[1:],
            "without a bottom": deep(1500),
        }.items()
    },
    "a number of 5,000 digits": Row("RFC 8259 §6", lambda: raw_claim("x", "9" * 5000)),
    "NaN in an unknown claim": Row("RFC 8259 §6", lambda: raw_claim("x", "NaN")),
}


HEADERS: Final[dict[str, Row]] = {
    "typ missing": Row("RFC 8725 §3.11; RFC 9068 §4", lambda: headed(typ=...)),
    **{
        f"typ {name!r}": Row("RFC 8725 §3.11; RFC 9068 §4", lambda name=name: headed(typ=name))
        for name in (
            "JWT",
            "jwt",
            "application/jwt",
            "id+jwt",
            "id_token+jwt",
            "logout+jwt",
            "application/logout+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "token-introspection+jwt",
            "oauth-authz-req+jwt",
            "client-authentication+jwt",
            "entity-statement+jwt",
            "rt+jwt",
            "JOSE",
            "at+jwt; charset=utf-8",
            "text/at+jwt",
            " at+jwt",
            "at+jwt ",
            "at+jwt\x00",
            "at+jwt+x",
            "application/application/at+jwt",
            "application /at+jwt",
            "a\uff54+jwt",
            "",
        )
    },
    **{
        f"typ {name!r}, no text": Row("RFC 7515 §4.1.9", lambda name=name: headed(typ=name))
        for name in (None, 1, True, ["at+jwt"], {"at+jwt": 1})
    },
    **{
        f"crit {value!r}": Row("RFC 7515 §4.1.11; CVE-2026-32597", lambda value=value: headed(crit=value, x=1))
        for value in (["x"], ["exp"], ["alg"], ["x", "x"], [], None, "x", 1, {"x": 1}, [1])
    },
    "crit with b64": Row("RFC 7797 §6", lambda: headed(crit=["b64"], b64=False)),
    "b64 false without crit": Row("RFC 7797 §7", lambda: headed(b64=False)),
    "b64 true": Row("RFC 7797 §7", lambda: headed(b64=True)),
    "b64 false, claims in the open": Row(
        "RFC 7797 §3", lambda: resigned(text(header(b64=False, crit=["b64"])) + b"." + json.dumps(claims()).encode())
    ),
    "kid missing": Row("RFC 7515 §4.1.4", lambda: headed(kid=...)),
    **{
        f"kid {value!r}": Row("RFC 8725 §3.10; RFC 7515 §4.1.4", lambda value=value: headed(kid=value))
        for value in (
            None,
            1,
            True,
            ["d"],
            {"kid": "d"},
            "",
            "D",
            "d ",
            " d",
            "d\x00",
            "\uff44",
            "x",
            "e",
            "r",
            "../../etc/passwd",
            "/dev/null",
            "' OR '1'='1",
            "d' UNION SELECT 'x",
            "https://evil.example/keys",
            "| id",
            "__class__",
            "d" * 201,
        )
    },
    **{
        f"{name} with the sender's key": Row(
            "RFC 8725 §3.10; RFC 7515 §4.1", lambda name=name, value=value: forged({name: value})
        )
        for name, value in {
            "jwk": jwk(STRANGE_KEY, "evil"),
            "jku": "https://evil.example/keys.json",
            "x5u": "https://evil.example/chain.pem",
            "x5c": ["MIIB"],
            "x5t": "abc",
            "x5t#S256": "abc",
        }.items()
    },
    "jwk under a name that is known": Row(
        "RFC 8725 §3.10", lambda: signed(header(jwk=jwk(STRANGE_KEY, "d")), None, STRANGE_KEY)
    ),
    "jku under a name that is known": Row(
        "RFC 8725 §3.10", lambda: signed(header(jku="https://evil.example/keys.json"), None, STRANGE_KEY)
    ),
    "alg twice": Row("RFC 7515 §4", lambda: twice("header", "alg", '"none"', '"EdDSA"')),
    "alg twice, once escaped": Row("RFC 7515 §4", lambda: twice("header", "\\u0061lg", '"none"', '"EdDSA"')),
    "kid twice": Row("RFC 7515 §4", lambda: twice("header", "kid", '"x"', '"d"')),
    "typ twice": Row("RFC 7515 §4", lambda: twice("header", "typ", '"JWT"', '"at+jwt"')),
    "typ twice the same": Row("RFC 7515 §4", lambda: twice("header", "typ", '"at+jwt"', '"at+jwt"')),
}


ISSUERS: Final[dict[str, Row]] = {
    "iss missing": Row("RFC 9068 §2.2", lambda: token(iss=...)),
    **{
        f"iss {value!r}": Row("RFC 8725 §3.8", lambda value=value: token(iss=value))
        for value in (
            "https://evil.example",
            ISSUER + "/",
            ISSUER[:-1],
            ISSUER.upper(),
            ISSUER + ":443",
            ISSUER + " ",
            ISSUER + "\x00",
            "http" + ISSUER[5:],
            ISSUER + ".evil.example",
            ISSUER + "#x",
            ISSUER + "?x",
            "",
            None,
            1,
            True,
            [ISSUER],
            [ISSUER, OTHER],
            {"iss": ISSUER},
        )
    },
    "partner's key under our issuer, equal kid": Row("RFC 8725 §3.8", lambda: token(STRANGE_KEY)),
    "partner's ES256 key under our issuer": Row("RFC 8725 §3.8", lambda: token(STRANGE_EC, "ES256", "e")),
    "our key under the partner's name, equal kid": Row("RFC 8725 §3.8", lambda: token(iss=OTHER)),
    "our key under the partner's name": Row("RFC 8725 §3.8", lambda: token(RSA_KEY, "RS256", "r", iss=OTHER)),
    "iss twice, ours last": Row("RFC 7519 §4", lambda: twice("claims", "iss", f'"{OTHER}"', f'"{ISSUER}"')),
    "iss twice, ours first": Row("RFC 7519 §4", lambda: twice("claims", "iss", f'"{ISSUER}"', f'"{OTHER}"')),
    "iss twice, once escaped": Row("RFC 7519 §4", lambda: twice("claims", "\\u0069ss", f'"{OTHER}"', f'"{ISSUER}"')),
}

AUDIENCES: Final[dict[str, Row]] = {
    "aud missing": Row("RFC 8725 §3.9; RFC 9068 §2.2", lambda: token(aud=...)),
    **{
        f"aud {value!r}": Row("RFC 8725 §3.9; RFC 9068 §4", lambda value=value: token(aud=value))
        for value in (
            "billing",
            "tie",
            "tiebeam2",
            "Tiebeam",
            "tiebeam ",
            "tiebeam,billing",
            "tiebeam billing",
            "*",
            "",
            [],
            ["billing"],
            ["billing", "mail"],
            ["tie", "beam"],
            [["tiebeam"]],
            [AUDIENCE, 1],
            [AUDIENCE, None],
            {"aud": AUDIENCE},
            1,
            True,
            None,
        )
    },
    "aud twice": Row("RFC 7519 §4", lambda: twice("claims", "aud", '"billing"', f'"{AUDIENCE}"')),
}

NAMES: Final[dict[str, Row]] = {
    f"{claim} {name}": Row("RFC 9068 §2.2; RFC 7519 §4.1", lambda claim=claim, value=value: token(**{claim: value}))
    for claim in ("sub", "client_id", "jti")
    for name, value in {
        "missing": ...,
        "null": None,
        "a number": 1,
        "a truth": True,
        "a list": ["crm"],
        "empty": "",
        "long": "a" * 201,
        "with a line feed": "crm\n",
        "with a NUL": "cr\x00m",
        "with DEL": "crm\x7f",
        "not ASCII": "cr\uff4d",
        "with a mark that turns": "\u202emrc",
    }.items()
} | {
    "client_id with a blank": Row("RFC 9068 §2.2", lambda: token(client_id="a b")),
    "jti with a blank": Row("RFC 7519 §4.1.7", lambda: token(jti="a b")),
    "client_id with half a character": Row("RFC 8259 §8.2", lambda: raw_claim("client_id", '"\\ud800"')),
    "client_id twice": Row("RFC 7519 §4", lambda: twice("claims", "client_id", '"crm"', '"cfo"')),
}

TIMES: Final[dict[str, Row]] = {
    **{
        f"{claim} {name}": Row(
            "RFC 7519 §2, §4.1", lambda claim=claim, json_text=json_text: raw_claim(claim, json_text)
        )
        for claim in ("exp", "iat", "nbf")
        for name, json_text in {
            "null": "null",
            "a text": f'"{SECOND}"',
            "a date": '"2026-11-18T00:00:00Z"',
            "a truth": "true",
            "a list": f"[{SECOND}]",
            "NaN": "NaN",
            "infinite": "Infinity",
            "infinite behind": "-Infinity",
            "beyond all numbers": "1e400",
            "beyond exact numbers": "9007199254740994",
            "negative": "-1",
            "in milliseconds": str(SECOND * 1000),
        }.items()
    },
    "exp missing": Row("RFC 9068 §2.2", lambda: token(exp=...)),
    "iat missing": Row("RFC 9068 §2.2", lambda: token(iat=...)),
    "expired": Row("RFC 9068 §4", lambda: token(iat=SECOND - 700, exp=SECOND - LEEWAY_S)),
    "expired long ago": Row("RFC 9068 §4", lambda: token(iat=1, exp=600)),
    "exp zero": Row("RFC 7519 §4.1.4", lambda: token(exp=0)),
    "exp with iat": Row("RFC 7519 §4.1.4", lambda: token(iat=SECOND, exp=SECOND)),
    "exp before iat": Row("RFC 7519 §4.1.4", lambda: token(iat=SECOND + 10, exp=SECOND + 5)),
    "lifetime too long": Row("RFC 9068 §5", lambda: token(exp=SECOND + MAX_LIFETIME_S + 1)),
    "lifetime without end": Row("RFC 9068 §5", lambda: token(exp=2**53)),
    "issued in the future": Row("RFC 7519 §4.1.6", lambda: token(iat=SECOND + LEEWAY_S + 1)),
    "not yet": Row("RFC 7519 §4.1.5", lambda: token(nbf=SECOND + LEEWAY_S + 1)),
    "exp twice": Row("RFC 7519 §4", lambda: twice("claims", "exp", "1", str(SECOND + 60))),
}

RIGHTS: Final[dict[str, Row]] = {
    **{
        f"scope {value!r}": Row("RFC 9068 §2.2.3; RFC 6749 §3.3", lambda value=value: token(scope=value))
        for value in (
            ["status:read"],
            {"status": "read"},
            1,
            True,
            None,
            "status:read\n",
            "a\tb",
            "a  b",
            " a",
            "a ",
            'a"b',
            "a\\b",
            "a\u2003b",
            "a\x00",
            "ä",
            "a\xa0b",
        )
    },
    **{
        f"{claim} {name}": Row("RFC 8725 §3.8", lambda claim=claim, value=value: token(**{claim: value}))
        for claim in ("legal_entities", "customers", "projects")
        for name, value in {
            "a text": "ES01",
            "a text of nothing": "",
            "stars": "**",
            "a number": 1,
            "a truth": True,
            "null": None,
            "an object": {"id": "ES01"},
            "numbers": [1],
            "lists": [["ES01"]],
            "with nothing in it": [""],
            "with null in it": ["ES01", None],
            "with a star in it": ["ES01", "*"],
            "with a NUL in it": ["ES\x0001"],
            "with a long name": ["a" * 201],
            "with too many": ["a"] * 1001,
        }.items()
    },
    "scope twice": Row("RFC 7519 §4", lambda: twice("claims", "scope", '"status:read"', '"finance:read"')),
}

KINDS: Final[dict[str, Row]] = {
    "an ID token": Row("RFC 8725 §3.12; OIDC Core §2", lambda: signed(header(typ="JWT"), id_token())),
    "an ID token without typ": Row("RFC 8725 §3.12", lambda: signed(header(typ=...), id_token())),
    "an ID token that says at+jwt": Row("RFC 9068 §2.2", lambda: signed(None, id_token())),
    "a logout token": Row("OIDC Back-Channel §2.4", lambda: signed(header(typ="logout+jwt"), claims(events=LOGOUT))),
    "a logout token that says at+jwt": Row("RFC 8725 §3.12", lambda: token(events=LOGOUT, sid="08a5")),
    "a security event": Row("RFC 8417 §2.3", lambda: signed(header(typ="secevent+jwt"), claims(events={}))),
    "a DPoP proof": Row(
        "RFC 9449 §4.2",
        lambda: signed(header(typ="dpop+jwt", jwk=evil_key()), {"jti": "x", "htm": "GET", "iat": SECOND}),
    ),
    "bound to a DPoP key": Row("RFC 9449 §7.2; RFC 7800", lambda: token(cnf={"jkt": "0ZcOCORZNYy"})),
    "bound to a certificate": Row("RFC 8705 §3; RFC 7800", lambda: token(cnf={"x5t#S256": "bwcK0esc3AC"})),
    "bound to null": Row("RFC 7800 §3.1", lambda: token(cnf=None)),
}

GROUPS: Final = (
    (ALGORITHMS, {Rule.algorithm, Rule.header, Rule.parts}),
    (SIGNATURES, {Rule.signature, Rule.parts}),
    (FORM, {Rule.length, Rule.parts, Rule.spelling, Rule.json, Rule.extensions}),
    (
        HEADERS,
        {
            Rule.kind,
            Rule.header,
            Rule.extensions,
            Rule.key,
            Rule.algorithm,
            Rule.signature,
            Rule.unique_names,
            Rule.spelling,
            Rule.parts,
        },
    ),
    (ISSUERS, {Rule.key, Rule.signature, Rule.unique_names}),
    (AUDIENCES, {Rule.audience, Rule.claims, Rule.unique_names}),
    (NAMES, {Rule.claims, Rule.unique_names}),
    (TIMES, {Rule.time, Rule.lifetime, Rule.claims, Rule.json, Rule.unique_names}),
    (RIGHTS, {Rule.claims, Rule.unique_names}),
    (KINDS, {Rule.kind, Rule.header, Rule.claims, Rule.event, Rule.bound}),
)
"""The rules that the tokens of a group offend against, and no others."""
BAD: Final = {name: row for rows, _ in GROUPS for name, row in rows.items()}
RULES: Final = {name: rules for rows, rules in GROUPS for name in rows}

GOOD: Final[dict[str, Row]] = {
    "RS256": Row("RFC 9068 §2.1", lambda: token(RSA_KEY, "RS256", "r")),
    "PS256": Row("RFC 7518 §3.5", lambda: token(PSS_KEY, "PS256", "p")),
    "ES256": Row("RFC 7518 §3.4", lambda: token(EC_KEY, "ES256", "e")),
    "ES256 with the other of its two numbers": Row(
        "RFC 7518 §3.4; FIPS 186-5 §6.4.2", lambda: ecdsa(lambda r, s: two(r, P256_ORDER - s))
    ),
    "EdDSA": Row("RFC 8037 §3.1", token),
    "Ed25519 by its new name": Row("RFC 9864 §2.2", lambda: signed(header(alg="Ed25519", kid="n"), None, NEW_KEY)),
    **{
        f"typ {name}": Row("RFC 9068 §2.1; RFC 7515 §4.1.9", lambda name=name: headed(typ=name))
        for name in ("at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "application/AT+JWT")
    },
    **{
        f"{name} beside a known key": Row("RFC 7515 §4.1", lambda name=name, value=value: headed(**{name: value}))
        for name, value in {
            "jku": f"{ISSUER}/keys",
            "x5u": f"{ISSUER}/chain",
            "x5c": ["MIIB"],
            "x5t": "abc",
            "unknown": [1],
        }.items()
    },
    "jwk beside a known key": Row("RFC 7515 §4.1.3", lambda: headed(jwk=evil_key())),
    "aud a list": Row("RFC 7519 §4.1.3", lambda: token(aud=["billing", AUDIENCE])),
    "aud a list of one": Row("RFC 7519 §4.1.3", lambda: token(aud=[AUDIENCE])),
    "partner's own key of the same name": Row("RFC 8725 §3.8", lambda: token(STRANGE_KEY, iss=OTHER)),
    "sub with a blank": Row("RFC 7519 §4.1.2", lambda: token(sub="Ana Ruiz")),
    "names of full length": Row("RFC 9068 §2.2", lambda: token(sub="a" * 200, client_id="b" * 200, jti="c" * 200)),
    "moments with fractions": Row("RFC 7519 §2", lambda: token(iat=NOW - 0.5, exp=NOW + 0.5)),
    "a moment with an exponent": Row("RFC 8259 §6", lambda: raw_claim("exp", f"{(SECOND + 60) / 1e9:.9f}e9")),
    "nbf now": Row("RFC 7519 §4.1.5", lambda: token(nbf=SECOND)),
    "clocks apart, early": Row("RFC 7519 §4.1.5", lambda: token(iat=SECOND + LEEWAY_S, nbf=SECOND + LEEWAY_S)),
    "clocks apart, late": Row("RFC 7519 §4.1.4", lambda: token(iat=SECOND - 100, exp=SECOND - LEEWAY_S + 1)),
    "the longest lifetime": Row("RFC 9068 §5", lambda: token(exp=SECOND + MAX_LIFETIME_S)),
    "no scope": Row("RFC 9068 §2.2.3", lambda: token(scope=...)),
    "an empty scope": Row("RFC 9068 §2.2.3", lambda: token(scope="")),
    "a scope of all signs": Row("RFC 6749 §3.3", lambda: token(scope="!#$%&'()*+,-./:;<=>?@[]^_`{|}~ a")),
    "no entities": Row("RFC 9068 §2.2.2", lambda: token(legal_entities=...)),
    "all entities": Row("RFC 9068 §2.2.2", lambda: token(legal_entities="*")),
    "entities beyond ASCII": Row("RFC 9068 §2.2.2", lambda: token(customers=["Müller & Söhne"])),
    "claims that nobody knows": Row("RFC 7519 §4", lambda: token(nonce="x", acr="1", x={"deep": [1, None]})),
    "a claim's name in escapes": Row(
        "RFC 8259 §7", lambda: signed(body=json.dumps(claims()).replace('"iss"', '"\\u0069ss"').encode())
    ),
    "white space in JSON": Row("RFC 8259 §2", lambda: signed(body=json.dumps(claims(), indent=4).encode() + b"\n")),
    "the longest token": Row("RFC 9068 §2", longest),
}
