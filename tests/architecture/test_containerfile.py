"""The image is the one that the chart runs: who it is, where things lie, what it is told."""

import json

from tests.chart import pods, rendered, values
from tests.containerfile import ROOT, of, stages

BUILD, FINAL = stages()
PODS = [*pods(rendered(values("service"))), *pods(rendered(values("embedded")))]


def test_image_runs_as_the_user_that_the_chart_names() -> None:
    users = {f"{one.spec['securityContext']['runAsUser']}:{one.spec['securityContext']['runAsGroup']}" for one in PODS}

    assert users == set(of(FINAL, "USER"))
    assert {one.spec["securityContext"]["fsGroup"] for one in PODS} == {10001}


def test_image_has_the_command_that_the_chart_gives_arguments_to() -> None:
    (command,) = of(FINAL, "ENTRYPOINT")

    assert json.loads(command) == ["tiebeam"]
    assert [one.name for one in PODS if "command" in one.container] == []
    assert {one.container["args"][0] for one in PODS} == {"serve", "worker", "migrate"}


def test_image_tells_of_the_ports_that_the_chart_uses() -> None:
    used = {port["containerPort"] for one in PODS for port in one.container.get("ports", [])}

    assert {int(port) for port in of(FINAL, "EXPOSE")[0].split()} == used


def test_settings_and_data_lie_where_the_chart_mounts_them() -> None:
    (environment,), (made,) = of(FINAL, "ENV"), of(FINAL, "RUN")
    mounts = {mount["mountPath"] for one in PODS for mount in one.container["volumeMounts"]}

    assert "TIEBEAM_CONFIG=/etc/tiebeam/tiebeam.yaml" in environment.split()
    assert {"/etc/tiebeam/tiebeam.yaml", "/var/lib/tiebeam", "/tmp"} <= mounts  # noqa: S108 - in a pod of its own
    assert "/var/lib/tiebeam" in made


def test_base_of_every_stage_is_the_one_that_a_build_may_pin() -> None:
    bases = [base.split()[0] for stage in (BUILD, FINAL) for base in of(stage, "FROM")]

    assert bases == ["${PYTHON}", "${PYTHON}"]


def test_everything_is_installed_with_hashes_and_nothing_is_compiled() -> None:
    installed = [part for line in of(BUILD, "RUN") for part in line.split("&&") if "pip install" in part]
    fetched = [part for part in installed if "--no-index" not in part]

    assert len(fetched) == 2
    assert all("--require-hashes" in part and "--only-binary :all:" in part for part in fetched)
    assert not [line for line in of(FINAL, "RUN") if "pip" in line or "apt" in line]


def test_what_is_copied_is_there_and_let_through() -> None:
    kept = {line[1:] for line in (ROOT / ".containerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {name for line in of(BUILD, "COPY") for name in line.split()[:-1]}

    assert copied == kept
    assert [name for name in copied if not (ROOT / name).exists()] == []
