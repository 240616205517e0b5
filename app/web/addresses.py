"""Where a request comes from: the peer, or what a proxy that is trusted says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed; anybody else could write there what they like."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def client_address(self, peer: str, forwarded_for: str) -> str:
        """The last address on the way that is none of a trusted proxy; IPv4 as such, also where it came as IPv6."""
        address = _parse(peer)
        hops = [_parse(hop.strip()) for hop in forwarded_for.split(",")]
        while hops and hops[-1] is not None and self._trusts(address):
            address = hops.pop()
        return peer if address is None else str(address)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
