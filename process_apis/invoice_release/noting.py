"""Why a request goes no further, kept on its row: whoever asks later is told with every violation."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from msgspec import json

from gateway.errors import Refused
from gateway.store.database import Store
from process_apis.invoice_release.rules import Held
from process_apis.ledger.requests import move_request

P = ParamSpec("P")
T = TypeVar("T")

CLEARED = {"code": None, "detail": None, "violations": "[]", "holds": "[]"}
"""What a request says that goes on."""


def noting(
    step: Callable[Concatenate[Store, str, P], Awaitable[T]],
) -> Callable[Concatenate[Store, str, P], Awaitable[T]]:
    """Return the step, which keeps on the request what it was refused with; nothing else is moved."""

    @wraps(step)
    async def noted(store: Store, request_id: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await step(store, request_id, *args, **kwargs)
        except Refused as refused:
            async with store.begin() as connection:
                await move_request(connection, store, request_id, **_said(refused))
            raise

    return noted


def _said(refused: Refused) -> dict[str, object]:
    holds, amounts = (refused.holds, refused.amounts) if isinstance(refused, Held) else ([], {})
    return {
        **amounts,
        "code": refused.code.value,
        "detail": refused.detail,
        "violations": json.encode(refused.violations).decode(),
        "holds": json.encode(holds).decode(),
    }
