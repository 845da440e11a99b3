"""Whether a tax id can be one, by the rules of its country, and how it is written. Pure: nobody is asked."""

from collections.abc import Callable
from typing import Any, Final

from stdnum import exceptions, get_cc_module
from stdnum.eu import vat

KINDS: Final = ("vat", "tin")
"""What a country's module is called; one that has neither is not judged."""
GREECE: Final = "GR"
"""Its VAT ids begin with EL."""


def is_valid(tax_id: str, country: str) -> bool:
    """Tell whether the id is well formed and its check digits hold; a country without known rules takes any."""
    return written(tax_id, country) is not None


def written(tax_id: str, country: str) -> str | None:
    """Return the id as systems keep it, compact and with the prefix of an EU country; None where it is not valid."""
    compact = "".join(filter(str.isalnum, tax_id)).upper()
    prefix = "EL" if country == GREECE else country
    if country.lower() in vat.MEMBER_STATES:
        return _validated(vat.validate, prefix + compact.removeprefix(prefix))
    module = next(filter(None, (get_cc_module(country.lower(), kind) for kind in KINDS)), None)
    return compact if module is None else _validated(module.validate, compact)


def _validated(validate: Callable[[str], Any], number: str) -> str | None:
    try:
        return str(validate(number))
    except exceptions.ValidationError:
        return None
