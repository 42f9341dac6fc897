"""
The ports: what the server needs of the world, as protocols that backends fulfil.

Every method may raise `errors.Unavailable` (the store can't answer now; the outcome of a write is then unknown, and the
same write may be repeated). A driver's own exceptions never pass. Text of people and state that holds a NUL or half a
surrogate pair is refused with `errors.ArgsError` (PostgreSQL can't keep it, so nobody does); nothing is found by it. The memory backend is the reference; one contract suite
(`tests/contract/`) holds for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from openim_ray.domain.read_position import unread_count
from openim_ray.transactions import VersionDelta as VersionDelta  # noqa: PLC0414 - part of these ports, too

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.domain.conversation import Conversation
    from openim_ray.domain.group import GroupChatFacts
    from openim_ray.domain.ids import ConversationID, UserID
    from openim_ray.domain.message import (
        DamagedRow,
        LogState,
        LogWrite,
        MessageRef,
        Outgoing,
        StoredMessage,
        StreamHead,
        WriteResult,
    )
    from openim_ray.domain.people import Blocked, Friend, SingleChatFacts, User
    from openim_ray.domain.read_position import ReadPosition
    from openim_ray.domain.sequence import ConversationSeq
    from openim_ray.transactions import Changed, DirectoryTransaction, DirectoryView

T = TypeVar("T")


class MessageReader(Protocol):
    """
    Reads conversation logs; any process may hold one. What was answered as durable is seen by every later read.

    A row that fails its checksum comes as a `DamagedRow` at its place and counts as a row; its neighbours come as ever. Only what
    is not among the rows at all is absent.
    """

    async def load_log(self, home_key: str, tail: int) -> LogState | None:
        """Return heads, marks and the newest `tail` rows of each stream of a log, damaged ones left out; None if it was never written."""
        ...

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """Return the heads of those streams that hold messages."""
        ...

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return rows of begin..end (inclusive), ascending, at most the `newest` highest ones."""
        ...

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return the rows that exist among `seqs`, ascending."""
        ...

    async def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """Return the place of a message by its de-duplication key."""
        ...

    async def read_marks(self, home_key: str) -> dict[str, int]:
        """Return each reader's mark of a log (see `LogState.read`)."""
        ...

    async def origin(self) -> ConversationSeq:
        """
        Return behind which seq a stream begins that is not there yet: 0, or higher where a backup was restored.

        It does not change while a server runs. The seqs up to it are `StreamHead.skipped` in such a stream.
        """
        ...

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """Return the streams that hold messages, with their max seqs, in order of their ids: the first `limit` behind the id `after`."""
        ...


class MessageStore(MessageReader, Protocol):
    """
    Writes conversation logs; held by persistence actors.

    Guarantee: when `write` returns STORED, rows and marks are durable. (conversation, seq) and (conversation, sender,
    clientMsgID) are unique for ever; repeating a write is harmless.
    """

    async def claim(self, partitions: Sequence[str], owner: str) -> dict[str, int]:
        """
        Raise the epochs of `partitions` durably and return them: from now on writes with older ones are SUPERSEDED.

        A raised epoch is above every epoch of any partition: an inbox may move to another one, and its position must not fall.
        An owner (an incarnation) that claims again what it holds gets the same epoch: a claim that was said twice, because its answer
        was lost, must not fence its own author.
        """
        ...

    async def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """
        Write a batch and say for each write what became of it; one that is refused leaves its neighbours alone.

        A LogWrite is refused whole before anything of it is written, or it is stored. Embedded stores commit it in one transaction. A store without
        transactions (MongoDB) inserts its rows in order: chats before their `n_` streams, marks together with the last row. There, after Unavailable, a
        crash, or a refusal that another owner caused in that moment (CONFLICT, DUPLICATE, SUPERSEDED), a prefix of that order may stand. So each stream
        stays dense, no mark stands without its rows, and repeating the write completes it.

        ArgsError: something of the batch can't be stored (then each write is to be tried alone).
        """
        ...


class RetentionStore(MessageStore, Protocol):
    """
    A message store whose old rows can be deleted; held by persistence actors.
    """

    async def expired(self, age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        """
        Return streams with rows that were stored longer ago than `age_ms`, by the store's own clock, each with the highest such seq.

        Only the `limit` oldest rows behind the `skip` oldest ones are looked at.
        """
        ...

    async def forget(self, conversation_id: ConversationID, through: ConversationSeq) -> int:
        """
        Delete the rows up to a seq, which the history must hold, and return how many; some may be left for the next time.

        The floor is raised before, durably: whoever finds no row there knows that it is to be looked for in the history. Heads, newest
        seqs of senders and marks stay.
        """
        ...


class Erased(NamedTuple):
    """
    The rows of a part of a conversation that concern an erased account, as they stand now, ascending, and how many of them a call replaced.
    """

    rows: tuple[StoredMessage, ...]
    replaced: int


class ErasingStore(MessageStore, Protocol):
    """
    A message store in which what a user wrote can be erased; held by persistence actors.
    """

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """
        Replace among first..last (inclusive), durably, the rows of a user by tombstones, and take her names and words out of others' notifications.

        What stands there then (`storage.tombstones`) has the row's seq, ids and times, and a higher `rev`; damaged rows of hers are replaced,
        too. Heads, marks and what de-duplicates stay. Repeating it writes nothing, and returns the same rows. After Unavailable a part may be
        replaced.
        """
        ...

    async def scrub(self) -> bool:
        """
        Make what was replaced or deleted unreadable in the store's own files; False: somebody reads them just now, call again later.

        Servers (MongoDB, PostgreSQL) see to that themselves, in their own time.
        """
        ...


class HistoryReader(Protocol):
    """
    Reads what the history holds, with a message store behind nobody waits for it; any process may hold one.

    Rows come as from a `MessageReader`, damaged ones as `DamagedRow`.
    """

    async def confirmed(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, ConversationSeq]:
        """
        Return up to which seq each history is complete, 0 or absent if nothing is known.

        A seq up to there without a row in the history is positively absent: it had none in the message store when it was copied.
        """
        ...

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return rows of begin..end (inclusive), ascending, at most the `newest` highest ones."""
        ...

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return the rows that exist among `seqs`, ascending."""
        ...


class HistoryStore(HistoryReader, Protocol):
    """
    Keeps every message for ever, behind the message store; held by persistence actors.
    """

    async def copy(self, spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        """
        Make rows durable and return up to which seq each of these histories is complete now.

        A row that is there is replaced only by one with a higher `rev`, so copying again is harmless. A span that does not continue
        what is complete is kept, but does not count until the hole below it is filled.
        """
        ...

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """
        Erase what concerns a user, as an `ErasingStore` does.

        A row that is not there yet can't be replaced: copy its tombstone, so that a copy of the row that is under way comes too late.
        """
        ...

    async def scrub(self) -> bool:
        """See `ErasingStore`."""
        ...


class Span(NamedTuple):
    """
    All that the message store held of `first`..`last` of one stream when it was read; ascending.
    """

    conversation_id: ConversationID
    first: int
    last: int
    rows: tuple[StoredMessage, ...]


class TokenRecord(NamedTuple):
    """
    State of one issued token: 0 normal, 2 kicked (OpenIM wire, §1.5). The token itself is kept as a SHA-256 digest only.
    """

    digest: str
    user_id: str
    platform_id: int
    state: int
    expires_at: int
    """Unix seconds; later than this the record may be forgotten."""


class TokenReader(Protocol):
    """
    Looks tokens up; any process may hold one.
    """

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """Return the state of an issued token, None if it was never issued."""
        ...

    async def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """Return the user's tokens of a platform, oldest first."""
        ...


class PositionReader(Protocol):
    """
    Looks read positions up; any process may hold one.
    """

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """Return all positions that the user has set."""
        ...


class StateReader(TokenReader, PositionReader, Protocol):
    """
    Looks up token states and read positions.
    """


class StateStore(StateReader, Protocol):
    """
    Writes token states and read positions; held by persistence actors.
    """

    async def save(
        self,
        tokens: Sequence[TokenRecord] = (),
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]] = (),
    ) -> None:
        """
        Save a batch in one commit, all of it or nothing; of what is saved twice in it the later one counts.

        Args:
            tokens: are inserted or replaced (key: digest); a kicked token never becomes normal again. Expired ones are forgotten.
            positions: replace the users' positions of these conversations.
        """
        ...


class Page(NamedTuple):
    """
    A page to be read: `number` from 1, `size` rows.
    """

    number: int
    size: int


class UserStore(Protocol):
    """
    Accounts.
    """

    async def register(self, users: Sequence[User]) -> None:
        """Create accounts, all or none; RegisteredAlready names the first id that is taken."""
        ...

    async def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Return the accounts that exist among these ids."""
        ...

    async def page_users(self, page: Page, user_id: str, nickname: str) -> tuple[int, list[User]]:
        """Return total and one page of accounts; non-empty `user_id` or `nickname` filter by substring."""
        ...


class RelationStore(Protocol):
    """
    Friends, black lists, joined groups and members, as far as login and admission read them.
    """

    async def friends(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Friend]]:
        """Return total and one page, pinned first, then by time."""
        ...

    async def designated_friends(self, owner_user_id: UserID, friend_user_ids: Sequence[str]) -> list[Friend]:
        """Return those that are friends."""
        ...

    async def friends_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the friend list."""
        ...

    async def friend_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order."""
        ...

    async def blocked(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Blocked]]:
        """Return total and one page of the black list."""
        ...

    async def joined_groups_delta(self, user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the list of joined groups."""
        ...

    async def joined_group_ids(self, user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order."""
        ...

    async def members_delta(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """Return what changed in a group's member list; an empty id among `updated` stands for the group itself."""
        ...

    async def member_ids(self, group_id: str) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order: role descending, then by time of joining."""
        ...

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """Return what admission of a single-chat message needs."""
        ...

    async def group_chat_facts(self, group_id: str, sender_id: str) -> GroupChatFacts:
        """Return what admission of a group message needs."""
        ...


class ConversationStore(Protocol):
    """
    Conversation rows with their version lists.
    """

    async def ensure_conversations(self, rows: Sequence[Conversation]) -> None:
        """Create the rows that don't exist yet, each a step of its owner's version list; existing ones stay as they are."""
        ...

    async def conversations(
        self, owner_user_id: UserID, conversation_ids: Sequence[str] | None = None
    ) -> list[Conversation]:
        """Return the owner's rows (those asked for, or all), in order of creation."""
        ...

    async def page_conversations(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Conversation]]:
        """Return total and one page, in order of creation."""
        ...

    async def conversations_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the owner's rows."""
        ...

    async def conversation_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order."""
        ...


class DirectoryStore(UserStore, RelationStore, ConversationStore, Protocol):
    """
    Everything about people: short transactions, from services, a log's owner and inboxes.
    """

    async def view(self, query: Callable[[DirectoryView], T]) -> T:
        """Run a query on one state of the directory; see `transactions`."""
        ...

    async def change(self, use_case: Callable[[DirectoryTransaction], T]) -> Changed[T]:
        """Run a use case in one transaction, durable when it returns; see `transactions`. What the use case raises is raised."""
        ...


class ConversationState(NamedTuple):
    """
    What a user's inbox knows of one of her conversations; the authority for everything she may read.

    `min_seq`..`max_seq` is what she may see (min 1 when nothing was cleared; max 0 when empty), `read_seq` her
    read position, `max_time` the sendTime of the newest message.
    """

    min_seq: int
    max_seq: int
    read_seq: int
    max_time: int

    @property
    def unread(self) -> int:
        """How many of the messages are unread."""
        return unread_count(self.max_seq, self.read_seq)


class PresentDevice(NamedTuple):
    """
    A connected device of a user. `connection_id` names the connection among all there are; the token is named by its digest.
    """

    platform_id: int
    connection_id: str
    background: bool
    token_digest: str


class Broker(Protocol):
    """
    The actors, as services see them: inboxes and logs, addressed by id, wherever they live.

    Every call has a deadline and then raises `errors.Unavailable`; it may have had its effect, and may be repeated.
    """

    async def conversation_states(
        self, user_id: str, conversation_ids: Sequence[str] | None = None
    ) -> dict[str, ConversationState]:
        """
        Ask the user's inbox for the state of some or (None) all of her conversations.

        Notification streams (`n_…`) of her conversations and her self stream are included; what she has no part in is left out.
        """
        ...

    async def send(self, message: Outgoing, operation_id: str) -> MessageRef:
        """
        Let the owner of a conversation decide about a message and append it; return its place once it is durable.

        What is for who is online only has seq 0, and is not repeated. A repetition (log, sender, client_id) gets the place of the first one. Raises what the message
        is refused with (OpenIM wire, §4.6).
        """
        ...

    async def mark_read(
        self, user_id: str, conversation_id: str, has_read_seq: int, seqs: Sequence[int], operation_id: str
    ) -> None:
        """
        Mark a conversation as read (OpenIM wire, §7.7): marks and 2200 in the log, then the read position, both durable.

        ArgsError if `has_read_seq` is above the newest message; RecordNotFound if she has no such conversation.
        """
        ...

    async def set_read_position(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, notify: bool
    ) -> None:
        """Set the read position to exactly this seq, higher or lower; ArgsError above the newest message."""
        ...

    async def present_devices(self, user_ids: Sequence[str]) -> dict[str, list[PresentDevice]]:
        """
        Ask the inboxes which devices users have connected; one request for each actor that hosts some of them.

        Every user is among the keys. After an inbox actor has started it is not said of anybody that she is offline before her devices
        had time to be known again.
        """
        ...

    async def subscribe_presence(self, user_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> None:
        """Let the user's connections, as many as there are now, watch other users and be told by 1304, or watch them no more."""
        ...

    async def watched_users(self, user_id: str) -> list[str]:
        """Return whom those of the user's connections watch that are at the gateway which is asked."""
        ...

    async def apply_effects(self, home_keys: Sequence[str]) -> None:
        """
        Have the owners of logs apply what waits for them in the outbox, and return when they have.

        Never raises: who can't be reached in time applies it later, by its own sweep.
        """
        ...

    async def forget_receiver(self, user_id: str) -> None:
        """
        Have all owners of logs read anew what a user receives, and return when the next message to her is decided by it.

        Never raises: who can't be reached in time reads it within seconds all the same (`ShardSettings.facts_seconds`).
        """
        ...

    async def save_tokens(self, records: Sequence[TokenRecord]) -> None:
        """Make token records durable."""
        ...

    async def force_logout(self, user_id: str, platform_id: int) -> None:
        """Kick the user's connections on a platform (2002); the tokens are marked by the caller."""
        ...
