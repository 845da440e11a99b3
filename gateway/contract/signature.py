"""Whether a function is what an operation asks for: every argument by name and type, and what it returns."""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def faults_of(
    function: Callable[..., Any], arguments: Mapping[str, object], provided: frozenset[str], returned: frozenset[type]
) -> Iterator[str]:
    """Yield each mismatch: `arguments` are the contract's, by name, with the type that each must be annotated with."""
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError, AttributeError) as error:
        yield f"its annotations cannot be read: {error}"
        return
    takes = inspect.signature(function).parameters
    yield from (f"it lacks the parameter `{name}`" for name in arguments if name not in takes)
    for name, parameter in takes.items():
        if name in arguments and name in provided:
            yield f"`{name}` is the contract's parameter, and provided as well: rename what is provided"
        elif name in arguments and not same(hints.get(name), arguments[name]):
            yield f"`{name}` must be annotated with {shown(arguments[name])}"
        elif name not in arguments and name not in provided:
            yield f"its parameter `{name}` is neither the contract's nor provided"
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            yield f"`{name}` must be keyword-only"
    if alternatives(hints.get("return", Any)) != returned:
        yield f"it must return {' | '.join(sorted(shown(kind) for kind in returned))}, as the contract's answers say"


def same(annotation: object, wanted: object) -> bool:
    """Tell whether the annotation says what the contract does; a choice of texts may be annotated as text."""
    loose = {str if get_origin(each) is Literal else each for each in alternatives(wanted)}
    return alternatives(annotation) in (alternatives(wanted), loose)


def alternatives(annotation: object) -> frozenset[Any]:
    """Return the types of a union, or the one type."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return frozenset(get_args(annotation))
    return frozenset({types.NoneType if annotation is None else annotation})


def shown(annotation: object) -> str:
    """Return the type as one writes it."""
    parts = [getattr(each, "__qualname__", str(each)) for each in alternatives(annotation)]
    return " | ".join(sorted("None" if part == "NoneType" else part for part in parts))
