"""
What a shard asks its process to read or ensure in the stores; each is answered by a call of the shard's method of the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain.conversation import notification_chat_row, single_chat_rows

if TYPE_CHECKING:
    from openim_ray.domain.conversation import Conversation
    from openim_ray.domain.group import Cut


class LoadLog(NamedTuple):
    """
    Read a log's state; answered by `Shard.log_loaded`.
    """

    home_key: str


class LoadInbox(NamedTuple):
    """
    Read a user's conversation ids, positions and heads; answered by `Shard.inbox_loaded`.
    """

    user_id: str


class LoadFacts(NamedTuple):
    """
    Read what admission must know of sender and receiver (a user, or a group); answered by `Shard.facts_loaded`.
    """

    sender_id: str
    receiver_id: str
    is_group: bool = False


class EnsureRows(NamedTuple):
    """
    Make sure that users own the rows of what two of them have; answered by `LogShard.rows_ensured`.

    With `is_chat` both own that of their chat; `notified` own that of what the other one, a notification account, writes to them.
    """

    home_key: str
    participants: tuple[str, ...]
    is_chat: bool = True
    notified: tuple[str, ...] = ()

    def rows(self) -> list[Conversation]:
        """Return the rows."""
        one, other = self.participants
        rows = single_chat_rows(one, other) if self.is_chat else []
        accounts = {one: other, other: one}
        return rows + [notification_chat_row(owner, accounts[owner]) for owner in self.notified]


class LoadToken(NamedTuple):
    """
    Read the state of the token that a connection was registered with; answered by `Shard.token_read`.
    """

    user_id: str
    platform_id: int
    digest: str
    gateway: str
    connection: int


class LoadEffects(NamedTuple):
    """
    Read what the outbox holds for a log, the first `limit` rows; answered by `Effects.read`.
    """

    home_key: str
    limit: int


class DeleteEffects(NamedTuple):
    """
    Delete what was applied, up to a number; answered by `Effects.deleted`.
    """

    home_key: str
    through: int


class WriteCuts(NamedTuple):
    """
    Write what members may see of a group into their rows, as the effect with this number says; answered by `Effects.cuts_written`.

    `before` is that effect as it was read, `after` as it reads with its cut. If it does not read like `before` any more, another owner is
    at it: then nothing is written, and the answer is `Effects.cuts_refused`.
    """

    home_key: str
    number: int
    conversation_id: str
    cuts: tuple[Cut, ...]
    before: bytes = b""
    after: bytes = b""


class FindEffects(NamedTuple):
    """
    Look for logs for which the outbox holds something, those that wait longest, at most `limit`; answered by `LogShard.effects_found`.
    """

    limit: int


class MarkMentions(NamedTuple):
    """
    Mark the rows of members whom a message names (OpenIM wire, §4.6 step 9), one page of them; answered by `Mentions.marked`.

    `user_ids` are in order. `everybody`: all members are named besides. `is_notice`: it is an announcement of the group, which nobody is
    named in: all rows get that mark. `after`: only members behind this id are left.
    """

    home_key: str
    conversation_id: str
    sender_id: str
    user_ids: tuple[str, ...]
    everybody: bool
    operation_id: str
    command_id: str
    is_notice: bool = False
    after: str = ""


EffectLoad = LoadEffects | DeleteEffects | WriteCuts | FindEffects
LogLoad = LoadLog | LoadFacts | EnsureRows | MarkMentions | EffectLoad
Load = LogLoad | LoadInbox | LoadToken
