"""
The process of a gateway: performs what its hub wants done, on sockets, links and the message store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from openim_ray.core import items
from openim_ray.core.failures import INTERNAL_ERROR
from openim_ray.core.gateway.hub import Close, Completed, Effect, Hub, KickOut, Push, ReadRun
from openim_ray.core.gateway.watches import Known, ShowPresence, StatusChanged
from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.errors import OpenIMError
from openim_ray.gateway.connection import BINARY, GOING_AWAY, PING, Connection, frame
from openim_ray.gateway.deadlines import Deadlines
from openim_ray.gateway.rate_limit import RateLimit
from openim_ray.gateway.runs import RunReader
from openim_ray.protocol.frames import Response
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.messages import presence_tips, push_messages
from openim_ray.services.presence import status_notification

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from openim_ray.core.gateway.session import Run
    from openim_ray.gateway.deadlines import Times
    from openim_ray.ports import MessageReader
    from openim_ray.protocol.encoding import Encoding

log = structlog.get_logger(__name__)

CLOSES_PER_SECOND = 200
CLOSES_AT_ONCE = 50
"""Connections closed so that their clients sync: after a break that concerns many, they must not all come back at one moment."""

SWEEP_SECONDS = 1.0


class Context(Protocol):
    """
    Who waits for a request.
    """

    def complete(self, reply: items.Accepted | items.Reply | None, error: OpenIMError | None) -> None:
        """Hear how it ended; called once."""
        ...


class GatewayProcess:
    """
    Owner of a hub and its connections.

    After anything that told the hub something, `perform` must be called; it never waits.
    """

    def __init__(
        self,
        hub: Hub,
        reader: MessageReader,
        send: Callable[[str, items.AnyItem], None],
        flush: Callable[[], None],
        wall_ms: Callable[[], int],
        times: Times,
    ) -> None:
        self.hub = hub
        self.connections: dict[int, Connection] = {}
        self.pushes = 0
        self.presence_pushes = 0
        self._slow = 0
        self.runs_read = 0
        self._runs = RunReader(reader)
        self._send = send
        self._flush = flush
        self._wall_ms = wall_ms
        self._deadlines = Deadlines(times)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_flush: list[Connection] = []
        self._next_sweep = 0.0
        self._to_close: dict[int, str] = {}
        self._closes = RateLimit(CLOSES_PER_SECOND, CLOSES_AT_ONCE, self._loop.time())

    @property
    def slow_clients(self) -> int:
        """Connections cut off because they read too slowly, or nothing."""
        return self._slow + self._deadlines.stalled

    # --- what happens

    def receive(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Handle items of a peer."""
        self.hub.receive(peer, batch, self._wall_ms())
        self.perform()

    def link_reset(self, peer: str) -> None:
        """Go on after a link began anew."""
        self.hub.link_reset(peer, self._wall_ms())
        self.perform()

    def tick(self) -> None:
        """Do what is due."""
        now = self._loop.time()
        self.hub.tick(now)
        self.perform()
        self._close_some()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            for connection in self._deadlines.sweep(list(self.connections.values()), now):
                self._queue(connection, frame(PING, b""))
            self.flush()

    def add(self, connection: Connection) -> None:
        """Take a connection."""
        self.connections[connection.number] = connection

    def set_background(self, number: int, *, background: bool) -> None:
        """Note whether the app of a connection is in the background."""
        self.hub.set_background(number, self._wall_ms(), background=background)
        self.perform()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is read no more; what its socket has not taken yet has the write deadline to leave."""
        connection.gone = True
        self.connections.pop(connection.number, None)
        self._deadlines.leave(connection, self._loop.time())
        self.hub.close(connection.number)
        self.perform()

    def write(self, connection: Connection, response: Response) -> None:
        """Let a response leave with the next flush."""
        self._queue(connection, frame(BINARY, connection.encoding.encode_response(response)))

    def flush(self) -> None:
        """Write everything that waits, one write per connection."""
        now = self._loop.time()
        waiting, self._to_flush = self._to_flush, []
        for connection in waiting:
            if not connection.flush(now):
                self._slow += 1
                log.info("slow client cut off", user=connection.user_id)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task that this process owns."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    # --- what the hub wants done

    def perform(self) -> None:
        """
        Do what the hub wants done: effects, then items, then one write per connection.

        A fault in one effect leaves the others alone; who has missed a push is closed and syncs.
        """
        while effects := self.hub.take_effects():
            for effect in effects:
                if not self.hub.failures.attempt(type(effect).__name__, self._apply, effect):
                    self._failed(effect)
        for failure in self.hub.failures.take():
            log.error("item failed", **failure._asdict())
        for peer, item in self.hub.take_items():
            self._send(peer, item)
        self._flush()
        if self._to_flush:
            self.flush()

    def _apply(self, effect: Effect) -> None:
        if isinstance(effect, Push):
            self._push(effect)
        elif isinstance(effect, Completed):
            effect.context.complete(effect.reply, effect.error)  # type: ignore[attr-defined]
        elif isinstance(effect, ReadRun):
            self.runs_read += 1
            self.spawn(self._read(effect.run))
        elif isinstance(effect, KickOut):
            self._kick(effect.connection)
        elif isinstance(effect, Close):
            self.close_for_sync(effect.connection, effect.reason)
        elif isinstance(effect, ShowPresence):
            self._show_presence(effect)
        elif isinstance(effect, StatusChanged):
            self._notify_status(effect)
        elif isinstance(effect, Known):
            effect.context.known()  # type: ignore[attr-defined]

    def _failed(self, effect: Effect) -> None:
        if isinstance(effect, Push):
            for number in effect.connections:
                # At once: its session takes the message for written, and what follows must not be.
                self.close(number, INTERNAL_ERROR)
        elif isinstance(effect, ShowPresence | StatusChanged):
            for number in effect.connections:
                # It subscribes anew when it comes back, and is answered with what it has missed.
                self.close_for_sync(number, INTERNAL_ERROR)
        elif isinstance(effect, ReadRun):
            self.hub.run_failed(effect.run)

    def _push(self, push: Push) -> None:
        framed: dict[Encoding, bytes] = {}
        data = b""
        for number in push.connections:
            connection = self.connections.get(number)
            if connection is None:
                continue
            one = framed.get(connection.encoding)
            if one is None:
                if not data:
                    notification = is_notification_stream(push.conversation_id)
                    data = push_messages(push.conversation_id, (push.body,), notification=notification)
                response = Response(RequestIdentifier.PUSH_MSG, operation_id=push.operation_id, data=data)
                one = framed[connection.encoding] = frame(BINARY, connection.encoding.encode_response(response))
            self.pushes += 1
            self._queue(connection, one)

    def _show_presence(self, shown: ShowPresence) -> None:
        framed: dict[Encoding, bytes] = {}
        data = b""
        for number in shown.connections:
            connection = self.connections.get(number)
            if connection is None:
                continue
            one = framed.get(connection.encoding)
            if one is None:
                data = data or presence_tips(shown.states)
                response = Response(RequestIdentifier.SUB_USER_ONLINE_STATUS, data=data)
                one = framed[connection.encoding] = frame(BINARY, connection.encoding.encode_response(response))
            self.presence_pushes += 1
            self._queue(connection, one)

    def _notify_status(self, changed: StatusChanged) -> None:
        for number in changed.connections:
            connection = self.connections.get(number)
            if connection is None:
                continue
            stream, body = status_notification(
                changed.user_id, connection.user_id, changed.platform_id, self._wall_ms(), online=changed.online
            )
            data = push_messages(stream, (body,), notification=True)
            self.pushes += 1
            self.write(connection, Response(RequestIdentifier.PUSH_MSG, data=data))

    def _kick(self, number: int) -> None:
        connection = self.connections.get(number)
        if connection is None:
            return
        log.info("kicked", user=connection.user_id, platform=connection.platform_id)
        self.write(connection, Response(RequestIdentifier.KICK_ONLINE))
        connection.drop(self._loop.time())
        # It stays in `connections` until its socket is gone: one that does not read is cut off by the sweep.
        self.hub.close(number)

    def close_for_sync(self, number: int, reason: str) -> None:
        """Close a connection so that its client comes back and syncs; many closes are spread in time, as all of them come back."""
        self._to_close[number] = reason
        self._close_some()

    def _close_some(self) -> None:
        now = self._loop.time()
        while self._to_close:
            number = next(iter(self._to_close))
            if number in self.connections and not self._closes.allows(now):
                return
            self.close(number, self._to_close.pop(number))

    def close(self, number: int, reason: str) -> None:
        """Close a connection now; its client comes back."""
        connection = self.connections.get(number)
        if connection is None:
            return
        log.info("closed", user=connection.user_id, reason=reason)
        connection.end(GOING_AWAY, self._loop.time())

    async def _read(self, run: Run) -> None:
        try:
            rows = await self._runs.read(run)
        except OpenIMError as error:
            log.warning("run not readable", error=repr(error))
            self.hub.run_failed(run)
        except Exception as error:  # noqa: BLE001 - whatever it was, the sessions must not wait for ever
            log.error("run not readable", error=repr(error))
            self.hub.run_failed(run)
        else:
            self.hub.run_read(run, rows)
        self.perform()

    # --- parts

    def _queue(self, connection: Connection, framed: bytes) -> None:
        if connection.queue(framed):
            self._to_flush.append(connection)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", error=repr(error))
