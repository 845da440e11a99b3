"""The installation's mappings: what does not hold stops the start, with every file, line and field."""

from pathlib import Path

import pytest

from process_apis.ledger.mappings import FILES, MappingError, load_mappings

GOOD = "version: 1\nrows: []\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(GOOD)
    return tmp_path


def test_files_that_hold_are_read(folder: Path) -> None:
    assert load_mappings(folder).accounts == ()


def test_every_file_that_does_not_hold_is_named_with_its_place(folder: Path) -> None:
    (folder / "accounts.yaml").write_text(GOOD + "version: 2\n")
    (folder / "items.yaml").write_text("version: 1\nrows:\n- item: A\n  kind: labor\n  kind: expense\n")
    (folder / "people.yaml").unlink()
    (folder / "taxes.yaml").write_text("version: 1\nrows: [{legal_entity: ES01}]\n")

    with pytest.raises(MappingError) as error:
        load_mappings(folder)

    accounts, items, people, *taxes = str(error.value).splitlines()
    assert accounts == f"{folder}/accounts.yaml cannot be read: line 3: the key version stands on line 1 already."
    assert items == f"{folder}/items.yaml cannot be read: line 5: the key kind stands on line 4 already."
    assert people.startswith(f"{folder}/people.yaml cannot be read: ")
    assert all(line.startswith(f"{folder}/taxes.yaml: rows.0: ") for line in taxes)
    assert taxes
