"""A request as an operation gets it, whoever received it: the edge, or a route of the framework."""

from litestar.types import HTTPScope, Receive
from msgspec import Struct


class Request(Struct, frozen=True):
    """`scope["path"]` is the normalised one; what the edge knows of the call stands in `scope["state"]`."""

    scope: HTTPScope
    receive: Receive
