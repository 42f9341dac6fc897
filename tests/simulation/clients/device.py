"""
What all clients have in common: a token, a connection that is made again, requests with deadlines, sends that are repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openim_ray.domain import errors
from openim_ray.domain.conversation import single_chat_id
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from tests.simulation import presence
from tests.simulation.coroutines import Future, start
from tests.simulation.gateways import Login
from tests.simulation.groups import CHAT, GROUP
from tests.simulation.messages import AT_TEXT, TEXT, TYPING, seen
from tests.simulation.sockets import Answer, Frame, Greeting, Kicked, Presence, Pushed, Request, Socket

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from openim_ray.core.gateway.session import ClientKind
    from tests.simulation.world import World

REQUEST_SECONDS_MAX = 10.0
REFUSED = {
    errors.BlockedByPeer.code,
    errors.NotInGroupYet.code,
    errors.GroupIDNotFound.code,
    errors.DismissedAlready.code,
}
TOKEN_IS_OVER = {errors.TokenKicked.code, errors.TokenNotExist.code}


class RequestFailed(Exception):
    """
    A request was answered by an error (`code`), or not at all (0).
    """

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


class Device:
    """
    A client of one user on one platform. Subclasses know how it syncs.

    Args:
        clock_offset_ms: its own clock; a day off at times.
    """

    kind: ClientKind
    retry_seconds: tuple[float, ...] = (5.0,)
    wants_greeting = True

    def __init__(self, world: World, user_id: str, platform_id: int, clock_offset_ms: int) -> None:
        self.world = world
        self.user_id = user_id
        self.platform_id = platform_id
        self.name = f"{user_id}/{platform_id}/{self.kind.value}{world.next_number()}"
        self.clock_offset_ms = clock_offset_ms
        self.digest = ""
        self.wanted = False
        self.socket: Socket | None = None
        self.connected = False
        self.unread: dict[str, int] = {}
        self.sees: dict[str, tuple[int, ...]] = {}
        self.background = False
        self.sending = 0
        self._logging_in = False
        self._attempt = 0
        self._life = 0
        self._requests: dict[int, Future[bytes]] = {}
        self._numbers = 0
        self._when_connected: Future[None] = Future()

    # --- life

    def log_in(self) -> None:
        """Get a token and connect."""
        if self.world.closing:
            return
        self.wanted = True
        if self.digest:
            self._connect()
        elif not self._logging_in:
            self._logging_in = True
            self.spawn(self._log_in())

    async def _log_in(self) -> None:
        while self.wanted:
            digest = await self.world.tokens.issue(self)
            if digest:
                self.digest = digest
                break
            await self.sleep(1.0)
        self._logging_in = False
        self._connect()

    def go_offline(self, *, silently: bool) -> None:
        """Close, or lose the network without a word."""
        self.wanted = False
        if self.socket is not None:
            socket = self.socket
            if silently:
                socket.vanish()
            else:
                socket.close()
            self._disconnected(socket)

    def come_online(self) -> None:
        """Connect again with the token it has."""
        if self.wanted or self.world.closing:
            return
        self.log_in()

    def try_now(self) -> None:
        """Connect at once instead of a little later, if it waits for that."""
        if self.wanted:
            self._connect()

    def restart(self) -> None:
        """Start the application anew; what it had under way is forgotten."""
        self.go_offline(silently=True)
        self._life += 1
        self._logging_in = False
        self.sending = 0
        self.forget()
        self.world.scheduler.later(0.2, self.come_online)

    def forget(self) -> None:
        """Lose what is kept in memory only."""

    @property
    def logged_out(self) -> bool:
        """Tell whether it was kicked and stays away."""
        return not self.wanted

    # --- connecting

    def _connect(self) -> None:
        if not self.wanted or not self.digest or self.socket is not None:
            return
        socket = Socket(self.world, self)
        self.socket = socket
        gateway = self.world.any_gateway()
        delay = self.world.scheduler.between(0.001, 0.1)
        if gateway is None:
            self.world.scheduler.later(delay, lambda: self.on_closed(socket, 0))
            return
        login = Login(self.user_id, self.platform_id, self.digest, self.kind, self.wants_greeting, self.background)

        def arrive() -> None:
            if gateway.up:
                gateway.run(lambda: gateway.accept(socket, login))
            else:
                self.on_closed(socket, 0)

        self.world.scheduler.later(delay, arrive)
        self.world.scheduler.later(30.0, lambda: self._give_up(socket))

    def _give_up(self, socket: Socket) -> None:
        if self.socket is socket and not self.connected:
            socket.close()
            self.on_closed(socket, 0)

    def on_open(self, socket: Socket) -> None:
        """Hear that the upgrade was answered."""
        if socket is self.socket and not self.wants_greeting:
            self._now_connected()

    def _now_connected(self) -> None:
        if not self.connected:
            self.connected = True
            self._attempt = 0
            self.world.trace(self, "connected", "")
            self.on_connected()
            if self.world.settings.watchers:
                self.sees.clear()
                # Also because it may have looked away since it began to connect.
                self.look_away(background=self.background)
                self.spawn(self._subscribe())
            waiting, self._when_connected = self._when_connected, Future()
            waiting.resolve(None)

    def on_closed(self, socket: Socket, code: int) -> None:
        """Hear that the connection is over or was refused."""
        if socket is not self.socket:
            return
        self.world.trace(self, "closed", code)
        self._disconnected(socket)
        if code in TOKEN_IS_OVER:
            self._logged_out()
        elif self.wanted:
            wait = self.retry_seconds[self._attempt % len(self.retry_seconds)]
            self._attempt += 1
            self.world.scheduler.later(wait, self._connect)

    async def _subscribe(self) -> None:
        still = self.while_connected()
        while still():
            try:
                await presence.subscribe(self)
            except RequestFailed:
                await self.sleep(1.0)
            else:
                return

    async def _go_to_background(self, background: bool) -> None:
        try:
            await presence.goes_to_background(self, background=background)
        except RequestFailed:
            # It says so with the next connect, or is asked for it once more.
            return

    def look_away(self, *, background: bool) -> None:
        """Put the application into the background, or take it out."""
        self.spawn(self._go_to_background(background))

    def _disconnected(self, socket: Socket) -> None:
        socket.open = False
        self.socket = None
        self.connected = False
        requests, self._requests = self._requests, {}
        for future in requests.values():
            future.fail(RequestFailed())

    def _logged_out(self) -> None:
        self.wanted = False
        self.world.oracle.kicked(self.user_id, self.platform_id, self.digest)
        self.digest = ""

    # --- frames

    def on_frame(self, socket: Socket, frame: Frame) -> None:
        """Hear a frame."""
        if socket is not self.socket:
            return
        if isinstance(frame, Answer):
            future = self._requests.pop(frame.number, None)
            if future is None:
                return
            if frame.code:
                future.fail(RequestFailed(frame.code))
            else:
                future.resolve(frame.data)
        elif isinstance(frame, Pushed):
            self.world.trace(self, "pushed", (frame.conversation_id, seen(frame.body).seq))
            self.on_push(frame.conversation_id, frame.body)
        elif isinstance(frame, Presence):
            presence.take(self, frame.data)
        elif isinstance(frame, Greeting):
            self._now_connected()
        elif isinstance(frame, Kicked):
            self.world.trace(self, "kicked", "")
            socket.close()
            self._disconnected(socket)
            self._logged_out()

    def ask(self, identifier: RequestIdentifier, data: bytes, seconds: float = REQUEST_SECONDS_MAX) -> Future[bytes]:
        """Ask the server; RequestFailed if there is no connection, no answer in time, or an error."""
        future: Future[bytes] = Future()
        if self.socket is None or not self.connected:
            future.fail(RequestFailed())
            return future
        self._numbers += 1
        number = self._numbers
        self._requests[number] = future
        self.world.trace(self, "asks", (identifier.name, number))
        self.socket.send(Request(identifier, number, f"{self.name}-{number}", data))
        self.world.scheduler.later(seconds, lambda: self._timed_out(number))
        return future

    def _timed_out(self, number: int) -> None:
        future = self._requests.pop(number, None)
        if future is not None:
            future.fail(RequestFailed())

    # --- sending

    def send(
        self, peer_id: str, *, online_only: bool = False, sender_sync: bool = True, named: Sequence[str] = ()
    ) -> None:
        """Send a text that may name members, again and again with the same clientMsgID until there is an answer."""
        number = self.world.next_number()
        message = MsgData(
            sendID=self.user_id,
            recvID=peer_id,
            clientMsgID=f"{self.name}-{number}",
            senderPlatformID=self.platform_id,
            sessionType=1,
            msgFrom=100,
            contentType=TYPING if online_only else TEXT,
            content=b'{"content":"%d"}' % number,
            createTime=self.world.wall_ms() + self.clock_offset_ms,
            sendTime=self.world.wall_ms() + self.clock_offset_ms,
        )
        if peer_id == GROUP:
            message.recvID, message.groupID, message.sessionType = "", GROUP, 3
        if named:
            message.contentType = AT_TEXT
            message.atUserIDList[:] = named
        if online_only:
            message.options.update({"history": False, "senderSync": False})
        elif not sender_sync:
            message.options["senderSync"] = False
        self.world.oracle.sending(message)
        self.sending += 1
        self.spawn(self._send(message, repeat=not online_only))

    async def _send(self, message: MsgData, *, repeat: bool) -> None:
        data = message.SerializeToString()
        attempts = 0
        while True:
            if self.connected:
                attempts += 1
                first_socket = self.socket if attempts == 1 else None
                number = self._numbers
                try:
                    answer = await self.ask(RequestIdentifier.SEND_MSG, data)
                except RequestFailed as failure:
                    if failure.code == errors.ArgsError.code:
                        self.world.oracle.refused(message)
                        break
                    if not repeat or failure.code in REFUSED:
                        break
                else:
                    answered = SendMsgResp.FromString(answer)
                    self.world.oracle.answered(message, answered.serverMsgID, first_socket, number)
                    self.on_sent(message, answered)
                    break
            elif not repeat:
                break
            else:
                await self._when_connected
            await self.sleep(self.world.scheduler.between(0.3, 2.0))
        self.sending -= 1

    # --- reading marks

    def mark_read(self, peer_id: str) -> None:
        """Say that everything known of a conversation is read."""
        conversation_id = CHAT if peer_id == GROUP else single_chat_id(self.user_id, peer_id)
        highest = self.highest(conversation_id)
        if highest and self.world.settings.marks:
            self.spawn(self._mark_read(conversation_id, highest))

    async def _mark_read(self, conversation_id: str, highest: int) -> None:
        listed = self.peer_seqs(conversation_id, highest)[-20:]
        for _ in range(3):
            command = self.world.oracle.marking(self.user_id, conversation_id, highest)
            done = await self.world.http(
                lambda gateway: gateway.marks.mark_conversation(
                    self.user_id, conversation_id, highest, listed, self.name
                )
            )
            if done:
                self.world.oracle.marked(command)
                return
            await self.sleep(1.0)

    def set_position(self, peer_id: str, share: float) -> None:
        """Set the read position to some seq, lower or higher."""
        conversation_id = CHAT if peer_id == GROUP else single_chat_id(self.user_id, peer_id)
        highest = self.highest(conversation_id)
        if highest:
            self.spawn(self._set_position(conversation_id, int(highest * share)))

    async def _set_position(self, conversation_id: str, seq: int) -> None:
        command = self.world.oracle.setting(self.user_id, conversation_id, seq)
        done = await self.world.http(
            lambda gateway: gateway.marks.set_position(self.user_id, conversation_id, seq, self.name, notify=True)
        )
        if done:
            self.world.oracle.marked(command)

    # --- what subclasses know

    def on_connected(self) -> None:
        """Sync."""
        raise NotImplementedError

    def on_push(self, conversation_id: str, body: bytes) -> None:
        """Take a push."""
        raise NotImplementedError

    def on_sent(self, message: MsgData, answered: SendMsgResp) -> None:
        """Hear that a message was accepted."""

    def highest(self, conversation_id: str) -> int:
        """Return the highest seq known."""
        raise NotImplementedError

    def peer_seqs(self, conversation_id: str, highest: int) -> list[int]:
        """Return seqs of the peer's messages that are known, up to the highest."""
        raise NotImplementedError

    def is_behind(self) -> str:
        """Say what is missing compared with the store; empty if nothing."""
        raise NotImplementedError

    # --- parts

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something that lives as long as the application."""
        life = self._life
        done = start(coroutine, lambda: self._life == life)
        done.when_done(done.result)

    def sleep(self, seconds: float) -> Future[None]:
        """Return something to await."""
        future: Future[None] = Future()
        self.world.scheduler.later(seconds, lambda: future.resolve(None))
        return future

    def while_connected(self) -> Callable[[], bool]:
        """Return a test whether the present connection still stands."""
        socket = self.socket
        return lambda: self.socket is socket
