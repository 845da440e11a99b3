"""A text that is not shown: not in a log, a trace, an error, a `repr`, nor in JSON."""


class Secret:
    """Holds a secret; only `reveal` gives it away. JSON encoders refuse it, since it is no type they know."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"
