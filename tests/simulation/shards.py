"""
A shard process: `core.shard.Shard`, as `actors/inbox.py` drives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.inboxes.inbox import RowCut
from openim_ray.core.shard import Shard
from openim_ray.core.shard_loads import (
    DeleteEffects,
    EnsureRows,
    FindEffects,
    Load,
    LoadEffects,
    LoadFacts,
    LoadInbox,
    LoadLog,
    LoadToken,
    MarkMentions,
    WriteCuts,
)
from openim_ray.domain.conversation import notification_stream_id, self_stream_id, single_chat_id
from openim_ray.domain.errors import OpenIMError
from openim_ray.domain.ids import UserID
from openim_ray.services.groups.seats import write_cuts
from openim_ray.services.mentions import mark_page
from tests.simulation.coroutines import Future
from tests.simulation.groups import CHAT
from tests.simulation.process import Process
from tests.simulation.stores import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.core.items import AnyItem
    from openim_ray.core.placement import Placement
    from openim_ray.core.shard_loads import EffectLoad
    from openim_ray.domain.group import GroupChatFacts
    from openim_ray.domain.people import SingleChatFacts
    from openim_ray.transactions import DirectoryTransaction
    from tests.simulation.world import World


class ShardProcess(Process):
    """
    Serves only after the epochs of its partitions were raised durably.
    """

    def __init__(self, world: World, name: str, dedicated_user: str) -> None:
        super().__init__(world, name)
        self.dedicated_user = dedicated_user
        self.reader = Reader(world.stores, self)
        self.shard: Shard | None = None
        self._to_group: dict[int, str] = {}
        """clientMsgIDs of messages to the group, by the numbers of their calls."""
        self.later(world.scheduler.between(0.01, 0.3), lambda: self.spawn(self._start()))

    async def _start(self) -> None:
        placement = await self.until_told("supervisor", lambda there: there.placement())
        while not placement.partitions_of(self.name):
            await self.sleep(0.1)
            placement = await self.until_told("supervisor", lambda there: there.placement())
        epochs = await self._claim(placement.partitions_of(self.name))
        names, settings = self.world.persistence_names, self.world.settings.shard
        self.shard = Shard(self.name, placement, epochs, names, settings, self.now, incarnation=self.incarnation)
        self.begin()
        every = 20.0 if self.dedicated_user else 2.0
        self.spawn(self.follow_placement(every, lambda: self.serving_shard().placement.epoch))

    async def _claim(self, partitions: list[str]) -> dict[str, int]:
        epochs: dict[str, int] = await self.until_told(
            self.world.persistence_names[0], lambda there: there.claim(partitions, self.incarnation)
        )
        return epochs

    def place(self, placement: Placement) -> Future[bool]:
        """Take over a newer placement; done when the positions of who left are durable, False if that takes too long."""
        done: Future[bool] = Future()
        if self.shard is None:
            done.resolve(False)
        else:
            self.spawn(self._place(self.shard, placement, done))
        return done

    async def _place(self, shard: Shard, placement: Placement, done: Future[bool]) -> None:
        if placement.epoch <= shard.placement.epoch:
            done.resolve(True)
            return
        known = set(shard.placement.partitions_of(self.name))
        came = [one for one in placement.partitions_of(self.name) if one not in known]
        came += placement.returned_since(shard.placement, self.name)
        epochs = await self._claim(came) if came else {}
        shard.place(placement, epochs)
        self._perform()
        deadline = self.now + 8.0
        while shard.saves_for_others:
            if self.now >= deadline:
                done.resolve(False)
                return
            await self.sleep(0.01)
        done.resolve(True)

    def serving_shard(self) -> Shard:
        """Return the state machine; it is there once this process serves."""
        assert self.shard is not None
        return self.shard

    def on_tick(self) -> None:
        """Tell the machine the time; end if another owner has taken over."""
        shard = self.serving_shard()
        if shard.logs.superseded:
            self.world.crash(self)
            return
        shard.tick(self.now, self.wall_ms)
        self._perform()
        moved_on = self.world.oracle.moved_on({inbox.user_id: inbox.position for inbox in shard.inboxes.active()})
        for user_id in self.world.owned_by(self, moved_on) if moved_on else ():
            self.world.oracle.positioned(user_id, moved_on[user_id])

    def on_items(self, peer: str, batch: Sequence[AnyItem]) -> None:
        """Let the shard handle items, and do what it wants done."""
        if self.world.settings.group:
            self._note_messages_to_group(batch)
        self.serving_shard().receive(peer, batch, self.now, self.wall_ms)
        self._perform()

    def _note_messages_to_group(self, batch: Sequence[AnyItem]) -> None:
        for item in batch:
            if isinstance(item, items.Submit) and item.conversation_id == CHAT:
                self._to_group[item.call] = item.client_id

    def on_link_reset(self, peer: str) -> None:
        """Tell the shard."""
        if self.shard is not None:
            self.shard.link_reset(peer, self.now, self.wall_ms)
            self._perform()

    def _perform(self) -> None:
        outbox = self.serving_shard().outbox
        assert not (failures := outbox.failures.take()), failures
        for load in outbox.take_loads():
            self.spawn(self._load(load))
        for peer, item in outbox.take_items():
            if self.traced:
                self.world.trace(self, f"> {peer}", item)
            if isinstance(item, items.Reply) and item.code and item.call in self._to_group:
                self.world.oracle.group.refused(self._to_group[item.call])
            self.links.send(peer, item)
        self.links.flush()

    async def _load(self, load: Load) -> None:
        shard = self.serving_shard()
        try:
            if isinstance(load, LoadLog):
                state = await self.reader.load_log(load.home_key, self.world.settings.log_tail)
                shard.logs.log_loaded(load.home_key, state, self.now, self.wall_ms)
            elif isinstance(load, LoadInbox):
                await self._load_inbox(shard, load)
            elif isinstance(load, LoadFacts):
                facts = await self._facts(load)
                shard.logs.facts_loaded(load.sender_id, load.receiver_id, facts, self.now, self.wall_ms)
            elif isinstance(load, LoadToken):
                shard.inboxes.token_read(load, await self.reader.token_state(load.digest))
            elif isinstance(load, EnsureRows):
                await self.reader.ensure_rows(_rows(load))
                shard.logs.rows_ensured(load)
            elif isinstance(load, MarkMentions):
                page = await mark_page(self.reader, load)  # type: ignore[arg-type]
                shard.logs.mentions.marked(load, page.changed, page.after)
            else:
                await self._work_on_effects(shard, load)
        except OpenIMError:
            self._load_failed(shard, load)
        shard.logs.flush(self.wall_ms)
        self._perform()

    async def _facts(self, load: LoadFacts) -> SingleChatFacts | GroupChatFacts:
        if load.is_group:
            return await self.reader.group_chat_facts(load.receiver_id, load.sender_id)
        return await self.reader.single_chat_facts(load.sender_id, load.receiver_id)

    async def _work_on_effects(self, shard: Shard, load: EffectLoad) -> None:
        effects = shard.logs.effects
        if isinstance(load, LoadEffects):
            effects.read(
                load.home_key, await self.reader.view(lambda view: view.waiting_effects(load.home_key, load.limit))
            )
        elif isinstance(load, WriteCuts):

            def cut(tx: DirectoryTransaction) -> bool:
                written = write_cuts(tx, load)
                if written:
                    self.world.oracle.group.cut(load.number, load.cuts)
                return written

            written = await self.reader.change(cut)
            if written.result:
                effects.cuts_written(load)
            else:
                effects.cuts_refused(load)
        elif isinstance(load, DeleteEffects):
            await self.reader.change(lambda tx: tx.delete_effects(load.home_key, load.through))
            effects.deleted(load)
        elif isinstance(load, FindEffects):
            # Without a group nothing is asked: worlds replay as they did without.
            found = []
            if self.world.settings.group:
                found = await self.reader.view(lambda view: view.logs_with_effects(load.limit))
            effects.found([key for key in found if shard.placement.log_of(key) == self.name])

    async def _load_inbox(self, shard: Shard, load: LoadInbox) -> None:
        user_id = UserID(load.user_id)
        rows = await self.reader.conversations(user_id)
        positions = await self.reader.read_positions(user_id)
        ids = [row.conversation_id for row in rows]
        streams = [notification_stream_id(one) for one in ids]
        heads = await self.reader.heads([*ids, *streams, self_stream_id(user_id)])
        cuts = {row.conversation_id: RowCut(row.min_seq, row.max_seq) for row in rows if row.min_seq or row.max_seq}
        shard.inboxes.inbox_loaded(user_id, ids, positions, heads, self.now, self.wall_ms, cuts)

    def _load_failed(self, shard: Shard, load: Load) -> None:
        if isinstance(load, LoadInbox | LoadToken):
            shard.inboxes.load_failed(load, self.now)
        else:
            shard.logs.load_failed(load, self.now)


def _rows(ensure: EnsureRows) -> list[tuple[str, str, str]]:
    one, other = ensure.participants
    conversation_id = single_chat_id(one, other)
    return [(owner, conversation_id, peer) for owner, peer in sorted({(one, other), (other, one)})]
