"""
Limits of the wire, in bytes (OpenIM wire, §2.7).
"""

from __future__ import annotations

MAX_REQUEST_FRAME_BYTES = 51_200
"""A client's frame as read from the socket, compressed or not. A bigger one ends the connection."""

MAX_RESPONSE_FRAME_BYTES = 1 << 20
"""A server's frame as written to the socket. The Go client drops the connection at a bigger one."""

TARGET_RESPONSE_FRAME_BYTES = 900_000
"""Answers are cut to this, so that envelope and estimates can't carry a frame over the limit above."""

MAX_REQUEST_BYTES = 900_000
"""
A client's frame after decompression; a bigger one is refused before it is unpacked.

Chosen as the target of outgoing frames: what a client may send can then be delivered to every client, even to one that
did not ask for compression. Text shrinks five- to tenfold, so no honest 51,200-byte frame comes near it.
"""
