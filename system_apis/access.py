"""What a caller may ask of a connection, and see there: shared by the handlers of all families."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from gateway.caller import Caller
from gateway.errors import Refused
from openapi.common.types import Code, Violation

T = TypeVar("T")


class Serving(Protocol):
    """The capabilities of any connection, as far as they say whom it serves."""

    @property
    def legal_entities(self) -> list[str]:
        """Return the codes of the legal entities."""


def require(*, capability: bool, advice: str, pointer: str | None = None) -> None:
    """Return where the connection can do it."""
    if not capability:
        violations = [Violation(code=Code.capability_missing, pointer=pointer, detail=advice)] if pointer else []
        raise Refused(Code.capability_missing, advice, *violations)


def require_entity(caller: Caller, capabilities: Serving, legal_entity: str, pointer: str = "#/legal_entity") -> None:
    """Return where the caller may ask for the entity that the request names, and the connection serves it."""
    if not caller.may_see(legal_entity=legal_entity):
        raise Refused(Code.auth_entity_not_allowed, f"Ask for the claim `legal_entities` on {legal_entity}.")
    if legal_entity not in capabilities.legal_entities:
        detail = f"This connection does not serve {legal_entity}. Use the one that does."
        violation = Violation(code=Code.entity_mapping_missing, pointer=pointer, detail=detail)
        raise Refused(Code.entity_mapping_missing, detail, violation)


def sees_connection(caller: Caller, capabilities: Serving) -> bool:
    """Tell whether the caller may see what belongs to no single entity, as customers and people do."""
    return any(caller.may_see(legal_entity=entity) for entity in capabilities.legal_entities)


def sees_entity(caller: Caller, capabilities: Serving, legal_entity: str | None) -> bool:
    """Tell whether the caller may see what belongs to the entity; where nobody says which one, all must be seen."""
    owners = capabilities.legal_entities if legal_entity is None else [legal_entity]
    return all(caller.may_see(legal_entity=entity) for entity in owners)


async def there(getting: Awaitable[T]) -> T:
    """Return what was asked for by id. What is not there is told in the words that hide what may not be seen."""
    try:
        return await getting
    except Refused as error:
        if error.code is Code.resource_not_found:
            raise not_there() from error
        raise


def not_there() -> Refused:
    """Return the one answer to what does not exist and to what this caller may not see."""
    return Refused(Code.resource_not_found, "There is nothing with this id that you may see.")
