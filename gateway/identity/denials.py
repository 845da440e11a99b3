"""Which tokens and clients are denied, in memory: asked on every call, read from the database when they moved."""


class Denials:
    """The denials that hold, as this process knows them."""

    def moved(self, generation: int | None) -> bool:  # noqa: ARG002
        """Tell whether what is in memory is of another generation."""
        return False

    async def reload(self, generation: int | None) -> None:
        """Read them again, once for all that wait."""

    def deny(self, identity: object) -> bool:  # noqa: ARG002
        """Tell whether a token is denied, by itself or with its client."""
        return False
