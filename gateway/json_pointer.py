"""Names within JSON Pointers (RFC 6901 §3, §4): a tilde and a slash of a name are escaped."""


def escaped(name: str) -> str:
    """Return a name as a token of a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def unescaped(token: str) -> str:
    """Return the name that a token of a pointer means."""
    return token.replace("~1", "/").replace("~0", "~")
