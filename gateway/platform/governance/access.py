"""Who may act on what belongs to the whole installation."""

from gateway.caller import Caller
from gateway.errors import Refused
from openapi.common.types import Code


def require_whole(caller: Caller) -> None:
    """Return where the caller's token is limited in nothing; raises Refused."""
    if caller.is_limited or caller.legal_entities != "*":
        detail = "This is of all legal entities, customers and projects: a token that is limited in any is not enough."
        raise Refused(Code.auth_entity_not_allowed, detail)
