"""
Conversation logs in a MongoDB database.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from openim_ray.domain.message import intact
from openim_ray.ports import Erased
from openim_ray.storage.damage import Unsealer
from openim_ray.storage.log_rules import check_write
from openim_ray.storage.mongo import message_erasure as erasure
from openim_ray.storage.mongo import message_queries as queries
from openim_ray.storage.mongo import message_retention as retention
from openim_ray.storage.mongo.claims import claim
from openim_ray.storage.mongo.connection import Connection
from openim_ray.storage.mongo.head_raiser import HeadRaiser
from openim_ray.storage.mongo.message_writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import (
        DamagedRow,
        LogState,
        LogWrite,
        MessageRef,
        StoredMessage,
        StreamHead,
        WriteResult,
    )
    from openim_ray.domain.sequence import ConversationSeq


class MongoMessageReader:
    """
    Reads logs from any process, while others write.

    A damaged row is never served as a message: it comes as a `DamagedRow`, reported and counted (`storage.damage`). Its seq
    stays taken and its key stays known to `find`.
    """

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self._database = self._connection.database
        self._rows = Unsealer()

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        return self._rows.damaged_rows

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._connection.aclose()

    async def load_log(self, home_key: str, tail: int) -> LogState | None:
        """See `ports.MessageReader`."""
        found = await self._connection.run(lambda: queries.load_log(self._database, home_key, tail))
        if found is None:
            return None
        state, rows = found
        tail_rows = (
            row for conversation_id, columns in rows.items() for row in self._rows.unseal(conversation_id, columns)
        )
        return state._replace(tail=tuple(intact(tail_rows)))

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        return await self._connection.run(lambda: queries.heads(self._database, conversation_ids))

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        rows = await self._connection.run(
            lambda: queries.read_range(self._database, conversation_id, begin, end, newest)
        )
        return self._rows.unseal(conversation_id, rows)

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        rows = await self._connection.run(lambda: queries.read_seqs(self._database, conversation_id, seqs))
        return self._rows.unseal(conversation_id, rows)

    async def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """See `ports.MessageReader`."""
        return await self._connection.run(lambda: queries.find(self._database, conversation_id, sender_id, client_id))

    async def read_marks(self, home_key: str) -> dict[str, int]:
        """See `ports.MessageReader`."""
        return await self._connection.run(lambda: queries.read_marks(self._database, home_key))

    async def origin(self) -> ConversationSeq:
        """See `ports.MessageReader`."""
        return await self._connection.run(lambda: queries.origin(self._database))

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """See `ports.MessageReader`."""
        return await self._connection.run(lambda: queries.page_heads(self._database, after, limit))


class MongoMessageStore(MongoMessageReader):
    """
    Writes logs: one ordered insert a batch, acknowledged by a majority and journaled before `write` returns.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._raiser = HeadRaiser(self._connection)
        self._writer = MessageWriter(self._database, self._raiser)

    async def aclose(self) -> None:
        """Finish what runs, let the heads follow, and close the connections."""
        await self._raiser.aclose()
        await super().aclose()

    async def claim(self, partitions: Sequence[str], owner: str) -> dict[str, int]:
        """See `ports.MessageStore`."""
        try:
            return await self._connection.run(lambda: claim(self._database, partitions, owner))
        finally:
            self._writer.forget_epochs()

    async def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """
        See `ports.MessageStore`.

        ValueError, and nothing is written, if one of the writes contradicts itself (`log_rules.check_write`).
        """
        for one in writes:
            check_write(one)
        if not writes:
            return []
        return await self._connection.run(lambda: self._writer.write(writes))

    async def expired(self, age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        """See `ports.RetentionStore`."""
        return await self._connection.run(lambda: retention.expired(self._database, age_ms, limit, skip))

    async def forget(self, conversation_id: ConversationID, through: ConversationSeq) -> int:
        """See `ports.RetentionStore`."""
        return await self._connection.run(lambda: retention.forget(self._database, conversation_id, through))

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """See `ports.ErasingStore`; a call for some rows at a time."""
        rows: list[StoredMessage] = []
        replaced = 0
        begin: int | None = first
        while begin is not None:
            erase_page = partial(erasure.erase, self._database, conversation_id, user_id, begin, last)
            page, begin = await self._connection.run(erase_page)
            rows += page.rows
            replaced += page.replaced
        return Erased(tuple(rows), replaced)

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`; its files are the server's business."""
        return True
