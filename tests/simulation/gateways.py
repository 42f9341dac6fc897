"""
A gateway process: `core.hub.Hub` with connections and services, as `openim_ray/gateway` drives it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from openim_ray.core import items
from openim_ray.core.gateway.hub import Close, Completed, Device, Effect, Hub, KickOut, Push, ReadRun
from openim_ray.core.gateway.session import ClientKind, Session
from openim_ray.core.gateway.watches import Known, ShowPresence
from openim_ray.core.placement import Placement
from openim_ray.domain import errors
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import GetConversationsHasReadAndMaxSeqResp, SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqResp, MsgData
from openim_ray.services.messages import MessageReading
from openim_ray.services.read_marks import ReadMarks
from openim_ray.storage.tiered import TieredMessageReader
from tests.simulation import presence
from tests.simulation.broker import FutureContext, HubBroker
from tests.simulation.coroutines import Future, start
from tests.simulation.messages import prepare
from tests.simulation.process import Process
from tests.simulation.sockets import Answer, Frame, Greeting, Kicked, Pushed, Request
from tests.simulation.stores import KICKED, History, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.core.gateway.session import Run
    from tests.simulation.sockets import Socket
    from tests.simulation.world import World

REQUEST_SECONDS_MAX = 8.0
HANDSHAKE_SECONDS_MAX = 10.0
_registered = msgspec.msgpack.Decoder(items.Registered)


class Login(NamedTuple):
    """
    What a client says in its handshake.
    """

    user_id: str
    platform_id: int
    digest: str
    kind: ClientKind
    wants_greeting: bool
    background: bool = False


class Connection:
    """
    A client's socket after the handshake.
    """

    def __init__(self, number: int, socket: Socket, login: Login, session: Session) -> None:
        self.number = number
        self.socket = socket
        self.login = login
        self.session = session
        self.gone = False
        self.ended = False
        self.waiting: list[Frame] = [Greeting()] if login.wants_greeting else []
        self.early: list[Request] | None = []
        self.pushed: dict[str, int] = {}
        self.unanswered: set[str] = set()


def tiered(world: World, process: Process) -> TieredMessageReader:
    """
    Return a reader of both stores; the history is open already: whether it answers is another matter.
    """
    history = History(world.stores, process)

    async def open_history() -> History:
        return history

    reader = TieredMessageReader(Reader(world.stores, process), open_history)  # type: ignore[arg-type]
    reader._opened = history  # type: ignore[assignment]
    return reader


class GatewayProcess(Process):
    """
    Performs what its hub wants done.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.reader = Reader(world.stores, self)
        repeats = world.settings.repeats_at_once
        first = Placement(epoch=1, shards=tuple(world.shard_names))
        self.hub = Hub(first, world.persistence_names, self.incarnation, repeats_at_once=repeats)
        self._asking_placement = False
        self.broker = HubBroker(self, REQUEST_SECONDS_MAX)
        self.messages = tiered(world, self) if world.settings.history else self.reader
        self.reading = MessageReading(self.messages, self.reader, self.broker)  # type: ignore[arg-type]
        self.marks = ReadMarks(self.broker)
        self.connections: dict[int, Connection] = {}
        self._server_ids = itertools.count(1)
        self.later(world.scheduler.between(0.01, 0.3), lambda: self.spawn(self._start()))

    async def _start(self) -> None:
        placement = await self.until_told("supervisor", lambda there: there.placement())
        self.hub.place(placement, self.wall_ms)
        self.begin()
        self.spawn(self.follow_placement(2.0, lambda: self.hub.placement.epoch))

    def place(self, placement: Placement) -> Future[bool]:
        """Take over a newer placement."""
        done: Future[bool] = Future()
        done.resolve(self.serving)
        if self.serving:
            self.hub.place(placement, self.wall_ms)
            self.perform()
        return done

    # --- what happens

    def on_items(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Let the hub handle items."""
        self.hub.receive(peer, batch, self.wall_ms)
        self.perform()

    def on_link_reset(self, peer: str) -> None:
        """Tell the hub."""
        self.hub.link_reset(peer, self.wall_ms)
        self.perform()

    def on_tick(self) -> None:
        """Do what is due."""
        self.hub.tick(self.now)
        self.perform()
        if self.hub.placement_wanted > self.hub.placement.epoch and not self._asking_placement:
            self._asking_placement = True
            self.spawn(self._ask_placement())

    async def _ask_placement(self) -> None:
        placement = await self.until_told("supervisor", lambda there: there.placement())
        if placement.epoch <= self.hub.placement.epoch:
            await self.sleep(0.1)
        self.hub.place(placement, self.wall_ms)
        self.perform()
        self._asking_placement = False

    def die(self) -> None:
        """Die, and all connections with it."""
        super().die()
        for connection in self.connections.values():
            connection.socket.break_off()

    # --- connections

    def accept(self, socket: Socket, login: Login) -> None:
        """Take a connection attempt."""
        self.spawn(self._accept(socket, login))

    async def _accept(self, socket: Socket, login: Login) -> None:
        try:
            state = await self.reader.token_state(login.digest)
        except errors.OpenIMError as error:
            socket.end(error.code)
            return
        if state is None or state == KICKED:
            socket.end(errors.TokenNotExist.code if state is None else errors.TokenKicked.code)
            return
        connection = self._connect(socket, login)
        if await self._register(connection):
            socket.accept()
            self._serve(connection)

    def _connect(self, socket: Socket, login: Login) -> Connection:
        number = self.hub.next_connection()
        session = Session(number, login.user_id, login.kind)
        connection = Connection(number, socket, login, session)
        self.connections[number] = connection
        socket.on_request = lambda request: self.run(lambda: self._on_request(connection, request))
        socket.on_gone = lambda: self.run(lambda: self._on_gone(connection))
        return connection

    async def _register(self, connection: Connection) -> bool:
        login = connection.login
        future: Future[items.Reply] = Future()
        device = Device(login.platform_id, login.digest, 1 << 40, self.wall_ms, login.background)
        self.hub.open(connection.session, device, FutureContext(future), self.now + HANDSHAKE_SECONDS_MAX)
        self.perform()
        try:
            registered = _registered.decode((await future).value)
        except errors.OpenIMError as error:
            connection.socket.end(error.code)
            self._remove(connection)
            return False
        connection.session.must_sync = registered.sync_due and login.kind is ClientKind.GO
        return not connection.gone

    def _serve(self, connection: Connection) -> None:
        early, connection.early = connection.early or [], None
        self._flush(connection)
        for request in early:
            self._on_request(connection, request)

    def _on_gone(self, connection: Connection) -> None:
        self._remove(connection)
        self.perform()

    def _remove(self, connection: Connection) -> None:
        connection.gone = True
        if self.connections.pop(connection.number, None) is not None:
            self.hub.close(connection.number)

    def close(self, number: int, reason: str) -> None:
        """Close a connection so that its client comes back and syncs."""
        connection = self.connections.get(number)
        if connection is None or connection.ended:
            return
        self.world.trace(self, "close", (number, connection.login.user_id, reason))
        connection.ended = True
        connection.socket.end()
        self.later(0.3, lambda: self._on_gone(connection))

    def write(self, connection: Connection, frame: Frame) -> None:
        """Write a frame, after what waits."""
        connection.waiting.append(frame)
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        if connection.gone or connection.early is not None:
            return
        frames, connection.waiting = connection.waiting, []
        for frame in frames:
            connection.socket.write(frame)

    # --- what the hub wants done

    def perform(self) -> None:
        """Do what the hub wants done: effects, then items."""
        assert not (failures := self.hub.failures.take()), failures
        while effects := self.hub.take_effects():
            for effect in effects:
                self._apply(effect)
        for peer, item in self.hub.take_items():
            if self.traced:
                self.world.trace(self, f"> {peer}", item)
            self.links.send(peer, item)
        self.links.flush()

    def _apply(self, effect: Effect) -> None:
        if isinstance(effect, Push):
            self._push(effect)
        elif isinstance(effect, Completed):
            effect.context.complete(effect.reply, effect.error)  # type: ignore[attr-defined]
        elif isinstance(effect, ReadRun):
            self.spawn(self._read(effect.run))
        elif isinstance(effect, KickOut):
            self._kick(effect.connection)
        elif isinstance(effect, Close):
            self._close_for_sync(effect.connection, effect.reason)
        elif isinstance(effect, ShowPresence):
            presence.show(self, effect)
        elif isinstance(effect, Known):
            effect.context.known()  # type: ignore[attr-defined]

    def _push(self, push: Push) -> None:
        for number in push.connections:
            connection = self.connections.get(number)
            if connection is None or connection.ended:
                continue
            if connection.session.quiet:
                self.world.oracle.violated(f"{connection.login.user_id} was pushed something in the background")
            self.world.oracle.pushed(connection, push.conversation_id, push.body)
            self.write(connection, Pushed(push.conversation_id, push.body))

    def _kick(self, number: int) -> None:
        connection = self.connections.get(number)
        if connection is not None:
            self.world.oracle.kicked(*connection.login[:3])
            self.write(connection, Kicked())
            in_handshake = connection.early is not None
            connection.socket.end(errors.TokenKicked.code if in_handshake else 0)
            self._remove(connection)

    async def _read(self, run: Run) -> None:
        deadline = self.now + REQUEST_SECONDS_MAX
        while True:
            try:
                count = run.end - run.begin + 1
                rows = await self.messages.read_range(run.conversation_id, run.begin, run.end, count)  # type: ignore[arg-type]
                break
            except errors.OpenIMError:
                if self.now >= deadline:
                    self.hub.run_failed(run)
                    self.perform()
                    return
                await self.sleep(0.2)
        self.hub.run_read(run, rows)
        self.perform()

    # --- requests

    def _on_request(self, connection: Connection, request: Request) -> None:
        if connection.gone or connection.ended:
            return
        if connection.early is not None:
            connection.early.append(request)
        elif request.identifier == RequestIdentifier.SEND_MSG:
            self._send(connection, request)
        elif request.identifier == presence.SUBSCRIBE:
            self.spawn(presence.answer_subscription(self, connection, request))
        elif request.identifier == presence.BACKGROUND:
            presence.set_background(self, connection, request)
        else:
            self.spawn(self._answer(connection, request))

    def _send(self, connection: Connection, request: Request) -> None:
        message = MsgData.FromString(request.data)
        server_id = f"{self.incarnation}-{next(self._server_ids)}"
        outgoing = prepare(message, connection.login.user_id, server_id)
        connection.unanswered.add(outgoing.client_id)
        self.hub.send(
            connection.number,
            lambda call: items.Submit(
                call,
                outgoing.conversation_id,
                connection.login.user_id,
                outgoing.receiver_id,
                outgoing.client_id,
                server_id,
                message.contentType,
                request.operation_id,
                outgoing.body,
                outgoing.stored,
                outgoing.sender_sync,
            ),
            _Sending(self, connection, request, message),
            self.now + REQUEST_SECONDS_MAX,
        )
        self.perform()

    async def _answer(self, connection: Connection, request: Request) -> None:
        answering = start(self._data(connection, request), lambda: self.up and not connection.gone)
        self.later(REQUEST_SECONDS_MAX, lambda: answering.fail(errors.Unavailable("no answer in time")))
        try:
            data = await answering
        except errors.OpenIMError as error:
            self._refuse(connection, request, error)
            return
        self.write(connection, Answer(request.identifier, request.number, 0, data))
        self._after_answer(connection, request, data)

    def _refuse(self, connection: Connection, request: Request, error: errors.OpenIMError) -> None:
        if error.temporary and request.identifier in _SYNC_REQUESTS:
            self._close_for_sync(connection.number, "sync not answerable")
            return
        if request.identifier == RequestIdentifier.PULL_MSG_BY_RANGE:
            connection.session.pull_finished()
        self.write(connection, Answer(request.identifier, request.number, error.code, b""))

    def _close_for_sync(self, number: int, reason: str) -> None:
        """Close soon: closes are paced."""
        self.later(self.world.scheduler.random.choice((0.0, 0.0, 3.0)), lambda: self.close(number, reason))

    async def _data(self, connection: Connection, request: Request) -> bytes:
        user_id, session = connection.login.user_id, connection.session
        if request.identifier == RequestIdentifier.GET_NEWEST_SEQ:
            session.newest_asked()
            platform_id = connection.login.platform_id
            self.hub.ask_inbox(
                user_id,
                lambda call: items.AskStates(call, user_id, [], platform_id),
                _Ignored(),
                self.now + REQUEST_SECONDS_MAX,
            )
            return await self.reading.newest_seqs(user_id, request.data)
        if request.identifier == RequestIdentifier.GET_CONV_MAX_READ_SEQ:
            session.states_asked()
            return await self.reading.has_read_and_max_seqs(user_id, request.data)
        if request.identifier == RequestIdentifier.PULL_MSG_BY_RANGE:
            session.pull_started()
            uncut = session.kind is ClientKind.PYPI
            data = await self.reading.pull_by_ranges(user_id, request.data, uncut=uncut)
            session.pull_finished()
            return data
        return await self.reading.pull_by_seqs(user_id, request.data)

    def _after_answer(self, connection: Connection, request: Request, data: bytes) -> None:
        session = connection.session
        if session.kind is ClientKind.JS and request.identifier == RequestIdentifier.GET_CONV_MAX_READ_SEQ:
            answer = GetConversationsHasReadAndMaxSeqResp.FromString(data)
            session.synced({key: seqs.maxSeq for key, seqs in answer.seqs.items()})
        elif session.kind is ClientKind.PYPI and request.identifier == RequestIdentifier.GET_NEWEST_SEQ:
            session.synced(GetMaxSeqResp.FromString(data).maxSeqs)


class _Sending:
    """
    A client that waits for the answer to its 1003.
    """

    def __init__(self, process: GatewayProcess, connection: Connection, request: Request, message: MsgData) -> None:
        self._process = process
        self._connection = connection
        self._request = request
        self._message = message

    def complete(self, reply: items.Accepted | items.Reply | None, error: errors.OpenIMError | None) -> None:
        """Write the answer; the echo follows it."""
        process, connection, request = self._process, self._connection, self._request
        connection.unanswered.discard(self._message.clientMsgID)
        if connection.gone:
            return
        if error is not None or not isinstance(reply, items.Accepted):
            code = error.code if error is not None else errors.Unavailable.code
            process.write(connection, Answer(request.identifier, request.number, code, b""))
        else:
            process.world.oracle.accepted(self._message, reply)
            answer = SendMsgResp(
                serverMsgID=reply.server_id, clientMsgID=self._message.clientMsgID, sendTime=reply.send_time
            )
            process.write(connection, Answer(request.identifier, request.number, 0, answer.SerializeToString()))


class _Ignored:
    def complete(self, reply: object, error: object) -> None:
        """Nobody waits."""


_SYNC_REQUESTS = {
    RequestIdentifier.GET_NEWEST_SEQ,
    RequestIdentifier.PULL_MSG_BY_RANGE,
    RequestIdentifier.GET_CONV_MAX_READ_SEQ,
}
