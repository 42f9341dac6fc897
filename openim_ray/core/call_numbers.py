"""
Numbers that only one incarnation of a process gives out.
"""

from __future__ import annotations

from zlib import crc32


def first_number(incarnation: str) -> int:
    """
    Return where an incarnation begins to count its calls and connections: 2^31 numbers of its own, below 2^63.

    An answer, or a push, that was meant for a process that died must mean nothing to the one that followed it.
    """
    return crc32(incarnation.encode()) << 31
