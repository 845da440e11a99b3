"""Legal names, compared: what is left of them without legal form, accents, case and punctuation. Pure."""

import re
import unicodedata
from typing import Final

from rapidfuzz.fuzz import token_set_ratio

ALIKE: Final = 90
"""From here on two names may be one firm; a person decides."""
_LEGAL_FORMS: Final = (
    "ab ag aps as asa bv bvba co company corp corporation cv doo eg ehf eirl eood eurl ev gbr ges gmbh hf inc "
    "incorporated kft kg kgaa kk lda limited llc llp lp ltd ltda mbh nv oe og ohg ood oy oyj pc plc pllc pte "
    "pty pvt sa sae sarl sas sca scs se sl slu snc spa spj sprl spzoo srl sro sti stiftung ug ulc vof zrt"
)
_JOINING: Final = "and e et og und y"
IGNORED: Final = frozenset(f"{_LEGAL_FORMS} {_JOINING}".split())
_ABBREVIATION: Final = re.compile(r"(?<=\b\w)\.(?=\w\b|\W|\Z)")
_NOT_A_WORD: Final = re.compile(r"[^\w]+")
_FRAGMENT: Final = re.compile(r"[a-z0-9]{3,}")


def normalised(name: str) -> str:
    """Return the name as it is compared; one that is nothing but a legal form keeps it."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = _NOT_A_WORD.sub(" ", _ABBREVIATION.sub("", plain)).split()
    return " ".join([word for word in words if word not in IGNORED] or words)


def likeness(one: str, other: str) -> int:
    """Return how alike two names are: 100 where one's words are all in the other."""
    return int(token_set_ratio(normalised(one), normalised(other)))


def fragments(name: str) -> list[str]:
    """Return what to search by to find names like this: two plain pieces of it, the most telling first.

    Accents and punctuation count in a vendor's search; so a piece has none, and was not normalised. A name without
    such pieces is searched for whole.
    """
    pieces = [piece for piece in _FRAGMENT.findall(name.casefold()) if piece not in IGNORED]
    return sorted(dict.fromkeys(pieces), key=len, reverse=True)[:2] or [name.strip()]
