"""
Users who act on each other in the same moment, on every directory: one of two contradictions wins, and lists, applications and what is told agree.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import pytest

from openim_ray.core.effects import decode_effect
from openim_ray.domain.errors import OpenIMError
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import HandleResult, User
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.services.black_lists import BlackListService
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.friendships import Application, FriendChanges, FriendshipService, Verdict
from openim_ray.services.notifications import Cause

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from openim_ray.ports import Broker
    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryView

ROUNDS: Final = 6
CAUSE: Final = Cause("admin", "operation", 1)
PAIR: Final = "ann_ben"
HANDLED: Final = 1305


class _NoOwners:
    """A broker whose owners of logs are away: what was told stays in the outbox."""

    async def apply_effects(self, home_keys: object) -> None:
        """Do nothing."""


class Couple:
    """
    Ann and Ben, fresh for each round, over one directory.
    """

    def __init__(self, directory: OpenDirectoryStore) -> None:
        self.directory = directory
        broker: Broker = _NoOwners()  # type: ignore[assignment]
        changes = DirectoryChanges(directory, broker)
        self.friendships = FriendshipService(changes)
        self.black_lists = BlackListService(changes)

    async def apart(self) -> None:
        """Let neither be in a list of the other, and nothing be told yet."""

        def use_case(tx: Any) -> None:
            for owner, other in (("ann", "ben"), ("ben", "ann")):
                tx.delete_friend(owner, other)
                tx.delete_blocked(owner, other)
            if effects := tx.waiting_effects(PAIR, 100):
                tx.delete_effects(PAIR, effects[-1].number)

        await self.directory.change(use_case)

    async def at_once(self, *calls: Coroutine[Any, Any, None]) -> list[int]:
        """Make calls in the same moment; returns their codes."""
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        for outcome in outcomes:
            assert outcome is None or isinstance(outcome, OpenIMError), outcome
        return [outcome.code if isinstance(outcome, OpenIMError) else 0 for outcome in outcomes]

    async def friends(self) -> tuple[bool, bool]:
        """Tell whether each stands in the other's list."""

        def query(view: DirectoryView) -> tuple[bool, bool]:
            return bool(view.friends_among("ann", ["ben"])), bool(view.friends_among("ben", ["ann"]))

        return await self.directory.view(query)

    async def told(self) -> list[tuple[int, int]]:
        """Return type and result of what was told, in order."""
        rows = await self.directory.view(lambda view: view.waiting_effects(PAIR, 100))
        return [_told(decode_effect(row.payload).notification) for row in rows]

    async def result(self) -> int:
        """Return what became of Ann's application."""
        request = await self.directory.view(lambda view: view.friend_request("ann", "ben"))
        assert request is not None
        return request.handle_result


def _told(notification: bytes) -> tuple[int, int]:
    message = MsgData.FromString(notification)
    tips = json.loads(json.loads(message.content)["detail"])
    return message.contentType, (tips.get("request") or {}).get("handleResult", 0)


@pytest.fixture
async def couple(directory: OpenDirectoryStore) -> Couple:
    """Lend two users."""
    await directory.register([User(user_id=UserID(name)) for name in ("ann", "ben")])
    return Couple(directory)


async def test_an_application_has_one_answer(couple: Couple) -> None:
    """Yes, no and yes again: one counts, the others are 1305; the lists and the one notification say the same."""
    for _ in range(ROUNDS):
        await couple.apart()
        await couple.friendships.apply(CAUSE, Application("ann", "ben"))
        answers = [Verdict("ann", "ben", result) for result in (1, -1, 1)]
        codes = await couple.at_once(*(couple.friendships.respond(CAUSE, one) for one in answers))

        assert sorted(codes) == [0, HANDLED, HANDLED]
        result = answers[codes.index(0)].result
        assert await couple.result() == result
        assert await couple.friends() == ((True, True) if result == HandleResult.AGREED else (False, False))
        assert await couple.told() == [(1203, 0), (1201, 1) if result == HandleResult.AGREED else (1202, -1)]


async def test_an_answer_meets_a_new_application(couple: Couple) -> None:
    """Either the old one is refused and the new one waits, or the new one is refused; it is never lost between the two."""
    for _ in range(ROUNDS):
        await couple.apart()
        await couple.friendships.apply(CAUSE, Application("ann", "ben", "old"))
        codes = await couple.at_once(
            couple.friendships.respond(CAUSE, Verdict("ann", "ben", -1)),
            couple.friendships.apply(CAUSE, Application("ann", "ben", "new")),
        )

        assert codes == [0, 0]
        last, _ = (await couple.told())[-1]
        assert (await couple.result(), last) in ((HandleResult.PENDING, 1203), (HandleResult.REFUSED, 1202))


async def test_two_accept_each_other(couple: Couple) -> None:
    """Both applied; the second answer finds its application accepted with the first."""
    for _ in range(ROUNDS):
        await couple.apart()
        await couple.friendships.apply(CAUSE, Application("ann", "ben"))
        await couple.friendships.apply(CAUSE, Application("ben", "ann"))
        codes = await couple.at_once(
            couple.friendships.respond(CAUSE, Verdict("ann", "ben", 1)),
            couple.friendships.respond(CAUSE, Verdict("ben", "ann", 1)),
        )

        assert sorted(codes) == [0, HANDLED]
        assert await couple.friends() == (True, True)
        assert [kind for kind, _ in await couple.told()] == [1203, 1203, 1201]


async def test_a_friend_is_deleted_while_she_is_changed(couple: Couple) -> None:
    """A remark doesn't bring her back: it comes before the end, or finds no friend."""
    for _ in range(ROUNDS):
        await couple.apart()
        await couple.friendships.import_friends(CAUSE, "ann", ["ben"])
        codes = await couple.at_once(
            couple.friendships.delete(CAUSE, "ann", "ben"),
            couple.friendships.update(CAUSE, "ann", ["ben"], FriendChanges(remark="x")),
        )

        assert codes in ([0, 0], [0, 1004])
        assert await couple.friends() == (False, True)


async def test_blocks_and_unblocks_follow_each_other(couple: Couple) -> None:
    """The list is as the last of them in the order of the log says, which is the order in which they are told."""
    for _ in range(ROUNDS):
        await couple.apart()
        codes = await couple.at_once(
            couple.black_lists.block(CAUSE, "ann", "ben", "x"),
            couple.black_lists.unblock(CAUSE, "ann", "ben"),
            couple.black_lists.block(CAUSE, "ann", "ben", "y"),
        )

        assert codes == [0, 0, 0]
        kinds = [kind for kind, _ in await couple.told()]
        # Who unblocks before anybody is blocked has changed nothing, and nothing is told of it.
        assert sorted(kinds) in ([1207, 1207, 1208], [1207, 1207])
        listed = await couple.directory.view(lambda view: view.blacks_among("ann", ["ben"]))
        assert bool(listed) == (kinds[-1] == 1207)


async def test_one_who_is_being_blocked_applies(couple: Couple) -> None:
    """Her application is there and told, or refused with 1302 and neither."""
    for _ in range(ROUNDS):
        await couple.apart()
        await couple.friendships.apply(CAUSE, Application("ann", "ben", "old"))
        blocks, applies = await couple.at_once(
            couple.black_lists.block(CAUSE, "ben", "ann", ""),
            couple.friendships.apply(CAUSE, Application("ann", "ben", "new")),
        )

        assert (blocks, applies) in ((0, 0), (0, 1302))
        request = await couple.directory.view(lambda view: view.friend_request("ann", "ben"))
        assert request is not None
        assert request.req_msg == ("new" if applies == 0 else "old")
        kinds = [kind for kind, _ in await couple.told()]
        assert kinds == ([1203, 1203, 1207] if applies == 0 else [1203, 1207])
