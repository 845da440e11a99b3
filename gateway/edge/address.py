"""Whose network address a call comes from, past the proxies that the installation names; no other is believed."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from gateway.policy.call import Call

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
OWN_BITS: Final = 64
"""Of an IPv6 address: one household or host has a whole network of them."""
WITH_PORT: Final = re.compile(r"\[([^\[\]]*)\](?::\d+)?\Z|([^:\[\]]*):\d+\Z").match
"""Some proxies write the port too, in the form of RFC 7239 §6."""
NOWHERE: Final = "unknown"


class Addresses:
    """Reads addresses. A proxy appends to `X-Forwarded-For` whom it heard from, so the last ones are the nearest."""

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        self._trusted: tuple[Network, ...] = tuple(ip_network(each) for each in trusted_proxies)

    def of(self, call: Call) -> str:
        """Return the nearest address that is no trusted proxy's, as quotas name it."""
        client = call.scope.get("client")
        nearest = _read(str(client[0])) if client else None
        if nearest is None:
            return NOWHERE
        forwarded = b",".join(call.all(b"x-forwarded-for")).split(b",")
        while forwarded and self._is_trusted(nearest):
            before = _read(forwarded.pop().strip().decode("latin-1"))
            if before is None:
                break
            nearest = before
        return _named(nearest)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted if network.version == address.version)


def _read(text: str) -> Address | None:
    with_port = WITH_PORT(text)
    try:
        address = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _named(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> OWN_BITS << OWN_BITS, OWN_BITS)))
    return str(address)
