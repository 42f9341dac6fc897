"""
What the protocol package raises.
"""

from __future__ import annotations

from openim_ray.domain.errors import ArgsError, ConnectionArguments


class ProtocolError(ArgsError):
    """
    Bytes or JSON of a peer are not what the protocol says they are.

    A frame that raises this ends its connection (OpenIM wire, §2.2); a body or a message inside a good frame is
    answered with code 1001. The detail names the fault and never holds content.
    """


class HandshakeError(ConnectionArguments):
    """
    A handshake parameter is missing or wrong; the detail begins with its name (OpenIM wire, §1.3: code 1602).
    """
