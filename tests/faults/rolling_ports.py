"""Whole ports of the vendor process: every operation that `system_apis/ports.py` has, read off its signature there."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast, get_type_hints

from msgspec.structs import replace

from gateway.egress import Http
from system_apis.connector import Connection, Connector
from system_apis.ports import Erp, Psa
from tests.faults.volume_ports import ERP, PSA, VENDOR, Remote, Settings

READS: Final = ("examine", "find_", "get_", "list_", "search_")


class AnyPort(Remote):
    """The port of one system; a batch of which items are refused one by one is not among what it can say."""

    def __init__(self, kind: type, capabilities: object, account: Connection, settings: Settings, http: Http) -> None:
        super().__init__(account.name, settings, http)
        self._kind, self.capabilities = kind, capabilities

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        """Return the operation; raises AttributeError where the port has none."""
        method = getattr(self._kind, operation)
        signature, into = inspect.signature(method), get_type_hints(method)["return"]

        @functools.wraps(method)  # A step takes the type of what it keeps from here.
        async def called(*values: object, **named: object) -> object:
            asked = signature.bind(self, *values, **named).arguments
            del asked["self"]
            return await self.ask(operation, into, write=not operation.startswith(READS), **asked)

        return called


def _erp(account: Connection, settings: Settings, http: Http) -> Erp:
    capabilities = replace(ERP, connection=account.name, settle_s=settings.settle_s)
    return cast(Erp, AnyPort(Erp, capabilities, account, settings, http))


def _psa(account: Connection, settings: Settings, http: Http) -> Psa:
    capabilities = replace(PSA, connection=account.name, settle_s=settings.settle_s)
    return cast(Psa, AnyPort(Psa, capabilities, account, settings, http))


CONNECTOR: Final = Connector(name=VENDOR, settings=Settings, erp=_erp, psa=_psa)
