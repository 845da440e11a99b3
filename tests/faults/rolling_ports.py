"""Whole ports of the vendor process: every operation that `system_apis/ports.py` has, read off its signature there."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast, get_args, get_type_hints

from msgspec.structs import replace

from gateway.egress import Http
from gateway.errors import Refused
from system_apis.connector import Connection, Connector
from system_apis.ports import Erp, Psa
from tests.faults.volume_ports import ERP, PSA, VENDOR, Remote, Settings

READS: Final = ("examine", "find_", "get_", "list_", "search_")


class AnyPort(Remote):
    """The port of one system."""

    def __init__(self, kind: type, capabilities: object, account: Connection, settings: Settings, http: Http) -> None:
        super().__init__(account.name, settings, http)
        self._kind, self.capabilities = kind, capabilities

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        """Return the operation; raises AttributeError where the port has none."""
        method = getattr(self._kind, operation)
        signature, into = inspect.signature(method), get_type_hints(method)["return"]
        item = _item_of(into)

        @functools.wraps(method)  # A step takes the type of what it keeps from here.
        async def called(*values: object, **named: object) -> object:
            asked = signature.bind(self, *values, **named).arguments
            del asked["self"]
            if item:
                return await self.ask_each(operation, item, **asked)
            return await self.ask(operation, into, write=not operation.startswith(READS), **asked)

        return called


def _item_of(answer: object) -> type[Any] | None:
    """Return what an item of a batch comes to where each is refused by itself, or None."""
    kinds = {kind for part in get_args(answer) for kind in get_args(part)}
    return next(iter(kinds - {Refused})) if Refused in kinds else None


def _erp(account: Connection, settings: Settings, http: Http) -> Erp:
    capabilities = replace(ERP, connection=account.name, settle_s=settings.settle_s)
    return cast(Erp, AnyPort(Erp, capabilities, account, settings, http))


def _psa(account: Connection, settings: Settings, http: Http) -> Psa:
    capabilities = replace(PSA, connection=account.name, settle_s=settings.settle_s)
    return cast(Psa, AnyPort(Psa, capabilities, account, settings, http))


CONNECTOR: Final = Connector(name=VENDOR, settings=Settings, erp=_erp, psa=_psa)
