"""Templates of the installation: what loads, and what stops the start, with file and field."""

from pathlib import Path

import pytest

from gateway.shipped import shipped
from process_apis.project_onboarding.templates import TemplateError, load_templates

SAMPLES = shipped("sample") / "templates"
PLAIN = "code: internal\nversion: 2\nname: Internal\nproject_type: internal\n"


def test_sample_loads_with_its_tree_parents_first() -> None:
    sample = load_templates(SAMPLES)["delivery_standard"]

    assert [(task.code, parent and parent.code) for task, parent in sample.walk()] == [
        ("discovery", None),
        ("delivery", None),
        ("build", "delivery"),
        ("test", "delivery"),
        ("handover", None),
    ]
    assert sample.required_dimensions == ("department",)


def test_folder_that_is_not_there_has_no_templates(tmp_path: Path) -> None:
    assert load_templates(tmp_path / "templates") == {}


def test_every_mistake_of_every_file_is_named_with_file_and_field(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("code: A B\nversion: 0\nname: x\nproject_type: x\ntasks: [{code: one}]\n")
    (tmp_path / "b.yaml").write_text("code: [")
    (tmp_path / "c.yaml").write_text("- 1")
    (tmp_path / "d.yaml").write_text(PLAIN)
    (tmp_path / "f.yaml").write_text(PLAIN + "version: 3\n")
    (tmp_path / "e.yaml").write_text(PLAIN + "tasks: [{code: one, name: A, tasks: [{code: one, name: B}]}]\n")

    with pytest.raises(TemplateError) as error:
        load_templates(tmp_path)

    said = str(error.value)
    for part in ("a.yaml: code: ", "a.yaml: version: ", "a.yaml: tasks.0: ", "b.yaml cannot be read"):
        assert part in said
    assert "f.yaml cannot be read: line 5: the key version stands on line 2 already." in said
    for part in ("c.yaml: the document: ", "e.yaml: code: internal is taken", "e.yaml: one names two parts"):
        assert part in said
