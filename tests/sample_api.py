"""A small contract with everything that contracts have, and functions that fit it. Tests bend one thing at a time."""

from collections.abc import Callable
from copy import deepcopy
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import yaml
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.caller import INSTALLATION, Caller
from gateway.contract import CALLER, Api, Document, Mount, bind, build_application
from openapi.common.types import Address, Money, OwnerQueue
from openapi.system.erp.v1 import Customer, CustomerPage, NewCustomer

CONTRACT = "process/sample_things/v1"
BASE = "/process/sample-things/v1"

TEXT = Path(__file__).with_suffix(".yaml").read_text("utf-8")

CUSTOMER = Customer(
    id="A/1 b",
    version="v 1",
    business_key=None,
    name="Alpha",
    tax_id=None,
    country=None,
    state="active",  # type: ignore[arg-type]  # Encoded as it is.
    credit_status="ok",  # type: ignore[arg-type]
    payment_terms=None,
    billing_address=None,
    updated_at=None,
    references=[],
)


class Things:
    """Says what it was asked, and does what a test wants."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[], Any] | None = None

    def ask(self, otherwise: object, **arguments: Any) -> Any:  # noqa: ANN401 - whatever the test wants.
        """Note the arguments, and return the answer."""
        self.asked.append(arguments)
        return self.answer() if self.answer else otherwise


def document(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Document:
    """Return the contract, changed in one thing."""
    root = deepcopy(yaml.safe_load(TEXT))
    change(root)
    return Document(CONTRACT, root)


def module(**functions: object) -> ModuleType:
    """Return a module with the functions that fit, and those given in their place; None leaves one out."""
    made = ModuleType("sample")
    for name, function in (_fitting() | functions).items():
        if function is not None:
            function.__module__ = "sample"
            setattr(made, name, function)
    return made


def bound(
    things: Things | None = None, *, change: Callable[[dict[str, Any]], object] = lambda _: None, **functions: object
) -> Api:
    """Return the API, or raise what keeps it from being one."""
    mount = Mount(contract=CONTRACT, module=module(**functions), provided={"things": things or Things()})
    return bind([mount], read=lambda _: document(change))[0]


def client(api: Api, *pages: Any, caller: Caller | None = INSTALLATION) -> httpx.AsyncClient:  # noqa: ANN401
    """Return a client of the API, which calls as `caller`."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(_as(caller, build_application([api], pages))), base_url="http://test"
    )


def _as(caller: Caller | None, app: ASGIApp) -> Any:  # noqa: ANN401 - ASGI, as httpx types it.
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope | {"state": {CALLER: caller} if caller else {}}, receive, send)  # type: ignore[operator]

    return call


def _fitting() -> dict[str, Any]:
    async def list_things(  # noqa: PLR0913 - the contract's parameters
        *,
        things: Things,
        caller: Caller,
        queue: OwnerQueue | None,
        size: str | None,
        day: date | None,
        at: datetime | None,
        share: float | None,
        fresh: bool,
        limit: int,
    ) -> CustomerPage:
        return things.ask(
            CustomerPage(items=[CUSTOMER], next_cursor=None),
            caller=caller,
            queue=queue,
            size=size,
            day=day,
            at=at,
            share=share,
            fresh=fresh,
            limit=limit,
        )

    async def create_thing(
        *, things: Things, correlation_id: str, body: NewCustomer, wait_s: int | None
    ) -> Customer | Money:
        return things.ask(CUSTOMER, correlation_id=correlation_id, body=body, wait_s=wait_s)

    async def delete_thing(*, things: Things, thing_id: str, if_match: str, body: Address | None) -> None:
        return things.ask(None, thing_id=thing_id, if_match=if_match, body=body)

    async def get_open(*, things: Things) -> Money:
        return things.ask(Money(amount="1.00", currency="EUR"))

    return locals()
