"""Tax ids: judged by their country's rules, and written as systems keep them."""

import pytest

from process_apis.project_onboarding import tax_ids


@pytest.mark.parametrize(
    ("tax_id", "country", "written"),
    [
        ("ESA08000143", "ES", "ESA08000143"),
        ("a08.000-143", "ES", "ESA08000143"),
        ("ESA08000144", "ES", None),
        ("DE136695976", "DE", "DE136695976"),
        ("EL094259216", "GR", "EL094259216"),
        ("094259216", "GR", "EL094259216"),
        ("GB 980 7806 84", "GB", "980780684"),
        ("12-3456789", "NP", "123456789"),
    ],
)
def test_tax_id_is_judged_by_its_country(tax_id: str, country: str, written: str | None) -> None:
    assert tax_ids.written(tax_id, country) == written
    assert tax_ids.is_valid(tax_id, country) is (written is not None)
