"""The whole comparison: what concerns the contract itself, then each operation."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.compatibility.change import Change


def changes_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what is not as it was, in the order of the older document; both are bundled (`Document.bundled`)."""
    raise NotImplementedError
