"""Whose address a call comes from: chains of proxies, what callers write there themselves, and garbage."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.address import NOWHERE, Addresses
from gateway.edge.governed import PAGE
from gateway.policy.call import Call

PROXIES = ("10.0.0.0/8", "fd00::/8")


def call_from(client: str | None, *forwarded: str) -> Call:
    """Return a call of that peer, with those fields of `X-Forwarded-For`."""

    async def read(_call: Call) -> bytes:
        return b""

    fields = [(b"x-forwarded-for", field.encode("latin-1")) for field in forwarded]
    return Call(PAGE, {"client": (client, 40_000) if client is not None else None, "headers": fields}, read)


def address(client: str | None, *forwarded: str, trusted: Sequence[str] = PROXIES) -> str:
    """Return the address that quotas are charged by."""
    return Addresses(trusted).of(call_from(client, *forwarded))


@pytest.mark.parametrize(
    ("client", "forwarded", "found"),
    [
        ("198.51.100.7", (), "198.51.100.7"),
        ("10.1.1.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.1.1.1", ("198.51.100.7, 10.2.2.2",), "198.51.100.7"),
        ("10.1.1.1", ("198.51.100.7,10.3.3.3 ,\t10.2.2.2",), "198.51.100.7"),
        ("10.1.1.1", ("198.51.100.7", "10.2.2.2"), "198.51.100.7"),
        ("fd00::1", ("198.51.100.7, fd00::2",), "198.51.100.7"),
        ("::ffff:10.1.1.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.1.1.1", ("::ffff:198.51.100.7",), "198.51.100.7"),
    ],
)
def test_address_is_the_nearest_that_is_no_trusted_proxys(client: str, forwarded: Sequence[str], found: str) -> None:
    assert address(client, *forwarded) == found


@pytest.mark.parametrize("spoofed", ["203.0.113.9", "10.9.9.9", "127.0.0.1", "unknown", "", "::1", "a" * 3000])
def test_what_callers_write_in_front_of_their_own_address_is_not_believed(spoofed: str) -> None:
    assert address("10.1.1.1", f"{spoofed}, 198.51.100.7") == "198.51.100.7"
    assert address("10.1.1.1", spoofed, "198.51.100.7, 10.2.2.2") == "198.51.100.7"


def test_peer_that_is_no_proxy_is_not_believed_at_all() -> None:
    assert address("198.51.100.7", "203.0.113.9") == "198.51.100.7"
    assert address("10.1.1.1", "203.0.113.9", trusted=()) == "10.1.1.1"


@pytest.mark.parametrize(
    "garbage", ["unknown", "_hidden", "", " ", "10.0.0", "10.0.0.1.2", "198.51.100.07", "\xff", "*"]
)
def test_what_a_proxy_wrote_and_nobody_can_read_leaves_the_proxy(garbage: str) -> None:
    assert address("10.1.1.1", f"198.51.100.7, {garbage}") == "10.1.1.1"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("198.51.100.7:40000", "198.51.100.7"),
        ("[2001:db8::1]:40000", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
    ],
)
def test_port_that_some_proxies_write_is_no_part_of_the_address(written: str, found: str) -> None:
    assert address("10.1.1.1", written) == found


def test_chain_of_nothing_but_proxies_is_the_first_of_them() -> None:
    assert address("10.1.1.1", "10.3.3.3, 10.2.2.2") == "10.3.3.3"


@pytest.mark.parametrize("client", [None, "", "nonsense", "/run/gateway.sock"])
def test_peer_without_an_address_has_one_quota_with_the_others(client: str | None) -> None:
    assert address(client, "198.51.100.7") == NOWHERE


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_network_of_ipv6_is_one_address(client: str, network: str) -> None:
    assert address(client, trusted=()) == network


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_nobody_has_more_than_one_quota_in_a_network_of_ipv6(network: int, one: int, other: int) -> None:
    first, second = (address(str(IPv6Address(network << 64 | host)), trusted=()) for host in (one, other))

    assert first == second


@given(st.ip_addresses(v=4))
def test_address_of_ipv4_is_the_same_in_both_spellings(one: IPv4Address) -> None:
    assert address(str(one), trusted=()) == address(f"::ffff:{one}", trusted=()) == str(one)


@given(st.lists(st.text(max_size=40), max_size=6), st.ip_addresses(v=4).filter(lambda one: str(one)[:3] != "10."))
def test_whatever_stands_before_the_nearest_address_it_is_found(before: list[str], nearest: IPv4Address) -> None:
    spoofed = ",".join(before).encode("utf-8", "replace").decode("latin-1")

    assert address("10.1.1.1", spoofed, str(nearest)) == str(nearest)


@given(st.binary(max_size=200), st.ip_addresses())
def test_reading_an_address_never_fails(field: bytes, peer: IPv4Address | IPv6Address) -> None:
    found = address(str(peer), field.decode("latin-1"), trusted=("0.0.0.0/0", "::/0"))

    assert ip_address(found.partition("/")[0])
