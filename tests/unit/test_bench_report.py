"""What is kept and shown of a run."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import picture, report
from bench.__main__ import PARTS
from bench.contenders import envoy
from bench.contenders.gateway import Installed
from bench.rounds import outside, quantile, spread
from bench.targets import TARGETS, Target, table

FIGURES = {
    "cached_gateway_per_s": spread([20_000.0, 21_000.0]),
    "cached_gateway_cpu_us": spread([30.0]),
    "cached_bare_per_s": spread([30_000.0]),
    "cached_bare_cpu_us": spread([20.0]),
}


@pytest.mark.parametrize(("rounds", "left_out"), [(1, 0), (5, 0), (6, 0), (9, 1), (12, 2), (20, 5)])
def test_interval_of_the_median_leaves_out_what_the_binomial_allows(rounds: int, left_out: int) -> None:
    assert outside(rounds) == left_out


def test_spread_of_nine_rounds_has_the_second_and_the_eighth() -> None:
    found = spread([9.0, 1, 2, 3, 4, 5, 6, 7, 8])

    assert found == (1, 5, 9, 2, 8)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_quantile_is_a_value_that_was_found(share: float, value: float) -> None:
    assert quantile([float(number) for number in range(100, 0, -1)], share) == value


def test_target_is_met_on_its_own_side() -> None:
    least, most = Target(0.7, is_least=True), Target(150, is_least=False)

    assert [least.is_met(0.7), least.is_met(0.69), most.is_met(150), most.is_met(151)] == [True, False, True, False]


def test_table_says_beside_a_figure_whether_it_is_met() -> None:
    shown = table({"cached_vs_bare": spread([0.8]), "uncached_added_cpu_us": spread([200.0]), "other": spread([1.0])})

    assert "≥ 0.7: met" in shown
    assert "≤ 150: MISSED" in shown
    assert shown.splitlines()[-1].endswith("1.00")


def test_report_of_one_part_leaves_the_others_and_drops_what_is_no_longer_taken() -> None:
    before = report.joined({}, {"cached": {"gone": spread([1.0])}, "egress": {"egress_x": spread([2.0])}}, 9)

    after = report.joined(before, {"cached": {"cached_vs_bare": spread([0.75])}}, 11)

    assert after["figures"] == {"egress_x": 2.0, "cached_vs_bare": 0.75}
    assert after["targets"] == {"cached_vs_bare": {"target": "≥ 0.7", "met": True}}
    assert {name: part["rounds"] for name, part in after["parts"].items()} == {"cached": 11, "egress": 9}


def test_kept_results_can_be_read_again(tmp_path: Path) -> None:
    report.keep({"cached": FIGURES}, 9, tmp_path)
    file = report.keep({"egress": {"egress_x": spread([2.0])}}, 9, tmp_path)

    assert json.loads(file.read_text())["figures"]["cached_bare_per_s"] == 30_000
    assert "Tiebeam" in Path(tmp_path, report.PICTURE).read_text()


def test_results_of_this_repository_name_only_parts_that_there_are() -> None:
    kept = json.loads(Path(report.RESULTS, report.LATEST).read_text())

    assert kept["parts"].keys() <= PARTS.keys()
    assert kept["targets"].keys() <= TARGETS.keys()


def test_picture_has_a_bar_for_whoever_was_measured_the_fastest_first() -> None:
    drawn = ET.fromstring(picture.drawn(FIGURES))  # noqa: S314 - our own

    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")
    assert [bar.get("class") for bar in bars] == ["theirs", "ours"]


def test_envoy_takes_the_token_away_before_its_cache_and_asks_our_issuer(tmp_path: Path) -> None:
    config = tmp_path / "tiebeam.yaml"
    config.write_text("issuers: [{issuer: https://idp.example, audience: tiebeam}]")
    Path(tmp_path, "data").mkdir()
    Path(tmp_path, "data/development-jwks.json").write_text('{"keys": []}')

    made = envoy.config(1, Installed(config, "token"), "http://127.0.0.1:2/answer", keeping=True)

    manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    names = [one["name"] for one in manager["http_filters"]]
    assert names == ["jwt_authn", "local_ratelimit", "cache", "router"]
    provider = manager["http_filters"][0]["typed_config"]["providers"]["ours"]
    assert provider["forward"] is False
    assert provider["audiences"] == ["tiebeam"]
