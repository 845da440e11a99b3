"""Rows of the kind `upstream`: planned for connections, the closest one whole."""

import pytest
import yaml

from gateway.policy.document import PolicyError, Row, load, policies_of
from gateway.policy.kinds.upstream import Upstream
from gateway.policy.plan import connection_policies
from gateway.shipped import shipped
from gateway.write_round import WriteSettings

ROW = """
kind: upstream
quota: {rate: 50, burst: 50, concurrency: 8, interactive_share: 0.5, when_unavailable: refuse}
patience: {deadline_s: 20, connect_s: 2, read_retries: 3}
circuit: {failures: 5, open_s: 10}
cache_s: 15
"""


def rows(*changes: dict[str, object]) -> list[Row]:
    return policies_of("30-upstreams.yaml", [yaml.safe_load(ROW) | change for change in changes])


def test_row_that_names_the_connection_wins_whole() -> None:
    found = connection_policies(
        rows(
            {"match": {"connections": ["books"]}, "cache_s": 1},
            {"match": {"connections": ["b*"]}, "cache_s": 2},
            {"cache_s": 3},
        ),
        Upstream,
        ["books", "bills", "delivery"],
    )

    names = {name: policy.cache_s for name, policy in found.items() if isinstance(policy, Upstream)}
    assert names == {"books": 1, "bills": 2, "delivery": 3}


def test_shipped_row_is_for_every_connection_and_ends_before_the_guard_gives_up() -> None:
    found = connection_policies(load(shipped("policies")), Upstream, ["books"])["books"]

    assert isinstance(found, Upstream)
    assert (found.terms.quota, found.terms.circuit) == (found.quota, found.circuit)
    assert found.terms.patience.deadline_s < WriteSettings().send_s


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"patience": {"deadline_s": 61, "connect_s": 2, "read_retries": 3}}, "patience.deadline_s"),
        ({"quota": {"rate": 50, "burst": 50, "concurrency": 8, "interactive_share": 0.5}}, "quota"),
        ({"circuit": {"failures": 5, "open_s": 10, "opens": 1}}, "circuit"),
        ({"cache_s": -1}, "cache_s"),
    ],
)
def test_row_that_does_not_hold_stops_the_start_with_its_field(change: dict[str, object], where: str) -> None:
    with pytest.raises(PolicyError, match=rf"30-upstreams\.yaml, row 1 \(upstream\), field {where}: "):
        rows(change)


def test_connection_without_a_row_stops_the_start() -> None:
    with pytest.raises(PolicyError, match="delivery: no row of the kind upstream is for this connection"):
        connection_policies(rows({"match": {"connections": ["books"]}}), Upstream, ["books", "delivery"])
