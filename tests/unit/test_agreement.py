"""What counts as the same value, field by field."""

import pytest
from msgspec import UNSET, Struct, UnsetType

from gateway.agreement import Difference, agreeing


class Document(Struct):
    """A document of any kind."""

    name: str = "Alder Foods"
    code: str = "P-42"
    tax_id: str | UnsetType | None = "ESA08000143"
    customer_id: str = "a1B"
    hours: int = 1


@pytest.mark.parametrize(
    ("wanted", "found", "differing"),
    [
        (Document(), Document(), []),
        (Document(), Document(name=" ALDER  foods "), []),
        (Document(), Document(name="Alder Food"), ["name"]),
        (Document(), Document(code="p-42"), []),
        (Document(), Document(code="P42"), ["code"]),
        (Document(tax_id="es a08.000-143"), Document(), []),
        (Document(tax_id=UNSET), Document(), []),
        (Document(), Document(tax_id=None), ["tax_id"]),
        (Document(), Document(customer_id="A1b"), ["customer_id"]),
        (Document(), Document(hours=2), ["hours"]),
    ],
)
def test_documents_agree_where_only_the_spelling_differs(
    wanted: Document, found: Document, differing: list[str]
) -> None:
    differences = agreeing(wanted, "name", "code", "tax_id", "customer_id", "hours")(found)

    assert [difference.field for difference in differences] == differing


def test_difference_tells_both_values_as_text() -> None:
    assert agreeing(Document(), "hours")(Document(hours=2)) == [Difference(field="hours", expected="1", actual="2")]
    assert agreeing(Document(), "tax_id")(Document(tax_id=None))[0].actual == "null"
