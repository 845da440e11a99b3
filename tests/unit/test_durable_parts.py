"""The small parts of durable work: what the engine keeps, how a workflow is declared, how patient a step is."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from gateway.durable import DurableSettings, finish, workflow
from gateway.durable.outcomes import Kind, Outcome, Unwound
from gateway.durable.serializer import Json, Recorded
from gateway.durable.verbs import returned_by
from gateway.errors import Refused
from openapi.common.types import Code, Violation

T = TypeVar("T")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Awkward(Exception):
    """An exception that pickle writes and cannot read."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Order(Struct, frozen=True, kw_only=True):
    """What a run keeps."""

    key: str


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value: object) -> None:
    assert Json().deserialize(Json().serialize(value)) == value


@pytest.mark.parametrize("error", [Awkward("one", "two"), ValueError("one and two"), KeyError()])
def test_an_exception_comes_back_as_its_name_and_text_never_as_its_class(error: Exception) -> None:
    kept = Json().deserialize(Json().serialize(error))

    assert isinstance(kept, Recorded)
    assert (kept.name, kept.text, str(kept)) == (type(error).__name__, str(error), f"{kept.name}: {error}")


def test_what_is_neither_is_a_mistake() -> None:
    with pytest.raises(NotImplementedError, match="object cannot be kept"):
        Json().serialize(object())

    assert Json().name() == "tiebeam_json"


def test_an_outcome_comes_back_as_it_was() -> None:
    violation = Violation(code=Code.template_field_missing, pointer="#/project", detail="Send it.")
    refused = Outcome.failed(Kind.refused, Refused(Code.template_field_missing, "One field.", violation), at=7)

    assert Outcome.read(refused.recorded()) == refused
    assert refused.is_a_no


async def shaped(key: str) -> list[Order]:
    """Say what it returns."""
    return [Order(key=key)]


async def shapeless(value: T) -> T:
    """Say nothing of use."""
    return value


def test_the_type_of_a_result_is_read_through_partials() -> None:
    assert returned_by(partial(partial(shaped), "a")) == list[Order]


@pytest.mark.parametrize("fn", [lambda: None, shapeless])
def test_a_function_that_does_not_say_what_it_returns_is_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="must say what it returns"):
        returned_by(fn)


def test_a_workflow_names_every_resource_that_it_lacks() -> None:
    @workflow(refusals="undo")
    async def tidy(erp: str, psa: str, order: Order) -> Order:
        return Order(key=erp + psa + order.key)

    assert (tidy.kind, tidy.name, tidy.order) == ("tidy", "tidy.v1", Order)
    assert tidy.bind({"erp": 1, "psa": 2, "more": 3}) == {"erp": 1, "psa": 2}
    with pytest.raises(TypeError, match=r"tidy.v1 wants erp, psa"):
        tidy.bind({})


async def test_what_is_finished_says_that_the_pivot_is_behind_it() -> None:
    async def refused() -> None:
        raise Unwound("announce", None, Outcome(kind=Kind.refused))

    with pytest.raises(Unwound) as unwound:
        await finish(refused())

    assert unwound.value.after_pivot


def test_a_step_is_patient_for_about_twenty_seconds_and_looks_less_and_less_often() -> None:
    settings = DurableSettings()

    assert sum(settings.delays()) == pytest.approx(20.0)
    assert [settings.probe_s(probe) for probe in range(6)] == [5, 30, 120, 600, 600, 600]
