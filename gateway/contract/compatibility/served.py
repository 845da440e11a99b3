"""One operation as a document has it."""

import re

from gateway.contract.compatibility.nodes import Spot

Key = tuple[str, str]
"""Method and path; what a part of the path is called is not sent, and is left out."""


class Served:
    """An operation, and what stands around it."""

    def __init__(self, document: Spot, path: str, method: str) -> None:
        self.document, self.item = document, document.at("paths", path).resolved()
        self.spot = self.item.at(method)
        self.key: Key = (method, re.sub(r"\{[^}]*\}", "{}", path))
        self.name = f"{method.upper()} {path}"
        self.parts = re.findall(r"\{([^}]*)\}", path)
        """The names of the parameters in its path, in order."""

    def parameters(self) -> list[Spot]:
        """Return its parameters; those of the path come before its own."""
        found = [*self.item.at("parameters").each(), *self.spot.at("parameters").each()]
        return [parameter.resolved() for parameter in found]
