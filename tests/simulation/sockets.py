"""
Connections between clients and gateways: two ordered streams, which break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World


class Request(NamedTuple):
    """
    What a client asks over its socket; `data` is the encoded request.
    """

    identifier: int
    number: int
    operation_id: str
    data: bytes


class Answer(NamedTuple):
    """
    The answer to a request, by its number; `code` 0 is success.
    """

    identifier: int
    number: int
    code: int
    data: bytes


class Pushed(NamedTuple):
    """
    A 2001 with one message.
    """

    conversation_id: str
    body: bytes


class Presence(NamedTuple):
    """
    A 2005 that nobody asked for at this moment.
    """

    data: bytes


class Greeting(NamedTuple):
    """
    The text frame that tells a client it is connected.
    """


class Kicked(NamedTuple):
    """
    A 2002.
    """


Frame = Answer | Pushed | Presence | Greeting | Kicked


class SocketUser(Protocol):
    """
    The client's end.
    """

    def on_open(self, socket: Socket) -> None:
        """Hear that the upgrade was answered."""
        ...

    def on_frame(self, socket: Socket, frame: Frame) -> None:
        """Hear a frame."""
        ...

    def on_closed(self, socket: Socket, code: int) -> None:
        """Hear that the connection is over, or was refused (`code` of the handshake's error, else 0)."""
        ...


class Socket:
    """
    One connection attempt and what comes of it.

    Delays are short against the second of quiet by which the server tells that a client has synced.
    """

    def __init__(self, world: World, user: SocketUser) -> None:
        self.on_request: Callable[[Request], None] = _ignore
        self.on_gone: Callable[[], None] = _nothing
        self.open = True
        """The client's end still reads and writes."""
        self._world = world
        self._user = user
        self._delay = world.scheduler.between(0.0005, 0.08)
        self._down_at = 0.0
        self._up_at = 0.0
        self._server_ended = False

    # --- the server's end

    def accept(self) -> None:
        """Answer the upgrade."""
        self._to_client(lambda: self._user.on_open(self))

    def write(self, frame: Frame) -> None:
        """Write a frame."""
        if not self._server_ended:
            self._to_client(lambda: self._user.on_frame(self, frame))

    def end(self, code: int = 0) -> None:
        """Close after what was written."""
        if not self._server_ended:
            self._server_ended = True
            self._to_client(lambda: self._close_client(code))

    def break_off(self) -> None:
        """Die: part of what was written does not arrive."""
        self._server_ended = True
        self.on_request, self.on_gone = _ignore, _nothing
        self._world.scheduler.later(self._world.scheduler.between(0, 0.1), lambda: self._close_client(0))

    # --- the client's end

    def send(self, request: Request) -> None:
        """Write a request."""
        if self.open:
            self._to_server(lambda: self.on_request(request))

    def close(self) -> None:
        """Close; the server hears of it."""
        if self.open:
            self.open = False
            self._to_server(self._gone)

    def vanish(self) -> None:
        """Go without a word: the server hears of it when its read deadline is over."""
        if self.open:
            self.open = False
            self._world.scheduler.later(self._world.scheduler.between(2.0, 20.0), self._gone)

    def cut(self) -> None:
        """Break in the middle: both ends hear of it, what was on its way is lost."""
        if self.open:
            self._close_client(0)
            self._world.scheduler.later(self._world.scheduler.between(0, 0.5), self._gone)

    # --- parts

    def _to_client(self, action: Callable[[], Any]) -> None:
        now = self._world.scheduler.now
        self._down_at = max(self._down_at, now + self._delay * self._world.scheduler.between(0.5, 1.5))

        def arrive() -> None:
            if self.open:
                action()

        self._world.scheduler.later(self._down_at - now, arrive)

    def _to_server(self, action: Callable[[], Any]) -> None:
        now = self._world.scheduler.now
        self._up_at = max(self._up_at, now + self._delay * self._world.scheduler.between(0.5, 1.5))
        self._world.scheduler.later(self._up_at - now, action)

    def _close_client(self, code: int) -> None:
        if self.open:
            self.open = False
            self._user.on_closed(self, code)

    def _gone(self) -> None:
        on_gone, self.on_gone, self.on_request = self.on_gone, _nothing, _ignore
        on_gone()


def _ignore(_request: Request) -> None:
    pass


def _nothing() -> None:
    pass
