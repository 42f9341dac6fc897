"""
The port to inboxes and logs (`ports.Broker`), over a gateway's hub.
"""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from openim_ray.core import items
from openim_ray.domain.conversation import home_key, is_single_chat
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import ServerMessageID, partition_of
from openim_ray.domain.message import MessageRef
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import ConversationState, PresentDevice, TokenRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.core.gateway.hub import Request
    from openim_ray.domain.errors import OpenIMError
    from openim_ray.domain.message import Outgoing
    from openim_ray.gateway.process import GatewayProcess

USERS_PER_QUESTION = 1_000
"""So many users' presence is asked for in one item."""

ASK_AGAIN_SECONDS = 0.2
_presence_decoder = msgspec.msgpack.Decoder(items.PresenceAnswer)
_states_decoder = msgspec.msgpack.Decoder(dict[str, ConversationState])


APPLY_SECONDS = 3.0
"""How long a call waits for its effects; who is in doubt about the rest looks at the version lists."""

POKED_MAX = 1_000
"""How many logs are told at once that effects wait for them."""


class FutureContext:
    """
    A coroutine that waits for a request.
    """

    def __init__(self, future: asyncio.Future[items.Reply]) -> None:
        self._future = future

    def complete(self, reply: items.Accepted | items.Reply | None, error: OpenIMError | None) -> None:
        """Wake the coroutine."""
        if self._future.done():
            return
        if error is not None:
            self._future.set_exception(error)
        elif isinstance(reply, items.Reply):
            self._future.set_result(reply)
        else:
            self._future.set_exception(Unavailable("unexpected answer"))


class SentContext:
    """
    A coroutine that waits for a message to be durable.
    """

    def __init__(self, future: asyncio.Future[items.Accepted]) -> None:
        self._future = future

    def complete(self, reply: items.Accepted | items.Reply | None, error: OpenIMError | None) -> None:
        """Wake the coroutine."""
        if self._future.done():
            return
        if error is None and isinstance(reply, items.Accepted):
            self._future.set_result(reply)
        else:
            self._future.set_exception(error or Unavailable("unexpected answer"))


def submission(message: Outgoing, operation_id: str) -> Callable[[int], items.Submit]:
    """
    Return what makes the item that takes a message to its log.
    """
    return lambda call: items.Submit(
        call,
        message.conversation_id,
        message.sender_id,
        message.receiver_id,
        message.client_id,
        message.server_id,
        message.content_type,
        operation_id,
        message.body,
        message.stored,
        message.sender_sync,
    )


class HubBroker:
    """
    Requests to inboxes and logs, each with the same deadline.
    """

    def __init__(self, process: GatewayProcess, seconds_max: float) -> None:
        self._process = process
        self._seconds_max = seconds_max
        self._loop = asyncio.get_running_loop()

    async def conversation_states(
        self, user_id: str, conversation_ids: Sequence[str] | None = None
    ) -> dict[str, ConversationState]:
        """See `ports.Broker`."""
        ids = None if conversation_ids is None else list(conversation_ids)
        reply = await self.ask_inbox(user_id, lambda call: items.AskStates(call, user_id, ids))
        return _states_decoder.decode(reply.value)

    async def send(self, message: Outgoing, operation_id: str) -> MessageRef:
        """See `ports.Broker`."""
        future: asyncio.Future[items.Accepted] = self._loop.create_future()
        self._process.hub.ask_log(
            home_key(message.conversation_id),
            submission(message, operation_id),
            SentContext(future),
            self._loop.time() + self._seconds_max,
        )
        self._process.perform()
        accepted = await future
        return MessageRef(ConversationSeq(accepted.seq), ServerMessageID(accepted.server_id), accepted.send_time)

    async def mark_read(
        self, user_id: str, conversation_id: str, has_read_seq: int, seqs: Sequence[int], operation_id: str
    ) -> None:
        """See `ports.Broker`: the log first, the inbox second. Only a chat of two has marks in its log."""
        if not is_single_chat(conversation_id):
            await self._mark_in_inbox(user_id, conversation_id, has_read_seq, operation_id, notify=True)
            return
        command_id = uuid.uuid4().hex
        wanted = list(seqs)
        await self._ask_log(
            conversation_id,
            lambda call: items.MarkRead(call, user_id, conversation_id, has_read_seq, wanted, operation_id, command_id),
        )
        await self._mark_in_inbox(user_id, conversation_id, has_read_seq, operation_id, notify=False)

    async def _mark_in_inbox(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, *, notify: bool
    ) -> None:
        await self.ask_inbox(
            user_id,
            lambda call: items.SetPosition(
                call, user_id, conversation_id, has_read_seq, exact=False, operation_id=operation_id, notify=notify
            ),
        )

    async def set_read_position(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, notify: bool
    ) -> None:
        """See `ports.Broker`."""
        await self.ask_inbox(
            user_id,
            lambda call: items.SetPosition(
                call, user_id, conversation_id, has_read_seq, exact=True, operation_id=operation_id, notify=notify
            ),
        )

    async def apply_effects(self, home_keys: Sequence[str]) -> None:
        """See `ports.Broker`. At most `POKED_MAX` are told of; the sweeps of their owners find the others."""
        keys = list(dict.fromkeys(home_keys))[:POKED_MAX]
        pokes = [
            self._ask(
                partial(self._process.hub.ask_log, key),
                partial(items.ApplyEffects, home_key=key),
                min(APPLY_SECONDS, self._seconds_max),
            )
            for key in keys
        ]
        await asyncio.gather(*pokes, return_exceptions=True)

    async def forget_receiver(self, user_id: str) -> None:
        """See `ports.Broker`."""
        asked = [
            self._ask(
                partial(self._process.hub.ask_actor, shard),
                partial(items.ForgetReceiver, user_id=user_id),
                min(APPLY_SECONDS, self._seconds_max),
            )
            for shard in self._process.hub.placement.shards
        ]
        await asyncio.gather(*asked, return_exceptions=True)

    async def save_tokens(self, records: Sequence[TokenRecord]) -> None:
        """See `ports.Broker`."""
        rows = [(one.digest, one.user_id, one.platform_id, one.state, one.expires_at) for one in records]
        await self._save_tokens(partition_of(records[0].user_id) if records else 0, rows)

    async def reach_persistence(self, number: int) -> None:
        """Return when a persistence actor (chosen by `number`) has answered, as it would a write."""
        await self._save_tokens(number, [])

    async def force_logout(self, user_id: str, platform_id: int) -> None:
        """See `ports.Broker`."""
        await self.ask_inbox(user_id, lambda call: items.ForceLogout(call, user_id, platform_id))

    async def present_devices(self, user_ids: Sequence[str]) -> dict[str, list[PresentDevice]]:
        """See `ports.Broker`. Who is left out of an answer is asked for again, perhaps elsewhere."""
        found: dict[str, list[PresentDevice]] = {}
        try:
            async with asyncio.timeout(self._seconds_max):
                while True:
                    missing = [one for one in user_ids if one not in found]
                    for answer in await asyncio.gather(*(self._ask_presence(*one) for one in self._by_home(missing))):
                        found.update(answer)
                    if len(found) == len(set(user_ids)):
                        break
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
        except TimeoutError:
            raise Unavailable("presence is not known in time") from None
        return found

    async def ask_inbox(self, user_id: str, make: Callable[[int], Request]) -> items.Reply:
        """Send a request to a user's inbox and wait for its reply."""
        return await self._ask(
            lambda item, context, deadline: self._process.hub.ask_inbox(user_id, item, context, deadline), make
        )

    async def subscribe_presence(self, user_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> None:
        """See `ports.Broker`."""
        begins, ends = list(subscribe), list(unsubscribe)
        await self.ask_inbox(user_id, lambda call: items.Subscribe(call, user_id, begins, ends))

    async def watched_users(self, user_id: str) -> list[str]:
        """See `ports.Broker`."""
        hub = self._process.hub
        own = [number for number, session in hub.sessions.items() if session.user_id == user_id]
        return sorted({one for number in own for one in hub.watches.watched_by(number)})

    def _by_home(self, user_ids: Sequence[str]) -> list[tuple[str, list[str]]]:
        placement = self._process.hub.placement
        by_home: dict[str, list[str]] = {}
        for user_id in user_ids:
            by_home.setdefault(placement.inbox_of(user_id), []).append(user_id)
        return [
            (home, here[first : first + USERS_PER_QUESTION])
            for home, here in by_home.items()
            for first in range(0, len(here), USERS_PER_QUESTION)
        ]

    async def _ask_presence(self, home: str, user_ids: list[str]) -> dict[str, list[PresentDevice]]:
        hub = self._process.hub
        reply = await self._ask(
            lambda make, context, deadline: hub.ask_actor(home, make, context, deadline),
            lambda call: items.AskPresence(call, user_ids),
        )
        answer = _presence_decoder.decode(reply.value)
        hub.placement_wanted = max(hub.placement_wanted, answer.placement_epoch)
        return {user_id: [_device(one) for one in devices] for user_id, devices in answer.devices.items()}

    async def _save_tokens(self, number: int, rows: list[tuple[str, str, int, int, int]]) -> None:
        await self._ask(
            lambda make, context, deadline: self._process.hub.ask_persistence(number, make, context, deadline),
            lambda call: items.SaveTokens(call, rows),
        )

    async def _ask_log(self, conversation_id: str, make: Callable[[int], Request]) -> items.Reply:
        key = home_key(conversation_id)
        return await self._ask(
            lambda item, context, deadline: self._process.hub.ask_log(key, item, context, deadline), make
        )

    async def _ask(
        self,
        send: Callable[[Callable[[int], Request], FutureContext, float], None],
        make: Callable[[int], Request],
        seconds_max: float | None = None,
    ) -> items.Reply:
        future: asyncio.Future[items.Reply] = self._loop.create_future()
        send(make, FutureContext(future), self._loop.time() + (seconds_max or self._seconds_max))
        self._process.perform()
        return await future


def _device(device: items.PresentDevice) -> PresentDevice:
    connection_id = f"{device.gateway}-{device.connection:x}"
    return PresentDevice(device.platform_id, connection_id, device.background, device.token_digest)
