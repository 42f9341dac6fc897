"""
One call of everything that a transaction can ask and change, for tests that look at the plans of its queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.erasure import Erasure
from openim_ray.domain.group import Cut, Group, GroupRequest, Member, Role
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.people import Blocked, Friend, FriendRequest, ProfileAnnouncement, User, UserCommand
from openim_ray.transactions import Window

if TYPE_CHECKING:
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

PAGE = Window(1, 10)


def ask_people(view: DirectoryView, user_id: str, others: list[str]) -> None:
    """Ask everything of people that an index answers."""
    view.users(others)
    view.friends_among(user_id, others)
    view.friend_owners(user_id, "u", 10)
    view.friend_count(user_id)
    view.black_count(user_id)
    view.blacks_among(user_id, others)
    view.friend_request(user_id, others[0])
    for results in ([], [0, 1]):
        view.received_friend_requests(user_id, results, PAGE)
        view.sent_friend_requests(user_id, results, PAGE)
    view.pending_friend_requests(user_id, 5)
    view.user_commands(user_id, None)
    view.user_commands(user_id, 1)
    view.client_config(user_id)
    view.page_client_config(user_id, "", PAGE)
    view.page_client_config(user_id, "key", PAGE)
    view.friend_list_version(user_id)
    view.conversation_rows(user_id, ["c1", "c2"])
    view.rows_of("c1", others)
    view.profile_announcement(user_id)
    view.next_profile_announcement()
    view.erasure(user_id)
    view.unfinished_erasures("", 10)
    view.waiting_effects("g7", 10)
    view.logs_with_effects(10)


def ask_groups(view: DirectoryView, group_id: str, user_id: str) -> None:
    """Ask everything of groups that an index answers."""
    view.groups([group_id, "g8"])
    view.search_groups(group_id, "", PAGE)
    view.joined_groups(user_id, PAGE)
    view.joined_group_ids(user_id, "g", 10)
    view.managed_group_ids(user_id)
    view.members(group_id, [user_id, "u9"])
    view.staff(group_id)
    view.member_count(group_id)
    for roles in ([], [Role.MEMBER, Role.ADMIN]):
        view.page_members(group_id, roles, "", PAGE)
    view.member_ids(group_id)
    view.member_ids_behind(group_id, "u", 10)
    view.group_request(group_id, user_id)
    for results in ([], [0, 1]):
        view.requests_to_groups([group_id, "g8"], results, PAGE)
        view.requests_of_user(user_id, [], results, PAGE)
        view.requests_of_user(user_id, [group_id, "g8"], results, PAGE)
    view.pending_group_requests([group_id, "g8"], 5)
    view.member_list_version(group_id)
    view.member_list_versions([group_id, "g8"])
    view.member_list_changes(group_id, view.member_list_version(group_id).version_id, 3)


def search(view: DirectoryView) -> None:
    """Ask what looks at everything: for a part of a name (of all members of a group, too), and for settings of whatever user."""
    view.search_users("a", [0, 1], PAGE)
    view.search_groups("", "a", PAGE)
    for roles in ([], [Role.MEMBER, Role.ADMIN]):
        view.page_members("g7", roles, "a", PAGE)
    view.page_client_config("", "key", PAGE)


def change_everything(transaction: DirectoryTransaction, group_id: str, user_id: str) -> None:
    """Add, replace and remove one of everything."""
    me, other = (User(user_id=UserID(one), nickname="now") for one in (user_id, "u9"))
    members = [Member(group_id=GroupID(group_id), user=one) for one in (me, other)]
    chat = ConversationID("sg_g")
    transaction.put_user(me)
    transaction.put_friend(Friend(owner_user_id=me.user_id, friend=other))
    transaction.delete_friend(me.user_id, "u9")
    transaction.put_friend_request(FriendRequest(from_user=me, to_user=other))
    transaction.put_blocked(Blocked(owner_user_id=me.user_id, blocked=other))
    transaction.delete_blocked(me.user_id, "u9")
    transaction.put_user_command(UserCommand(user_id=me.user_id, kind=1, uuid="u"))
    transaction.delete_user_command(me.user_id, 1, "u")
    transaction.put_client_config(me.user_id, {"k": "v", "l": "v"})
    transaction.delete_client_config(me.user_id, ["k"])
    transaction.put_group(Group(group_id=GroupID(group_id)))
    transaction.put_members(members)
    transaction.delete_members(group_id, [me.user_id, "u9"])
    transaction.put_group_request(GroupRequest(group_id=GroupID(group_id), user=me))
    rows = [Conversation(owner_user_id=one.user_id, conversation_id=chat, conversation_type=3) for one in (me, other)]
    transaction.put_conversations(rows)
    transaction.ensure_conversations(rows)
    transaction.ensure_conversations(
        [
            Conversation(owner_user_id=me.user_id, conversation_id=ConversationID(f"c{n}"), conversation_type=1)
            for n in range(3)
        ]
    )
    transaction.cut(chat, group_id, [Cut(user_id=one.user_id, max_seq=3) for one in (me, other)])
    transaction.put_effect("g7", b"", 1)
    transaction.put_effect("g7", b"", 1)
    transaction.replace_effect("g7", 1, b"", b"cut")
    transaction.delete_effects("g7", 1)


def fill_every_table(transaction: DirectoryTransaction) -> None:
    """Put a row into every table of the directory; Alice and Bob have accounts."""
    users = transaction.users(["alice", "bob"])
    alice, bob = users["alice"], users["bob"]
    group_id, chat = GroupID("g"), ConversationID("sg_g")
    transaction.put_friend(Friend(owner_user_id=alice.user_id, friend=bob, remark="Bô☺"))
    transaction.put_friend_request(FriendRequest(from_user=bob, to_user=alice, create_time=1 << 41))
    transaction.put_blocked(Blocked(owner_user_id=bob.user_id, blocked=alice))
    transaction.put_user_command(UserCommand(user_id=bob.user_id, kind=1, uuid="u"))
    transaction.put_client_config("", {"key": "value"})
    transaction.put_group(Group(group_id=group_id, group_name="Gröup"))
    transaction.put_members([Member(group_id=group_id, user=one) for one in (bob, alice)])
    transaction.put_group_request(GroupRequest(group_id=group_id, user=bob))
    transaction.put_conversation(Conversation(owner_user_id=bob.user_id, conversation_id=chat, conversation_type=3))
    for payload in (b"applied", b"\0\xff", b""):
        transaction.put_effect("g", payload, 5)
    transaction.delete_effects("g", 1)
    transaction.put_profile_announcement(
        ProfileAnnouncement(user_id=bob.user_id, operation_id="o", created_ms=5, moved_ms=5)
    )
    transaction.put_erasure(Erasure(user_id=bob.user_id))


def ask_every_table(view: DirectoryView) -> list[object]:
    """Return what `fill_every_table` has put."""
    window = Window(0, 100)
    return [
        view.friends_among("alice", ["bob"]),
        view.received_friend_requests("alice", [], window),
        view.blacks_among("bob", ["alice"]),
        view.user_commands("bob", None),
        view.client_config(""),
        view.groups(["g"]),
        view.page_members("g", [], "", window),
        view.requests_to_groups(["g"], [], window),
        view.rows_of("sg_g", ["bob"]),
        view.waiting_effects("g", 9),
        view.logs_with_effects(9),
        view.profile_announcement("bob"),
        view.erasure("bob"),
        view.member_list_version("g"),
    ]
