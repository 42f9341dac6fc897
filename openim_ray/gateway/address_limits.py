"""
Client addresses: who is counted, behind which proxies.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


REFUSED_AT_ONCE = 64
"""Connections above a limit that may still be accepted, of one address and in all: those hear why they are refused (1601)."""


class AcceptLimits:
    """
    Counts the connections of a listener from the moment they are accepted, whether they ever say anything or not.

    Trusted proxies count as no address; their clients are counted when they are known, by `AddressLimits`.
    Limits: `connections_max` in all and `per_address_max` for each address, and `REFUSED_AT_ONCE` more of both.
    """

    def __init__(self, connections_max: int, per_address_max: int, trusted_proxies: Sequence[str]) -> None:
        self._connections_max = connections_max + REFUSED_AT_ONCE
        self._addresses = AddressLimits(per_address_max + REFUSED_AT_ONCE, trusted_proxies)
        self._connections = 0

    def enter(self, address: str) -> bool:
        """Count a connection in; False if there is no room for it."""
        if self._connections >= self._connections_max:
            return False
        if not self._addresses.is_trusted(address) and not self._addresses.enter(address):
            return False
        self._connections += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self._connections -= 1
        if not self._addresses.is_trusted(address):
            self._addresses.leave(address)


class AddressLimits:
    """
    Counts connections per client address.

    The forwarded address counts only when the peer is a trusted proxy; of a chain, the last one that is not a trusted proxy.
    Limit: `connections_max` per address (0 = none); a further one is refused with 1601.
    """

    def __init__(self, connections_max: int, trusted_proxies: Sequence[str]) -> None:
        self._connections_max = connections_max
        self._trusted: list[Network] = [ipaddress.ip_network(one, strict=False) for one in trusted_proxies]
        self._connections: Counter[str] = Counter()

    def client_address(self, request: web.Request) -> str:
        """Return the address a request counts for."""
        address = request.remote or ""
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        while self.is_trusted(address) and hops:
            hop = hops.pop().strip()
            if not _is_address(hop):
                break
            address = hop
        return address

    def enter(self, address: str) -> bool:
        """Count a connection in; False if the address has as many as it may."""
        if self._connections_max and self._connections[address] >= self._connections_max:
            return False
        self._connections[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self._connections[address] -= 1
        if self._connections[address] <= 0:
            del self._connections[address]

    def is_trusted(self, address: str) -> bool:
        """Tell whether an address is a proxy that is believed."""
        if not self._trusted or not _is_address(address):
            return False
        one = ipaddress.ip_address(address)
        return any(one in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
