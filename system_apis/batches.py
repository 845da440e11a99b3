"""Bodies that hold many documents: what is sent twice, and what is told of one that was refused."""

from collections.abc import Iterator, Sequence

from msgspec import structs

from gateway.errors import Refused
from openapi.common.types import Code, Violation


def repeated(keys: Sequence[str], pointer: str, advice: str) -> Iterator[Violation]:
    """Yield a violation for each key that stood there before; `pointer` has a place for its number."""
    seen: set[str] = set()
    for number, key in enumerate(keys):
        if key in seen:
            yield Violation(code=Code.entry_duplicate, pointer=pointer.format(number), detail=advice)
        seen.add(key)


def error_of(refused: Refused, pointer: str) -> Violation:
    """Return why one document was refused, and where it stands; a violation of its own says so more exactly."""
    if not refused.violations:
        return Violation(code=refused.code, pointer=pointer, detail=refused.detail)
    first = refused.violations[0]
    return structs.replace(first, code=refused.code, pointer=f"{pointer}{first.pointer.removeprefix('#')}")
