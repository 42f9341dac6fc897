"""
What a directory knows of erased accounts, and what goes at once (`transactions`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.domain.conversation import Conversation, SessionType, group_chat_id, single_chat_id
from openim_ray.domain.erasure import Erasure, ErasurePhase
from openim_ray.domain.errors import ArgsError, UserIDNotFound
from openim_ray.domain.group import Group, GroupRequest, Member
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import FriendRequest, HandleResult, User, UserCommand, UserStatus
from openim_ray.transactions import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

ALICE, BOB, CAROL = (User(user_id=UserID(one), nickname=one) for one in ("alice", "bob", "carol"))
GROUP = GroupID("7")
HERS = "her words"
THEIRS = "the words of others"
ALL = Window(0, 100)


@pytest.fixture
async def people(directory: OpenDirectoryStore) -> OpenDirectoryStore:
    """A directory with three accounts."""
    await directory.register([ALICE, BOB, CAROL])
    return directory


async def look(directory: OpenDirectoryStore, query: Callable[[DirectoryView], Any]) -> Any:
    """Run a query."""
    return await directory.view(query)


async def test_an_erasure_is_kept_until_it_is_done(people: OpenDirectoryStore) -> None:
    """And after that it can still be looked up; those that are not done are found page by page."""
    first = Erasure(user_id="bob", created_ms=1)
    further = replace(first, conversation_id="si_bob_carol", seq=1 << 40, messages=3)
    other = Erasure(user_id="alice", phase=ErasurePhase.FILES, created_ms=2)
    assert await look(people, lambda view: view.erasure("bob")) is None
    for one in (first, other, further):
        await people.change(lambda tx, one=one: tx.put_erasure(one))

    assert await look(people, lambda view: view.erasure("bob")) == further
    assert await look(people, lambda view: view.unfinished_erasures("", 10)) == [other, further]
    assert await look(people, lambda view: view.unfinished_erasures("", 1)) == [other]
    assert await look(people, lambda view: view.unfinished_erasures("alice", 10)) == [further]
    done = replace(further, phase=ErasurePhase.DONE, finished_ms=9)
    await people.change(lambda tx: tx.put_erasure(done))
    assert await look(people, lambda view: view.unfinished_erasures("", 10)) == [other]
    assert await look(people, lambda view: view.erasure("bob")) == done


async def test_only_an_account_can_be_erased(people: OpenDirectoryStore) -> None:
    """And what can't be kept is refused."""
    with pytest.raises(UserIDNotFound):
        await people.change(lambda tx: tx.put_erasure(Erasure(user_id="dave")))
    with pytest.raises(ArgsError):
        await people.change(lambda tx: tx.put_erasure(Erasure(user_id="bob", conversation_id="a\0b")))


async def test_what_she_said_beside_messages_is_forgotten(people: OpenDirectoryStore) -> None:
    """What she kept and applied for is gone, her words elsewhere are empty, and what others said stays."""
    await people.change(_fill)
    await people.change(lambda tx: tx.forget_texts("alice"))

    def query(view: DirectoryView) -> Any:
        return {
            "kept": [view.user_commands("alice", None), view.client_config("alice")],
            "applied": [view.sent_friend_requests("alice", (), ALL), view.received_friend_requests("alice", (), ALL)],
            "entered": view.requests_of_user("alice", (), (), ALL),
            "kept by bob": [[one.value for one in view.user_commands("bob", None)], view.client_config("bob")],
            "between others": [one.req_msg for one in view.sent_friend_requests("bob", (), ALL)[1]],
            "invited": [(one.req_msg, one.handle_msg) for one in view.requests_of_user("bob", (), (), ALL)[1]],
            "handled": [(one.req_msg, one.handle_msg) for one in view.requests_of_user("carol", (), (), ALL)[1]],
            "cards": {
                one: (card.nickname, card.face_url, card.ex)
                for one, card in view.members(GROUP, ["alice", "bob"]).items()
            },
            "rows": {
                owner: [
                    (row.ex, row.attached_info, row.is_pinned) for row in view.conversation_rows(owner, [CHAT]).values()
                ]
                for owner in ("alice", "bob")
            },
        }

    assert await people.view(query) == {
        "kept": [[], {}],
        "applied": [(0, []), (0, [])],
        "entered": (0, []),
        "kept by bob": [[THEIRS], {"theme": THEIRS}],
        "between others": [THEIRS],
        "invited": [("", THEIRS)],
        "handled": [(THEIRS, "")],
        "cards": {"alice": ("", "", ""), "bob": (THEIRS, THEIRS, THEIRS)},
        "rows": {"alice": [("", "", True)], "bob": [(THEIRS, THEIRS, True)]},
    }
    status = replace(ALICE, nickname="", status=UserStatus.ERASED)
    await people.change(lambda tx: tx.put_user(status))
    assert await people.users(["alice"]) == {"alice": status}
    assert not (await people.single_chat_facts("bob", "alice")).receiver_exists


CHAT = single_chat_id("alice", "bob")


def _fill(tx: DirectoryTransaction) -> None:
    for user, text in ((ALICE, HERS), (BOB, THEIRS)):
        tx.put_user_command(UserCommand(user_id=user.user_id, kind=1, uuid="u", value=text, ex=text))
        tx.put_client_config(user.user_id, {"theme": text})
        row = Conversation(owner_user_id=user.user_id, conversation_id=CHAT, conversation_type=SessionType.SINGLE)
        tx.put_conversation(replace(row, ex=text, attached_info=text, is_pinned=True))
    tx.put_friend_request(FriendRequest(from_user=ALICE, to_user=BOB, req_msg=HERS, ex=HERS))
    tx.put_friend_request(FriendRequest(from_user=CAROL, to_user=ALICE, handle_msg=HERS, handler_user_id="alice"))
    tx.put_friend_request(FriendRequest(from_user=BOB, to_user=CAROL, req_msg=THEIRS))
    tx.put_group(Group(group_id=GROUP, group_name=THEIRS))
    for user, text in ((ALICE, HERS), (BOB, THEIRS)):
        tx.put_member(Member(group_id=GROUP, user=user, nickname=text, face_url=text, ex=text))
    request = GroupRequest(group_id=GROUP, user=ALICE, handle_result=HandleResult.AGREED)
    tx.put_group_request(replace(request, req_msg=HERS, ex=HERS))
    tx.put_group_request(replace(request, user=BOB, req_msg=HERS, ex=HERS, inviter_user_id="alice", handle_msg=THEIRS))
    tx.put_group_request(replace(request, user=CAROL, req_msg=THEIRS, handle_msg=HERS, handle_user_id="alice"))
    assert group_chat_id(GROUP)
