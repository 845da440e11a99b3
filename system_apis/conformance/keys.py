"""Keys and codes that nobody used before, so that the suite runs again and again on one system."""

from secrets import token_hex


def fresh(kind: str) -> str:
    """Return a business key of a document that does not exist."""
    return f"{kind}_conf_{token_hex(5)}"


def fresh_code() -> str:
    """Return a project code that is not in use."""
    return f"C-{token_hex(4)}"


def fresh_word() -> str:
    """Return a word that stands in no name yet."""
    return f"zq{token_hex(4)}"
