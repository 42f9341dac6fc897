"""
The stores: tables that outlive every process, reached by calls that take time, fail, and are crashed around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from openim_ray.domain.conversation import Conversation, SessionType
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.people import SingleChatFacts
from openim_ray.storage.memory import DirectoryTables, HistoryTables, MessageTables
from tests.simulation.coroutines import Future

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.domain.group import GroupChatFacts
    from openim_ray.domain.message import LogState, LogWrite, MessageRef, StoredMessage, StreamHead, WriteResult
    from openim_ray.domain.read_position import ReadPosition
    from openim_ray.domain.sequence import ConversationSeq
    from openim_ray.ports import Span, TokenRecord
    from openim_ray.transactions import Changed, DirectoryTransaction, DirectoryView
    from tests.simulation.groups import GroupChanges
    from tests.simulation.process import Process
    from tests.simulation.world import World

T = TypeVar("T")

KICKED = 2

MESSAGES, STATE, HISTORY = "messages", "state", "history"
"""The stores; people live with the messages."""


class StateTables:
    """
    Token states and read positions.
    """

    def __init__(self) -> None:
        self.token_records: dict[str, TokenRecord] = {}
        self.positions: dict[str, dict[ConversationID, ReadPosition]] = {}

    def save(
        self,
        tokens: Sequence[TokenRecord],
        positions: Sequence[tuple[str, Mapping[ConversationID, ReadPosition]]],
    ) -> None:
        """Insert or replace tokens, of which a kicked one stays kicked, and replace positions."""
        for record in tokens:
            old = self.token_records.get(record.digest)
            kicked = old is not None and old.state == KICKED
            self.token_records[record.digest] = record._replace(state=KICKED) if kicked else record
        for user_id, positions_of_user in positions:
            self.positions.setdefault(user_id, {}).update(positions_of_user)


class Tables:
    """
    Everything that is durable.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.messages = MessageTables(clock_ms)
        self.history = HistoryTables()
        self.state = StateTables()
        self.directory = DirectoryTables(lambda: "version")
        """The group, its members' rows, and the outbox."""
        self.rows: dict[str, dict[str, str]] = {}
        """User -> conversation -> peer."""
        self.blocked: set[tuple[str, str]] = set()
        self.users: set[str] = set()

    def ensure_row(self, user_id: str, conversation_id: str, peer_id: str) -> None:
        """Create a user's row of a conversation unless it is there."""
        self.rows.setdefault(user_id, {}).setdefault(conversation_id, peer_id)

    def facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """Return what admission must know."""
        return SingleChatFacts(
            receiver_exists=receiver_id in self.users,
            blocked_by_receiver=(receiver_id, sender_id) in self.blocked,
            receiver_global_option=0,
            receiver_conversation_option=0,
            sender_is_system=False,
        )


class Stores:
    """
    Access to the tables in virtual time.
    """

    def __init__(self, world: World) -> None:
        self.tables = Tables(world.wall_ms)
        self.world = world
        self._out_until: dict[str, float] = {}

    def go_out(self, store: str, seconds: float) -> None:
        """Let every call of a store fail for a while."""
        self._out_until[store] = self.world.scheduler.now + seconds

    def heal(self) -> None:
        """End all outages."""
        self._out_until.clear()

    def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """Write to the logs; whatever stands afterwards is what the world is judged by."""
        results = self.tables.messages.write(writes)
        self.world.oracle.wrote(writes)
        return results

    def call(
        self,
        process: Process,
        action: Callable[[], T],
        store: str = MESSAGES,
        *,
        outlives: bool = False,
        beginning: Callable[[float], object] | None = None,
    ) -> Future[T]:
        """
        Run an action on the tables for a process; Unavailable if it failed, before or after it had effect.

        One that `outlives` its process may have effect after its death: it had reached a database on another machine. One of which a
        `beginning` may stand leaves that share of itself behind when it fails.
        """
        world, scheduler, weather = self.world, self.world.scheduler, self.world.weather
        future: Future[T] = Future()
        in_history = store == HISTORY
        slowness = weather.history_slow if in_history else weather.store_slow
        errors = weather.history_errors if in_history else weather.store_errors
        slow = scheduler.between(0.2, 3.0) if slowness and scheduler.chance(slowness) else 0.0
        fails = bool(errors) and scheduler.chance(errors)
        has_effect = not fails or scheduler.chance(0.3)

        def act() -> None:
            if world.crash_points.reached(process, "before store"):
                return
            nonlocal fails
            out = scheduler.now < self._out_until.get(store, 0.0)
            fails = fails or out
            result: Any = None
            if has_effect and not out:
                result = left_behind() if fails else action()
            if world.crash_points.reached(process, "after store"):
                return
            process.later(scheduler.between(0.0001, 0.004), lambda: answer(result))

        def left_behind() -> Any:
            if beginning is None or scheduler.chance(0.5):
                return action()
            return beginning(scheduler.between(0.0, 1.0))

        def answer(result: Any) -> None:
            if fails:
                future.fail(Unavailable("store can't answer"))
            else:
                future.resolve(result)

        delay = scheduler.between(0.0001, 0.004) + slow
        process.later(delay, act)
        if outlives:
            scheduler.later(delay, lambda: None if process.up or scheduler.chance(0.5) else left_behind())
        return future


class Reader:
    """
    `ports.MessageReader`, `PositionReader`, `ConversationStore` (as far as it is read) for one process.
    """

    def __init__(self, stores: Stores, process: Process) -> None:
        self._stores = stores
        self._process = process
        self._tables = stores.tables

    def _call(self, action: Callable[[], T], store: str = MESSAGES) -> Future[T]:
        return self._stores.call(self._process, action, store)

    async def load_log(self, home_key: str, tail: int) -> LogState | None:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.load_log(home_key, tail))

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.heads(conversation_ids))

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> list[StoredMessage]:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.read_range(conversation_id, begin, end, newest))

    async def read_seqs(self, conversation_id: ConversationID, seqs: Sequence[int]) -> list[StoredMessage]:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.read_seqs(conversation_id, seqs))

    async def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.find(conversation_id, sender_id, client_id))

    async def read_marks(self, home_key: str) -> dict[str, int]:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.read_marks(home_key))

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """See `ports.MessageReader`."""
        return await self._call(lambda: self._tables.messages.page_heads(after, limit))

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """See `ports.PositionReader`."""
        return await self._call(lambda: dict(self._tables.state.positions.get(user_id, {})), STATE)

    async def token_state(self, digest: str) -> int | None:
        """Return the state of a token."""
        record = await self._call(lambda: self._tables.state.token_records.get(digest), STATE)
        return None if record is None else record.state

    async def conversations(self, owner_user_id: UserID, conversation_ids: object = None) -> list[Conversation]:
        """See `ports.ConversationStore`."""
        rows, group_rows = await self._call(
            lambda: (
                dict(self._tables.rows.get(owner_user_id, {})),
                self._tables.directory.conversations(owner_user_id),
            )
        )
        return group_rows + [
            Conversation(
                owner_user_id=owner_user_id,
                conversation_id=ConversationID(conversation_id),
                conversation_type=SessionType.SINGLE,
                user_id=peer,
            )
            for conversation_id, peer in rows.items()
        ]

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """See `ports.RelationStore`."""
        return await self._call(lambda: self._tables.facts(sender_id, receiver_id))

    async def group_chat_facts(self, group_id: str, sender_id: str) -> GroupChatFacts:
        """See `ports.RelationStore`."""
        return await self._call(lambda: self._tables.directory.group_chat_facts(group_id, sender_id))

    async def view(self, query: Callable[[DirectoryView], T]) -> T:
        """See `ports.DirectoryStore`."""
        return await self._call(lambda: self._tables.directory.view(query))

    async def change(self, use_case: Callable[[DirectoryTransaction], T]) -> Changed[T]:
        """See `ports.DirectoryStore`."""
        directory = self._tables.directory
        return await self._stores.call(self._process, lambda: directory.change(use_case), outlives=True)

    async def commit(self, decide: Callable[[GroupChanges, DirectoryTransaction], None]) -> None:
        """Change the group."""
        groups = self._stores.world.groups
        await self._stores.call(self._process, lambda: groups.commit(decide), outlives=True)

    async def ensure_rows(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Create (user, conversation, peer) rows that don't exist yet."""

        def act() -> None:
            for user_id, conversation_id, peer_id in rows:
                self._tables.ensure_row(user_id, conversation_id, peer_id)

        await self._call(act)


class Expiring(Reader):
    """
    `ports.RetentionStore`, as far as old messages leave it: in steps between which everything may happen, as without transactions.
    """

    async def expired(self, age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        """See `ports.RetentionStore`."""
        return await self._call(lambda: self._tables.messages.expired(age_ms, limit, skip))

    async def forget(self, conversation_id: ConversationID, through: ConversationSeq) -> int:
        """See `ports.RetentionStore`."""
        oracle = self._stores.world.oracle
        deleted = 0
        for step in self._tables.messages.forgetting(conversation_id, through):

            def act(step: Callable[[], int] = step) -> int:
                count = step()
                oracle.forgot(conversation_id)
                return count

            deleted += await self._stores.call(self._process, act, outlives=True)
        return deleted


class History:
    """
    `ports.HistoryStore` for one process.
    """

    damaged_rows = 0

    def __init__(self, stores: Stores, process: Process) -> None:
        self._stores = stores
        self._process = process
        self._tables = stores.tables.history

    def _call(self, action: Callable[[], T], *, outlives: bool = False) -> Future[T]:
        return self._stores.call(self._process, action, HISTORY, outlives=outlives)

    async def aclose(self) -> None:
        """Do nothing."""

    async def confirmed(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryReader`."""
        return await self._call(lambda: self._tables.confirmed(conversation_ids))

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> list[StoredMessage]:
        """See `ports.HistoryReader`."""
        return await self._call(lambda: self._tables.read_range(conversation_id, begin, end, newest))

    async def read_seqs(self, conversation_id: ConversationID, seqs: Sequence[int]) -> list[StoredMessage]:
        """See `ports.HistoryReader`."""
        return await self._call(lambda: self._tables.read_seqs(conversation_id, seqs))

    async def copy(self, spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryStore`."""
        return await self._call(lambda: self._tables.copy(spans), outlives=True)
