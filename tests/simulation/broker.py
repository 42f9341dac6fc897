"""
`ports.Broker` over a gateway's hub, as `openim_ray/gateway/broker.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from openim_ray.core import items
from openim_ray.domain.conversation import home_key, is_single_chat
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import partition_of
from openim_ray.ports import ConversationState, TokenRecord
from tests.simulation.coroutines import Future

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.core.gateway.hub import Request
    from openim_ray.domain.errors import OpenIMError
    from tests.simulation.gateways import GatewayProcess

_states_decoder = msgspec.msgpack.Decoder(dict[str, tuple[int, int, int, int]])


class FutureContext:
    """
    A coroutine that waits for a request.
    """

    def __init__(self, future: Future[items.Reply]) -> None:
        self._future = future

    def complete(self, reply: items.Accepted | items.Reply | None, error: OpenIMError | None) -> None:
        """Wake the coroutine."""
        if error is not None:
            self._future.fail(error)
        elif isinstance(reply, items.Reply):
            self._future.resolve(reply)
        else:
            self._future.fail(Unavailable("unexpected answer"))


class HubBroker:
    """
    Requests to inboxes and logs, each with the same deadline.
    """

    def __init__(self, process: GatewayProcess, seconds_max: float) -> None:
        self._process = process
        self._seconds_max = seconds_max
        self._commands = 0

    async def conversation_states(
        self, user_id: str, conversation_ids: Sequence[str] | None = None
    ) -> dict[str, ConversationState]:
        """See `ports.Broker`."""
        ids = None if conversation_ids is None else list(conversation_ids)
        asked = self._process.world.oracle.floor_of(user_id)
        reply = await self._ask_inbox(user_id, lambda call: items.AskStates(call, user_id, ids))
        states = {key: ConversationState(*value) for key, value in _states_decoder.decode(reply.value).items()}
        self._process.world.oracle.told_states(user_id, asked, states)
        return states

    async def mark_read(
        self, user_id: str, conversation_id: str, has_read_seq: int, seqs: Sequence[int], operation_id: str
    ) -> None:
        """See `ports.Broker`: the log first, the inbox second."""
        if not is_single_chat(conversation_id):
            await self._mark_in_inbox(user_id, conversation_id, has_read_seq, operation_id, notify=True)
            return
        self._commands += 1
        command_id = f"{self._process.incarnation}-mark-{self._commands}"
        wanted = list(seqs)
        await self._ask(
            self._process.hub.ask_log,
            home_key(conversation_id),
            lambda call: items.MarkRead(call, user_id, conversation_id, has_read_seq, wanted, operation_id, command_id),
        )
        await self._mark_in_inbox(user_id, conversation_id, has_read_seq, operation_id, notify=False)

    async def _mark_in_inbox(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, *, notify: bool
    ) -> None:
        await self._ask_inbox(
            user_id,
            lambda call: items.SetPosition(
                call, user_id, conversation_id, has_read_seq, exact=False, operation_id=operation_id, notify=notify
            ),
        )

    async def apply_effects(self, key: str) -> None:
        """Poke the owner of a log, and wait until it has applied what waits."""
        await self._ask(self._process.hub.ask_log, key, lambda call: items.ApplyEffects(call, key))

    async def set_read_position(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, notify: bool
    ) -> None:
        """See `ports.Broker`."""
        await self._ask_inbox(
            user_id,
            lambda call: items.SetPosition(
                call, user_id, conversation_id, has_read_seq, exact=True, operation_id=operation_id, notify=notify
            ),
        )

    async def save_tokens(self, records: Sequence[TokenRecord]) -> None:
        """See `ports.Broker`."""
        rows = [(one.digest, one.user_id, one.platform_id, one.state, one.expires_at) for one in records]
        number = partition_of(records[0].user_id)
        await self._ask(self._process.hub.ask_persistence, number, lambda call: items.SaveTokens(call, rows))

    async def force_logout(self, user_id: str, platform_id: int) -> None:
        """See `ports.Broker`."""
        await self._ask_inbox(user_id, lambda call: items.ForceLogout(call, user_id, platform_id))

    async def _ask_inbox(self, user_id: str, make: Callable[[int], Request]) -> items.Reply:
        return await self._ask(self._process.hub.ask_inbox, user_id, make)

    async def _ask(self, ask: Callable[..., None], key: str | int, make: Callable[[int], Request]) -> items.Reply:
        future: Future[items.Reply] = Future()
        ask(key, make, FutureContext(future), self._process.now + self._seconds_max)
        self._process.perform()
        return await future
