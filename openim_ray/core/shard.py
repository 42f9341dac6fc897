"""
The shard: everything one inbox actor owns, its conversation logs and its users' inboxes.

Each half is a machine of its own (`core/logs/log_shard.py`, `core/inboxes/inbox_shard.py`); this file joins them: it routes what arrives, and
carries deliveries from logs to inboxes, here by a call, elsewhere by an item. Nothing in it waits: what needs a store is
asked for (`loads`) or sent (`outgoing`), and goes on when the answer comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from openim_ray.core import items
from openim_ray.core.call_numbers import first_number
from openim_ray.core.inboxes.inbox_shard import InboxShard
from openim_ray.core.logs.log_shard import LogShard
from openim_ray.core.repair import REPAIR_MARGIN_MS
from openim_ray.core.shard_outbox import Outbox
from openim_ray.domain.conversation import home_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.core.logs.passing_on import ToInboxes
    from openim_ray.core.placement import Placement
    from openim_ray.core.shard_settings import ShardSettings


_encode = msgspec.msgpack.Encoder().encode
ForGroup = items.GroupFanout | items.Membership | items.RowsChanged

SWEEP_SECONDS = 1.0
NEW_GATEWAY_SECONDS = 60.0


class Shard:
    """
    One inbox actor's state. Construct it when the epochs of its partitions have been raised durably.

    Every request may arrive twice and is idempotent. A request for a key that is not placed here is answered `Moved`.
    """

    def __init__(
        self,
        name: str,
        placement: Placement,
        epochs: Mapping[str, int],
        persistence: Sequence[str],
        settings: ShardSettings,
        now: float,
        *,
        incarnation: str,
    ) -> None:
        self.name = name
        self.placement = placement
        self.outbox = Outbox(first_number(incarnation))
        self.logs = LogShard(self.outbox, epochs, persistence, settings, self._pass_on)
        self.inboxes = InboxShard(name, self.outbox, epochs, persistence, settings, now)
        self._settings = settings
        self._now = now
        self._wall_ms = 0
        self._started_ms = 0
        self._next_sweep = now
        self._persistence = tuple(persistence)
        self._heard: dict[str, tuple[float, int]] = {}
        self._first_heard: dict[str, float] = {}
        self._handlers: dict[type[items.Item], Callable[[str, Any], None]] = {
            items.Submit: self._on_submit,
            items.MarkRead: self._on_mark_read,
            items.Register: self._on_register,
            items.SetPosition: self._on_inbox_request,
            items.AskStates: self._on_inbox_request,
            items.ForceLogout: self._on_inbox_request,
            items.Subscribe: self._on_inbox_request,
            items.Unregister: self._on_unregister,
            items.Watch: self._on_watch,
            items.Unwatch: self._on_unwatch,
            items.AskPresence: self._on_ask_presence,
            items.Heartbeat: self._on_heartbeat,
            items.ApplyEffects: self._on_apply_effects,
            items.ForgetReceiver: self._on_forget_receiver,
            items.Fanout: self._on_fanout,
            items.GroupFanout: self._on_group_item,
            items.Membership: self._on_group_item,
            items.RowsChanged: self._on_group_item,
            items.StoredLog: self._on_stored_log,
            items.Reply: self._on_reply,
        }

    # --- what happens to a shard

    def receive(self, peer: str, batch: Sequence[items.AnyItem], now: float, wall_ms: int) -> None:
        """
        Handle items of a peer, in order.

        A fault in the handling of one leaves the others alone: a request is answered with an internal error; what a Fanout may not have
        reached is looked for in the stores.
        """
        self._set_time(now, wall_ms)
        self._heard[peer] = (now, wall_ms)
        if peer not in self._first_heard:
            self._first_heard[peer] = now
            self._meet(peer)
        for item in batch:
            if not self.outbox.failures.attempt(type(item).__name__, self._handle, peer, item):
                self._failed(peer, item)
        self.logs.flush(wall_ms)

    def link_reset(self, peer: str, now: float, wall_ms: int) -> None:
        """
        Go on after the link with a peer began anew: what was on its way in either direction may be lost.

        A persistence actor is told again what is unanswered; a gateway's sessions are dropped (if it lives it registers them again,
        which repairs them); after a loss between shards, inboxes look at the stores again.
        """
        self._set_time(now, wall_ms)
        attempt = self.outbox.failures.attempt
        attempt("sessions after a link reset", self.inboxes.drop_sessions_of, peer)
        attempt("writes after a link reset", self.logs.repeat_writes, peer)
        attempt("saves after a link reset", self.inboxes.repeat_saves, peer)
        _, last_heard_ms = self._heard.get(peer, (now, self._started_ms))
        if peer in self.placement.shards:
            # A dedicated actor owns no logs, so nothing that it delivers can be lost.
            attempt("inboxes after a link reset", self.inboxes.refresh_all, last_heard_ms - REPAIR_MARGIN_MS, now)
        self.logs.flush(wall_ms)

    def _handle(self, peer: str, item: items.AnyItem) -> None:
        self._handlers[type(item)](peer, item)

    def _failed(self, peer: str, item: items.AnyItem) -> None:
        if isinstance(item, items.Request):
            self.outbox.refuse_failed(peer, item.call)
        elif isinstance(item, items.Fanout):
            self.inboxes.refresh(item.user_ids, self._wall_ms - REPAIR_MARGIN_MS)
        elif isinstance(item, ForGroup):
            self.inboxes.refresh_all(self._wall_ms - REPAIR_MARGIN_MS, self._now)

    def _meet(self, peer: str) -> None:
        """Until now an owner of logs may not have known this actor, and what it had for groups it gave to the others only."""
        if self.name not in self.placement.shards and peer in self.placement.shards:
            self.inboxes.refresh_all(self._started_ms - REPAIR_MARGIN_MS, self._now)

    def tick(self, now: float, wall_ms: int) -> None:
        """Do what is due: repeat what a store could not take, end leases, give idle state back."""
        self._set_time(now, wall_ms)
        self.logs.tick(now)
        if self.name in self.placement.shards:
            self.logs.effects.sweep(now)
        self.inboxes.tick(now)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            self._sweep(now)
            self._beat()
        self.logs.flush(wall_ms)

    def _sweep(self, now: float) -> None:
        for peer in self.inboxes.gateways():
            heard, _ = self._heard.setdefault(peer, (now, self._wall_ms))
            if now - heard > self._settings.lease_seconds and self.inboxes.drop_sessions_of(peer):
                self.outbox.send(peer, items.Expired(self._wall_ms))
        self.inboxes.give_back_idle(now)

    def _beat(self) -> None:
        """Say something to every peer: a link that is never used does not show that its other end has died."""
        for peer in self._persistence:
            self.outbox.send(peer, items.Heartbeat())
        if self.name not in self.placement.shards:
            # It delivers nothing to the others; thousands of dedicated actors must not all talk to each other.
            return
        for peer in self.placement.actors():
            if peer != self.name:
                self.outbox.send(peer, items.Heartbeat())

    def place(self, placement: Placement, epochs: Mapping[str, int]) -> None:
        """Take over a newer placement, with the epochs of partitions that came along; what left is dropped."""
        if placement.epoch < self.placement.epoch:
            return
        self.placement = placement
        self.logs.add_epochs(epochs)
        self.inboxes.add_epochs(epochs, self._now)
        self.inboxes.drop_foreign(
            lambda user_id: placement.inbox_of(user_id) == self.name, placement.epoch, self._wall_ms
        )

    @property
    def saves_for_others(self) -> bool:
        """Tell whether something of a user whose inbox is placed elsewhere is not durable yet."""
        return any(self.placement.inbox_of(user_id) != self.name for user_id in self.inboxes.saving())

    # --- requests

    def _on_submit(self, peer: str, item: items.Submit) -> None:
        if self.placement.log_of(home_key(item.conversation_id)) != self.name:
            self.outbox.send(peer, items.Moved(item.call, self.placement.epoch))
            return
        self.logs.submit(peer, item, self._now, self._wall_ms)

    def _on_mark_read(self, peer: str, item: items.MarkRead) -> None:
        if self.placement.log_of(home_key(item.conversation_id)) != self.name:
            self.outbox.send(peer, items.Moved(item.call, self.placement.epoch))
            return
        self.logs.mark_read(peer, item, self._now, self._wall_ms)

    def _on_inbox_request(
        self,
        peer: str,
        item: items.Register | items.SetPosition | items.AskStates | items.ForceLogout | items.Subscribe,
    ) -> None:
        if self.placement.inbox_of(item.user_id) != self.name:
            self.outbox.send(peer, items.Moved(item.call, self.placement.epoch))
            return
        partition = self.placement.inbox_partition(item.user_id)
        self.inboxes.request(peer, item, partition, self._now, self._wall_ms)

    def _on_register(self, peer: str, item: items.Register) -> None:
        # Until it spoke here a gateway may have heard another owner, which did not know what this one delivers.
        if item.again and self._now - self._first_heard[peer] < NEW_GATEWAY_SECONDS:
            since_ms = min(item.since_ms, self._started_ms - REPAIR_MARGIN_MS)
            item = msgspec.structs.replace(item, since_ms=since_ms)
        self._on_inbox_request(peer, item)

    def _on_unregister(self, peer: str, item: items.Unregister) -> None:
        self.inboxes.unregister(peer, item, self._now)

    def _on_watch(self, peer: str, item: items.Watch) -> None:
        here = [one for one in item.users if self.placement.inbox_of(one[0]) == self.name]
        if len(here) < len(item.users):
            elsewhere = [user_id for user_id, _ in item.users if self.placement.inbox_of(user_id) != self.name]
            self.outbox.send(peer, items.WatchEnded(elsewhere, self.placement.epoch))
        self.inboxes.watch(peer, here, self._now)

    def _on_unwatch(self, peer: str, item: items.Unwatch) -> None:
        self.inboxes.presence.unwatch(peer, item.user_ids)

    def _on_ask_presence(self, peer: str, item: items.AskPresence) -> None:
        here = [user_id for user_id in item.user_ids if self.placement.inbox_of(user_id) == self.name]
        answer = items.PresenceAnswer(self.placement.epoch, self.inboxes.presence.answer(here, self._now))
        self.outbox.send(peer, items.Reply(item.call, value=_encode(answer)))

    def _on_apply_effects(self, peer: str, item: items.ApplyEffects) -> None:
        if self.placement.log_of(item.home_key) != self.name:
            self.outbox.send(peer, items.Moved(item.call, self.placement.epoch))
            return
        self.logs.effects.poke(item.home_key, peer, item.call)

    def _on_forget_receiver(self, peer: str, item: items.ForgetReceiver) -> None:
        self.logs.forget_receiver(item.user_id)
        self.outbox.send(peer, items.Reply(item.call))

    def _on_heartbeat(self, _peer: str, _item: items.Heartbeat) -> None:
        pass

    def _on_fanout(self, peer: str, item: items.Fanout) -> None:
        self._deliver(item, from_log=False)

    def _on_group_item(self, _peer: str, item: ForGroup) -> None:
        self._to_members(item)

    def _on_stored_log(self, _peer: str, item: items.StoredLog) -> None:
        self.logs.stored(item, self._now)

    def _on_reply(self, _peer: str, item: items.Reply) -> None:
        self.inboxes.saved(item, self._now)

    # --- from logs to inboxes

    def _pass_on(self, item: ToInboxes) -> None:
        if isinstance(item, items.Fanout):
            passed_on = self.outbox.failures.attempt("Fanout", self._deliver, item, from_log=True)
        else:
            passed_on = self.outbox.failures.attempt(type(item).__name__, self._broadcast, item)
        if not passed_on:
            self._failed(self.name, item)

    def _broadcast(self, item: ForGroup) -> None:
        """Give something to all inboxes it concerns; where they are, their shards know (decision 13)."""
        for owner in self.placement.actors():
            if owner != self.name:
                self.outbox.send(owner, item)
        self._to_members(item)

    def _to_members(self, item: ForGroup) -> None:
        if isinstance(item, items.GroupFanout):
            self.inboxes.deliver_to_group(item, self._now, self._wall_ms)
        elif isinstance(item, items.Membership):
            self.inboxes.change_members(item, self._wall_ms)
        else:
            self.inboxes.tell_rows_changed(item, self._wall_ms)

    def _deliver(self, fanout: items.Fanout, *, from_log: bool) -> None:
        here: list[str] = []
        elsewhere: dict[str, list[str]] = {}
        for user_id in fanout.user_ids:
            owner = self.placement.inbox_of(user_id)
            if owner == self.name:
                here.append(user_id)
            else:
                elsewhere.setdefault(owner, []).append(user_id)
        if here:
            self.inboxes.deliver(fanout, here, self._now, self._wall_ms)
        if fanout.forwarded:
            # Two placements disagree: the gateways register again with the newer one, and are repaired then.
            return
        for owner, user_ids in elsewhere.items():
            self.outbox.send(owner, _addressed(fanout, user_ids, forwarded=not from_log))

    def _set_time(self, now: float, wall_ms: int) -> None:
        self._started_ms = self._started_ms or wall_ms
        self._now = now
        self._wall_ms = wall_ms


def _addressed(fanout: items.Fanout, user_ids: list[str], *, forwarded: bool) -> items.Fanout:
    return items.Fanout(
        user_ids,
        fanout.conversation_id,
        fanout.seq,
        fanout.sender_id,
        fanout.client_id,
        fanout.operation_id,
        fanout.send_time,
        fanout.body,
        fanout.sender_sync,
        forwarded,
    )
