"""The alert rules as Prometheus itself reads and evaluates them, with promtool. A new case is an entry of the data."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.promtool
ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "helm" / "tiebeam" / "files" / "alerts.yaml"
CASES: Final = Path(__file__).parent / "testdata" / "alerts.yaml"
PATIENCE_S: Final = 300


@pytest.fixture(scope="module")
def promtool() -> str:
    """Return where promtool is; skip where it is missing, fail where it was to be there."""
    found = shutil.which("promtool")
    if found is None:
        message = "promtool is missing; as root, examples/servers/install_promtool.sh installs it."
        if "promtool" in os.environ.get("TIEBEAM_REQUIRE", ""):
            pytest.fail(message)
        pytest.skip(message)
    return found


def told(*command: str | Path) -> tuple[int, str]:
    """Return how the command ended, and what it said."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)  # noqa: S603 - the tool that was found
    return ended.returncode, ended.stdout + ended.stderr


def test_prometheus_takes_every_rule(promtool: str) -> None:
    code, said = told(promtool, "check", "rules", RULES)

    assert code == 0, said
    assert f"{len(re.findall(r'- alert:', RULES.read_text('utf-8')))} rules found" in said


def test_rules_alert_when_they_should_and_say_what_they_should(promtool: str) -> None:
    code, said = told(promtool, "test", "rules", CASES)

    assert code == 0, said


def test_rule_that_alerts_too_late_is_found(promtool: str, tmp_path: Path) -> None:
    late = tmp_path / "alerts.yaml"
    late.write_text(RULES.read_text("utf-8").replace("for: 2m", "for: 20m"), "utf-8")
    cases = tmp_path / "cases.yaml"
    cases.write_text(re.sub(r"rule_files: .*", f"rule_files: [{late}]", CASES.read_text("utf-8")), "utf-8")

    code, said = told(promtool, "test", "rules", cases)

    assert code == 1
    assert "TiebeamDown" in said
