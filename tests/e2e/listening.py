"""The sockets that processes hold, as the kernel lists them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LISTEN: Final = "0A"
ESTABLISHED: Final = "01"


class Socket(NamedTuple):
    """A TCP socket of a process."""

    pid: int
    state: str
    local: Address
    port: int
    peer: Address

    @property
    def is_closed_to_others(self) -> bool:
        """Whether both ends that are set are on loopback."""
        return _is_loopback(self.local) and (self.state == LISTEN or _is_loopback(self.peer))


def sockets(pids: Iterable[int]) -> list[Socket]:
    """Return the TCP sockets of processes that listen or are connected."""
    table = dict(_table())
    return [
        Socket(pid, *table[inode])
        for pid in pids
        for inode in _inodes(pid)
        if inode in table and table[inode][0] in (LISTEN, ESTABLISHED)
    ]


def _table() -> Iterator[
    tuple[
        str,
        tuple[str, Address, int, Address],
    ]
]:
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            yield fields[9], (fields[3], _address(address), int(port, 16), _address(fields[2].split(":")[0]))


def _address(text: str) -> Address:
    """Read an address as the kernel writes it: words of four bytes in the order of the machine."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _inodes(pid: int) -> Iterator[str]:
    try:
        descriptors = list(Path("/proc", str(pid), "fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _is_loopback(address: Address) -> bool:
    return address.is_loopback
