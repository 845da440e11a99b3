"""The verbs of which workflows consist. A refusal leaves the workflow function; its wrapper undoes, or parks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import UnionType
from typing import Any, Generic, ParamSpec, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from gateway.agreement import Difference, agreeing
from gateway.caller import INSTALLATION
from gateway.durable.outcomes import Unwound
from gateway.durable.run import Leave, Run, Skip, Undo, Work, current_run
from gateway.durable.tries import carry_out
from gateway.errors import Refusal, Refused
from gateway.store import decisions, processes
from gateway.store.database import Store
from gateway.writes import BoundWrites, Item, Port

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=Struct)


class Batch(Struct, Generic[T], frozen=True, kw_only=True):
    """What came of a batch, by key."""

    done: dict[str, T]
    refused: dict[str, Refusal]
    left: list[str] = []
    """All of them, where the process went on without knowing."""
    overdue: bool = False
    """Whether it has been unknown for so long that a person has to look."""


async def step(
    name: str,
    fn: Callable[..., Awaitable[T]],
    *args: object,
    on: str | None = None,
    again_from: str | None = None,
    **kwargs: object,
) -> T:
    """Return what `fn` returns: a read of another system (`on` names the connection), or a change of our own tables.

    A refusal is taken up again at the step, or at the earlier one `again_from`; the steps between run again.
    """
    run = current_run.get()
    work = Work(
        name=run.name_of(name),
        position=run.next_position(),
        call=partial(fn, *args, **kwargs),
        into=returned_by(fn),
        system=on,
        again_from=again_from,
    )
    return cast("T", await _performed(run, work))


async def submit(  # noqa: PLR0913 - one write has so many sides, and each is given by name
    name: str,
    *,
    on: Port,
    look: Callable[[], Awaitable[T | None]],
    act: Callable[[], Awaitable[T]],
    key: str | None = None,
    object_id: str | None = None,
    payload: Struct | None = None,
    fence: Callable[[], Awaitable[None]] | None = None,
    agree: Sequence[str] = (),
    serial: str | None = None,
    pivot: bool = False,
    again_from: str | None = None,
    undone_by: tuple[str, Callable[[], Awaitable[object]]] | None = None,
) -> T:
    """Return the effect of a write to another system, once it is known to be there, and there once.

    A document is made with `key` and `payload`; an object is brought into a state with `object_id`, and there `look`
    returns it only once it is in that state. `pivot` marks the one write after which nothing is undone. A
    refusal is taken up again at the write, or at the earlier step `again_from` that decides what is written; the steps
    between run again. `undone_by` names what reverses it and finds its object by itself: it also undoes what is there
    without being what was wanted. `serial` names the slot through which one write goes at a time: see `Writes.once`.
    """
    run = current_run.get()
    guard = run.writes.bound(on)
    if key is not None and payload is not None:
        agreed = agreeing(payload, *agree) if agree else None
        made = partial(guard.once, key=key, payload=payload, agree=agreed)
    elif object_id is not None:
        made = partial(guard.change, object_id=object_id, payload=payload)
    else:
        raise TypeError(f"{name}: a document has a key and a payload, a change of state an object_id.")
    work = Work(
        name=run.name_of(name),
        position=run.next_position(),
        call=partial(made, operation=name, look=look, act=act, fence=fence, serial=serial),
        into=returned_by(act),
        key=key or object_id,
        system=on.connection,
        writes=True,
        pivot=pivot,
        again_from=again_from,
    )
    try:
        done = await _performed(run, work)
    except Unwound as unwound:
        if unwound.outcome.may_be_there:
            _register(run, work, undone_by)
        raise
    _register(run, work, undone_by)
    run.after_pivot = run.after_pivot or pivot
    return cast("T", done)


async def submit_many(  # noqa: PLR0913 - as above
    name: str,
    *,
    on: Port,
    items: Sequence[Item[S]],
    look: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]],
    act: Callable[[Sequence[S]], Awaitable[Mapping[str, T | Refused]]],
    fence: Callable[[], Awaitable[None]] | None = None,
    agree: Sequence[str] = (),
    makes: bool = True,
    serial: str | None = None,
    pivot: bool = False,
    leave: Leave | None = None,
    again_from: str | None = None,
) -> Batch[T]:
    """Return what came of each item of a batch, once that is known of all of them: the effect, there once, or a no.

    An item that is refused refuses neither its siblings nor the step: its refusal is for the workflow to take up. What
    is raised holds for the whole batch, and becomes of the step what it becomes in `submit`. `act` must say what it
    returns. See `Writes.many`. With `leave` a batch of which nobody knows keeps nothing else waiting: after so long the
    process goes on, its keys `left`, and whoever submits them again looks first.
    """
    run = current_run.get()
    work = Work(
        name=run.name_of(name),
        position=run.next_position(),
        call=partial(
            _written,
            run.writes.bound(on),
            operation=name,
            items=items,
            look=look,
            act=act,
            fence=fence,
            agree=_each_agreeing(agree),
            makes=makes,
            serial=serial,
        ),
        into=Batch[item_returned_by(act)],  # type: ignore[misc]  # a type that is known at run time
        system=on.connection,
        writes=True,
        pivot=pivot,
        leave=leave,
        left=partial(_left, [item.key for item in items]),
        again_from=again_from,
    )
    done = await _performed(run, work)
    run.after_pivot = run.after_pivot or pivot
    return cast("Batch[T]", done)


async def _written(guard: BoundWrites, **asked: Any) -> Batch[Any]:  # noqa: ANN401 - as `BoundWrites.many` is asked
    outcomes = await guard.many(**asked)
    return Batch(
        done={key: outcome for key, outcome in outcomes.items() if not isinstance(outcome, Refused)},
        refused={key: Refusal.of(outcome) for key, outcome in outcomes.items() if isinstance(outcome, Refused)},
    )


def _left(keys: Sequence[str], overdue: bool) -> Batch[Any]:  # noqa: FBT001 - as `Work.left` is called
    return Batch(done={}, refused={}, left=list(keys), overdue=overdue)


def _each_agreeing(fields: Sequence[str]) -> Callable[[Struct, object], list[Difference]] | None:
    return (lambda wanted, found: agreeing(wanted, *fields)(found)) if fields else None


def item_returned_by(act: Callable[..., Any]) -> Any:  # noqa: ANN401 - a type
    """Return what a batch's `act` says that an item becomes: `T` of `Mapping[str, T | Refused]`."""
    said = get_args(returned_by(act))
    outcome = said[1] if len(said) == 2 else None  # noqa: PLR2004 - key and value
    parts = get_args(outcome) if get_origin(outcome) in {Union, UnionType} else (outcome,)
    kinds = [part for part in parts if part is not Refused]
    if len(kinds) != 1 or kinds == [None]:
        raise TypeError(f"{act} must say that it returns Mapping[str, T | Refused].")
    return kinds[0]


def _register(run: Run, work: Work, undone_by: tuple[str, Callable[[], Awaitable[object]]] | None) -> None:
    if undone_by:
        name, call = undone_by
        run.undos.append(Undo(name=run.name_of(name), call=call, reverses=work.name))


async def _performed(run: Run, work: Work) -> Any:  # noqa: ANN401 - `work.into` says what it is
    done = await carry_out(run, work)
    run.last_step = work.name
    return done


def undo(name: str, fn: Callable[P, Awaitable[object]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Say what reverses the last step, should the process be given up.

    Undos run backwards; what they write, they write through the guard.
    """
    run = current_run.get()
    run.undos.append(Undo(name=run.name_of(name), call=partial(fn, *args, **kwargs), reverses=run.last_step))


async def finish(work: Awaitable[T]) -> T:
    """Return what the step or submit returns that stands after the pivot: a refusal parks, nothing is undone."""
    try:
        return await work
    except Unwound as unwound:
        unwound.after_pivot = True
        raise


def skip(name: str, reason: str, on: str | None = None) -> None:
    """Say that a step is left out, and why, such as `capability`. It is shown with the next one."""
    run = current_run.get()
    run.skips.append(Skip(name=run.name_of(name), position=run.next_position(), reason=reason, system=on))


async def corrections(store: Store, process_id: str, into: type[S]) -> S:
    """Return what was decided about the process so far, together; nothing yet is the type with nothing in it."""
    process = await processes.get(store, INSTALLATION, process_id)
    async with store.begin() as connection:
        return msgspec.convert(await decisions.merged(connection, process), into)


async def decided(store: Store, process_id: str, into: type[S]) -> list[S]:
    """Return each decision about the process so far, the oldest first: for fields of which one takes another back."""
    process = await processes.get(store, INSTALLATION, process_id)
    async with store.begin() as connection:
        found = await decisions.list_all(connection, process)
    return [msgspec.json.decode(decision.corrections, type=into) for decision in found]


def returned_by(fn: Callable[..., Any]) -> Any:  # noqa: ANN401 - a type
    """Return the type that the function says it returns; what is recorded is read by it."""
    inner: Any = fn
    while isinstance(inner, partial):
        inner = inner.func
    hints = get_type_hints(inner, include_extras=True)
    if "return" not in hints or isinstance(hints["return"], TypeVar):
        raise TypeError(f"{getattr(inner, '__qualname__', inner)} must say what it returns.")
    return hints["return"]
