"""The binder: an OpenAPI document and a module of functions become routes; what does not fit stops the start."""

from gateway.contract.application import build_application
from gateway.contract.bind import bind
from gateway.contract.document import Document
from gateway.contract.model import (
    CALLER,
    CORRELATION_ID,
    DECISION_ID,
    Api,
    ContractError,
    Endpoint,
    Mount,
    Operation,
    PerRequest,
)
from gateway.contract.release_check import check_released
from gateway.contract.reply import Reply
from gateway.contract.request import Request

__all__ = [
    "CALLER",
    "CORRELATION_ID",
    "DECISION_ID",
    "Api",
    "ContractError",
    "Document",
    "Endpoint",
    "Mount",
    "Operation",
    "PerRequest",
    "Reply",
    "Request",
    "bind",
    "build_application",
    "check_released",
]
