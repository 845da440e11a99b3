"""Mounts: each contract and its module, joined into an API. Every mismatch of all of them is named at once."""

from collections.abc import Sequence

from gateway.contract.model import Api, Mount


def bind(mounts: Sequence[Mount]) -> tuple[Api, ...]:
    """Return the APIs; raises ContractError with every mismatch."""
    raise NotImplementedError
