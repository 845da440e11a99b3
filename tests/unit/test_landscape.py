"""Which connection serves whom, and what is said where none does."""

import pytest

from gateway.errors import Refused
from openapi.common.types import Code
from system_apis.landscape import Configured

ERP, PSA = object(), object()
LANDSCAPE = Configured(
    erps={"books": ERP}, psas={"delivery": PSA}, erp_of={"ES01": "books"}, psa_of={"ES01": "delivery"}
)  # type: ignore[dict-item]  # Ports are only handed on.


def test_entity_is_served_by_its_connections() -> None:
    assert LANDSCAPE.erp(LANDSCAPE.erp_of("ES01")) is ERP
    assert LANDSCAPE.psa(LANDSCAPE.psa_of("ES01")) is PSA
    assert LANDSCAPE.connections() == ["books", "delivery"]


@pytest.mark.parametrize("look_up", ["erp_of", "psa_of", "erp", "psa"])
def test_what_nobody_serves_is_refused(look_up: str) -> None:
    with pytest.raises(Refused) as refused:
        getattr(LANDSCAPE, look_up)("DE01")

    assert refused.value.code == Code.entity_mapping_missing
