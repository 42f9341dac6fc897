"""
Whether what is stored is whole: every store that the configuration names is read, and nothing is written.

A server may run meanwhile. Everything is read in an order in which its work makes no fault (what must be there first, then what requires it), and
what is found is looked at once more before it is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from openim_ray.domain.conversation import home_key, is_single_chat
from openim_ray.domain.errors import (
    OpenIMError,
    SchemaTooNew,
    SchemaTooOld,
    StoreDamaged,
    UnsuitableStore,
)
from openim_ray.domain.message import DamagedRow
from openim_ray.domain.sequence import ConversationSeq, given, skipped_above
from openim_ray.ports import Page
from openim_ray.prepare import data_path
from openim_ray.services import audit
from openim_ray.services.audit import Fault, Part, Span, StreamAudit
from openim_ray.storage.open import (
    inspect_files,
    open_directory_store,
    open_history_reader,
    open_recent_messages,
    open_state_reader,
    require_schemas,
)
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence

    from openim_ray.config import Config
    from openim_ray.domain.ids import ConversationID, UserID
    from openim_ray.domain.message import StoredMessage, StreamHead
    from openim_ray.ports import DirectoryStore, HistoryReader, MessageReader, PositionReader

    Rows = Sequence[StoredMessage | DamagedRow]
    ReadRange = Callable[[ConversationID, int, int, int], Awaitable[Rows]]

ROWS_AT_ONCE = 500
STREAMS_AT_ONCE = 500
USERS_AT_ONCE = 500
FAULTS_KEPT = 10_000
"""So many faults and notes are kept for `--json`, and so many are known not to be said twice."""

SEQ_MAX = (1 << 62) - 1


class CheckError(Exception):
    """
    What is stored can't be looked at; the text is one line.
    """


class Findings:
    """
    What was looked at and what was found; `tell` hears of each fault and note at once.
    """

    def __init__(self, tell: Callable[[Fault], None]) -> None:
        self._tell = tell
        self._counts: Counter[str] = Counter()
        self._said: dict[tuple[str, str, str], Fault] = {}
        self.conversations = 0
        self.messages = 0
        self.users = 0

    def add(self, fault: Fault) -> None:
        """Note a fault, unless it was found from another side already."""
        if fault.identity in self._said:
            return
        if len(self._said) < FAULTS_KEPT:
            self._said[fault.identity] = fault
        self._counts[fault.kind] += 1
        self._tell(fault)

    @property
    def faults(self) -> int:
        """How many faults there are; notes are none."""
        return self._counts.total() - self._counts[audit.NOTE]

    @property
    def exit_status(self) -> int:
        """0 nothing found, 1 faults."""
        return 1 if self.faults else 0

    def as_json(self) -> dict[str, Any]:
        """Return it as an object for programs: the first `FAULTS_KEPT` one by one, and how many of each kind there are."""
        kept = [{"kind": one.kind, "where": one.where, "what": one.what, "context": one.context} for one in self._kept]
        return {
            "conversations": self.conversations,
            "messages": self.messages,
            "users": self.users,
            "faults": self.faults,
            "kinds": dict(self._counts),
            "found": kept,
        }

    @property
    def summary(self) -> str:
        """One line for people."""
        looked_at = [
            _counted(self.conversations, "conversation"),
            _counted(self.messages, "message"),
            _counted(self.users, "user"),
        ]
        return f"checked {', '.join(looked_at)}: {_counted(self.faults, 'fault') if self.faults else 'no faults'}"

    @property
    def _kept(self) -> list[Fault]:
        return list(self._said.values())


def run(config: Config, tell: Callable[[Fault], None]) -> Findings:
    """
    Look at the stores of a configuration; CheckError if one of them can't be read.
    """
    places = Places.of(config)._replace(data_dir=data_path(config))
    try:
        with _silent_stores():
            return asyncio.run(look(places, tell))
    except (SchemaTooNew, SchemaTooOld, UnsuitableStore, ValueError) as error:
        raise CheckError(f"{error} (data directory {places.data_dir})") from error
    except OpenIMError as error:
        raise CheckError(f"a store can't be read: {error.detail} (data directory {places.data_dir})") from error


async def look(places: Places, tell: Callable[[Fault], None]) -> Findings:
    """
    Look at the stores of these places; raises what opening and reading raise.
    """
    findings = Findings(tell)
    if not await _unless_damaged(findings, require_schemas(places)):
        return findings
    for file, texts in (await inspect_files(places)).items():
        for text in texts:
            findings.add(Fault(audit.FILE, file, text))
    async with AsyncExitStack() as stack:
        messages = await open_recent_messages(places)
        stack.push_async_callback(messages.aclose)
        directory = await open_directory_store(places)
        stack.push_async_callback(directory.aclose)
        state = await open_state_reader(places)
        stack.push_async_callback(state.aclose)
        history = await open_history_reader(places) if places.has_history else None
        if history is not None:
            stack.push_async_callback(history.aclose)
        await _unless_damaged(findings, _Streams(messages, history, directory, findings).look())
        await _unless_damaged(findings, _Users(messages, history, directory, state, findings).look())
    return findings


async def _unless_damaged(findings: Findings, part: Coroutine[Any, Any, None]) -> bool:
    """Do a part of the work, and tell whether a damaged file let it come to its end."""
    try:
        await part
    except StoreDamaged as error:
        file, _, reason = error.detail.partition(": ")
        findings.add(Fault(audit.FILE, file, f"can't be read to its end: {reason}"))
        return False
    return True


@contextmanager
def _silent_stores() -> Iterator[None]:
    """Readers log each damaged row; here it is said once, as a fault."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class _Streams:
    """
    Looks at every stream, a page of heads after the other. Memory: a page of heads, a span of rows, and what `StreamAudit` keeps.
    """

    def __init__(
        self,
        messages: MessageReader,
        history: HistoryReader | None,
        directory: DirectoryStore,
        findings: Findings,
    ) -> None:
        self._messages = messages
        self._history = history
        self._directory = directory
        self._findings = findings

    async def look(self) -> None:
        after = ""
        while page := await self._messages.page_heads(after, STREAMS_AT_ONCE):
            heads = await self._heads([conversation_id for conversation_id, _ in page])
            for conversation_id, _ in page:
                if conversation_id in heads:
                    await self._look_at(heads[conversation_id])
            await self._look_for_orphans(heads.values())
            after, _ = page[-1]

    async def _heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        try:
            return await self._messages.heads(conversation_ids)
        except StoreDamaged as error:
            if len(conversation_ids) == 1:
                self._findings.add(Fault(audit.DAMAGED, conversation_ids[0], f"head can't be read: {error.detail}"))
                return {}
        singly = [await self._heads([conversation_id]) for conversation_id in conversation_ids]
        return {one: head for found in singly for one, head in found.items()}

    async def _look_at(self, head: StreamHead) -> None:
        self._findings.conversations += 1
        faults = await self._faults(head, count=True)
        again = faults and (await self._messages.heads([head.conversation_id])).get(head.conversation_id)
        if again:
            for fault in audit.lasting(faults, await self._faults(again)):
                self._findings.add(fault)

    async def _faults(self, head: StreamHead, *, count: bool = False) -> list[Fault]:
        faults: list[Fault] = []
        for part in Part.all_of(head.max_seq - skipped_above(0, head.skipped)):
            confirmed = await _confirmed(self._history, head.conversation_id)
            stream = StreamAudit(head, confirmed, has_history=self._history is not None, part=part)
            floor = int(head.floor)
            for first, last in _spans(head):
                span = await self._span(head.conversation_id, first, last, floor, confirmed)
                floor, confirmed = span.floor, span.confirmed
                stream.add(span)
            faults += stream.finish()
            if count and part.number == 0:
                self._findings.messages += stream.messages
        return [*faults, *await self._above(head), *await self._marks(head.conversation_id)]

    async def _span(self, conversation_id: ConversationID, first: int, last: int, floor: int, confirmed: int) -> Span:
        rows = await _read(self._messages.read_range, conversation_id, first, last)
        if sum(row.seq >= floor for row in rows) < last + 1 - max(first, floor):
            # Retention raises the floor before it deletes: asked for after the rows, it says which of them may be gone.
            now = (await self._messages.heads([conversation_id])).get(conversation_id)
            floor = int(now.floor) if now else floor
            confirmed = await _confirmed(self._history, conversation_id)
        copies: Rows = []
        if self._history is not None:
            copies = await _read(self._history.read_range, conversation_id, first, last)
        return Span(first, last, rows, copies, floor, confirmed)

    async def _above(self, head: StreamHead) -> list[Fault]:
        """Look for rows, and a history, that a head, read after them, doesn't reach."""
        conversation_id = head.conversation_id
        newest = await _newest_seq(self._messages, conversation_id, head.max_seq + 1)
        confirmed = await _confirmed(self._history, conversation_id)
        if max(newest, confirmed) <= head.max_seq:
            return []
        now = (await self._messages.heads([conversation_id])).get(conversation_id, head)
        faults = []
        if newest > now.max_seq:
            faults.append(audit.row_above_head(conversation_id, newest, now.max_seq))
        if confirmed > now.max_seq:
            faults.append(audit.history_above_head(conversation_id, confirmed, now.max_seq))
        return faults

    async def _marks(self, conversation_id: ConversationID) -> list[Fault]:
        if not is_single_chat(conversation_id):
            return []
        # A mark is below the head of its moment, as a position.
        marks = await self._messages.read_marks(home_key(conversation_id))
        now = marks and (await self._messages.heads([conversation_id])).get(conversation_id)
        return audit.marks_above_head(conversation_id, marks, now.max_seq) if now else []

    async def _look_for_orphans(self, heads: Collection[StreamHead]) -> None:
        orphans = await self._orphans(heads)
        for fault in audit.lasting(orphans, await self._orphans(heads) if orphans else ()):
            self._findings.add(fault)

    async def _orphans(self, heads: Collection[StreamHead]) -> list[Fault]:
        # Rows of people come before the first message, so they are read after the heads.
        mine: dict[str, set[ConversationID]] = {}
        for head in heads:
            for user_id in head.participants:
                mine.setdefault(user_id, set()).add(head.conversation_id)
        owners: dict[ConversationID, set[str]] = {}
        for user_id, conversation_ids in mine.items():
            for row in await self._directory.conversations(user_id, list(conversation_ids)):  # type: ignore[arg-type]
                owners.setdefault(row.conversation_id, set()).add(user_id)
        return [fault for head in heads for fault in audit.orphans(head, owners.get(head.conversation_id, ()))]


class _Users:
    """
    Looks at every account: her read positions, and her rows of conversations. Memory: a page of accounts, and what one user has.
    """

    def __init__(
        self,
        messages: MessageReader,
        history: HistoryReader | None,
        directory: DirectoryStore,
        state: PositionReader,
        findings: Findings,
    ) -> None:
        self._messages = messages
        self._history = history
        self._directory = directory
        self._state = state
        self._findings = findings

    async def look(self) -> None:
        number, users = 1, None
        while users is None or len(users) == USERS_AT_ONCE:
            _, users = await self._directory.page_users(Page(number, USERS_AT_ONCE), "", "")
            for user in users:
                await self._look_at(user.user_id)
            number += 1

    async def _look_at(self, user_id: UserID) -> None:
        self._findings.users += 1
        faults = await self._positions(user_id)
        if faults:
            faults = audit.lasting(faults, await self._positions(user_id))
        for fault in [*faults, *await self._rows(user_id)]:
            self._findings.add(fault)

    async def _positions(self, user_id: UserID) -> list[Fault]:
        # A position is below the head of its moment, and heads only rise.
        positions = await self._state.read_positions(user_id)
        newest = await self._max_seqs(list(positions))
        return audit.positions_above_head(user_id, positions, newest)

    async def _rows(self, user_id: UserID) -> list[Fault]:
        rows = await self._directory.conversations(user_id)
        accounts: set[str] = set()
        for begin in range(0, len(rows), USERS_AT_ONCE):
            named = [row.user_id for row in rows[begin : begin + USERS_AT_ONCE] if row.user_id]
            accounts.update(await self._directory.users(named))
        newest = await self._max_seqs([row.conversation_id for row in rows])
        faults = audit.strangers(rows, accounts)
        if above := audit.cuts_above_head(rows, newest, origin=0):
            faults += audit.lasting(above, audit.cuts_above_head(rows, newest, await self._messages.origin()))
        for row in rows:
            if row.conversation_id not in newest:
                faults += await self._without_head(row.conversation_id)
        return faults

    async def _without_head(self, conversation_id: ConversationID) -> list[Fault]:
        """Look for rows, and a history, of a conversation that seems to have no messages."""
        seq = await _newest_seq(self._messages, conversation_id, 1)
        confirmed = await _confirmed(self._history, conversation_id)
        if not (seq or confirmed) or await self._max_seqs([conversation_id]):
            return []
        faults = [audit.row_above_head(conversation_id, seq, 0)] if seq else []
        return [*faults, audit.history_above_head(conversation_id, confirmed, 0)] if confirmed else faults

    async def _max_seqs(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, int]:
        newest: dict[ConversationID, int] = {}
        for begin in range(0, len(conversation_ids), STREAMS_AT_ONCE):
            heads = await self._messages.heads(conversation_ids[begin : begin + STREAMS_AT_ONCE])
            newest.update({conversation_id: head.max_seq for conversation_id, head in heads.items()})
        return newest


def _spans(head: StreamHead) -> Iterator[tuple[int, int]]:
    """Yield the seqs of a stream in portions, without those that a restore has skipped: they may be millions."""
    for first, last in given(1, head.max_seq, head.skipped):
        for begin in range(first, last + 1, ROWS_AT_ONCE):
            yield begin, min(begin + ROWS_AT_ONCE - 1, last)


async def _confirmed(history: HistoryReader | None, conversation_id: ConversationID) -> int:
    """Return up to which seq a history is complete, 0 where there is none."""
    if history is None:
        return 0
    return (await history.confirmed([conversation_id])).get(conversation_id, ConversationSeq(0))


async def _newest_seq(messages: MessageReader, conversation_id: ConversationID, begin: int) -> int:
    """Return the seq of the newest row from `begin` on, 0 if there is none."""
    try:
        rows = await messages.read_range(conversation_id, begin, SEQ_MAX, 1)
    except StoreDamaged:
        return 0  # said of the file already
    return rows[-1].seq if rows else 0


async def _read(read_range: ReadRange, conversation_id: ConversationID, first: int, last: int) -> Rows:
    """Read all rows of first..last; of what a damaged file does not give, single seqs are found out, as damaged rows."""
    try:
        return await read_range(conversation_id, first, last, last + 1 - first)
    except StoreDamaged:
        if first == last:
            return [DamagedRow(ConversationSeq(first))]
    middle = (first + last) // 2
    return [
        *await _read(read_range, conversation_id, first, middle),
        *await _read(read_range, conversation_id, middle + 1, last),
    ]
