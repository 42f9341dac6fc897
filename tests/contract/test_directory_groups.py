"""
What every directory promises of groups: transactions, version lists, what admission asks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from openim_ray.core.shard_loads import MarkMentions
from openim_ray.domain.conversation import Conversation
from openim_ray.domain.errors import ArgsError, NoPermission, RecordNotFound, UserIDNotFound
from openim_ray.domain.group import Cut, Group, GroupChatFacts, GroupRequest, GroupStatus, Member, Role
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.people import HandleResult, User
from openim_ray.ports import VersionDelta
from openim_ray.services import mentions
from openim_ray.storage.relational import version_lists
from openim_ray.storage.version_rules import MARKER
from openim_ray.transactions import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

NAMES = ("alice", "bob", "carol", "dave", "eve")
EVERYTHING = Window(0, 100)


def user(user_id: str, **fields: object) -> User:
    """Return an account."""
    return User(user_id=UserID(user_id), nickname=user_id.title(), **fields)  # type: ignore[arg-type]


def group(group_id: str, **fields: object) -> Group:
    """Return a group."""
    return Group(group_id=GroupID(group_id), **fields)  # type: ignore[arg-type]


def member(group_id: str, user_id: str, role: int = Role.MEMBER, time: int = 0, **fields: object) -> Member:
    """Return a member."""
    return Member(group_id=GroupID(group_id), user=user(user_id), role_level=role, join_time=time, **fields)  # type: ignore[arg-type]


def request(group_id: str, user_id: str, time: int, **fields: object) -> GroupRequest:
    """Return an application."""
    return GroupRequest(group_id=GroupID(group_id), user=user(user_id), req_time=time, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def groups(directory: OpenDirectoryStore) -> OpenDirectoryStore:
    """Lend a directory with five people and two groups: in "g" Alice is the owner, Bob an admin, Carol and Dave members; "h" is Dave's."""
    await directory.register([user(name) for name in NAMES])

    def found(transaction: DirectoryTransaction) -> None:
        for group_id in ("g", "h"):
            transaction.put_group(group(group_id))
        transaction.put_members(
            [
                member("g", "dave", time=20),
                member("g", "bob", Role.ADMIN, 10),
                member("g", "alice", Role.OWNER, 30),
                member("h", "dave", Role.OWNER, 5),
                member("g", "carol", time=10),
            ]
        )

    await directory.change(found)
    return directory


# --- groups


async def test_a_group_comes_back_as_put(groups: OpenDirectoryStore) -> None:
    """With every field; member count and owner are those of its members, whatever is put."""
    full = group(
        "x",
        group_name="Näme 🙂",
        notification="n",
        introduction="i",
        face_url="f",
        create_time=1 << 41,
        ex="e",
        status=GroupStatus.MUTED,
        creator_user_id="c",
        group_type=2,
        need_verification=1,
        look_member_info=1,
        apply_member_friend=1,
        notification_update_time=1 << 41,
        notification_user_id="u",
        member_count=7,
        owner_user_id="nobody",
    )
    await groups.change(lambda transaction: transaction.put_group(full))
    empty = replace(full, member_count=0, owner_user_id="")
    found = await groups.view(lambda view: view.groups(["x", "none", "g"]))
    assert list(found.items()) == [("x", empty), ("g", group("g", member_count=4, owner_user_id="alice"))]

    await groups.change(lambda transaction: transaction.put_member(member("x", "bob", Role.OWNER)))
    await groups.change(lambda transaction: transaction.put_group(replace(full, ex="f")))
    after = await groups.view(lambda view: view.groups(["x"]))
    assert after == {"x": replace(full, ex="f", member_count=1, owner_user_id="bob")}


async def test_search(groups: OpenDirectoryStore) -> None:
    """By the whole id, by a part of the name, or all of them, in the order of ids."""
    named = [group("B", group_name="The 100%"), group("a", group_name="the end"), group("b", group_name="%")]
    for one in named:
        await groups.change(lambda transaction, one=one: transaction.put_group(one))

    async def search(group_id: str, name: str, window: Window) -> tuple[int, list[str]]:
        total, page = await groups.view(lambda view: view.search_groups(group_id, name, window))
        return total, [one.group_id for one in page]

    assert await search("", "", EVERYTHING) == (5, ["B", "a", "b", "g", "h"])
    assert await search("", "", Window(3, 1)) == (5, ["g"])
    assert await search("", "he", EVERYTHING) == (2, ["B", "a"])
    assert await search("", "%", EVERYTHING) == (2, ["B", "b"])
    assert await search("b", "", EVERYTHING) == (1, ["b"])
    assert await search("b", "he", EVERYTHING) == (0, [])


async def test_groups_of_a_user(groups: OpenDirectoryStore) -> None:
    """By time of joining, by id, and those in which she has a say; with count and owner."""
    await groups.change(lambda transaction: transaction.put_group(group("Z")))
    await groups.change(lambda transaction: transaction.put_member(member("Z", "dave", Role.ADMIN, 20)))

    total, joined = await groups.view(lambda view: view.joined_groups("dave", EVERYTHING))
    assert (total, [(one.group_id, one.member_count, one.owner_user_id) for one in joined]) == (
        3,
        [("h", 1, "dave"), ("g", 4, "alice"), ("Z", 1, "")],
    )
    assert (3, joined[2:]) == await groups.view(lambda view: view.joined_groups("dave", Window(2, 9)))
    assert await groups.view(lambda view: view.joined_groups("eve", EVERYTHING)) == (0, [])
    assert (await groups.joined_group_ids(UserID("dave")))[2] == ["h", "g", "Z"]
    assert await groups.view(lambda view: view.joined_group_ids("dave", "", 2)) == ["Z", "g"]
    assert await groups.view(lambda view: view.joined_group_ids("dave", "g", 2)) == ["h"]
    assert sorted(await groups.view(lambda view: view.managed_group_ids("dave"))) == ["Z", "h"]
    assert await groups.view(lambda view: view.managed_group_ids("carol")) == []


# --- members


async def test_a_member_comes_back_as_put(groups: OpenDirectoryStore) -> None:
    """With every field, and her account as it is now."""
    full = member(
        "g",
        "eve",
        Role.ADMIN,
        1 << 41,
        nickname="Evi",
        face_url="f",
        join_source=4,
        operator_user_id="o",
        ex="e",
        mute_end_time=1 << 41,
        inviter_user_id="i",
    )
    await groups.change(lambda transaction: transaction.put_member(full))
    await groups.change(lambda transaction: transaction.put_user(user("eve", ex="now")))

    found = await groups.view(lambda view: view.members("g", ["nobody", "eve", "bob"]))
    expected = {"eve": replace(full, user=user("eve", ex="now")), "bob": member("g", "bob", Role.ADMIN, 10)}
    assert list(found.items()) == list(expected.items())
    assert await groups.view(lambda view: view.members("h", ["eve"])) == {}


async def test_the_order_of_members(groups: OpenDirectoryStore) -> None:
    """Role descending, then by time of joining: ids, pages, staff."""
    await groups.change(lambda transaction: transaction.put_member(member("g", "eve", time=10)))
    in_order = ["alice", "bob", "carol", "eve", "dave"]

    async def page(roles: Sequence[int], keyword: str, window: Window) -> tuple[int, list[str]]:
        total, found = await groups.view(lambda view: view.page_members("g", roles, keyword, window))
        return total, [one.user.user_id for one in found]

    assert await groups.view(lambda view: view.member_ids("g")) == in_order
    assert (await groups.member_ids("g"))[2] == in_order
    ascending = sorted(in_order)
    assert await groups.view(lambda view: view.member_ids_behind("g", "", 99)) == ascending
    assert await groups.view(lambda view: view.member_ids_behind("g", ascending[0], 2)) == ascending[1:3]
    assert await groups.view(lambda view: view.member_count("g")) == len(in_order)
    assert await page([], "", EVERYTHING) == (5, in_order)
    assert await page([], "", Window(1, 2)) == (5, in_order[1:3])
    assert await page([Role.MEMBER, Role.OWNER], "", Window(0, 2)) == (4, ["alice", "carol"])
    assert await page([7], "", EVERYTHING) == (0, [])
    staff = await groups.view(lambda view: view.staff("g"))
    assert staff == [member("g", "alice", Role.OWNER, 30), member("g", "bob", Role.ADMIN, 10)]
    assert await groups.view(lambda view: (view.staff("x"), view.member_ids("x"), view.member_count("x"))) == (
        [],
        [],
        0,
    )


async def test_members_are_found_by_what_is_shown(groups: OpenDirectoryStore) -> None:
    """A part of the id, of the nickname in the group, or of the account's if there is none."""
    await groups.change(lambda transaction: transaction.put_member(member("g", "carol", time=10, nickname="Zed")))

    async def found(keyword: str, roles: Sequence[int] = ()) -> list[str]:
        _, page = await groups.view(lambda view: view.page_members("g", roles, keyword, EVERYTHING))
        return [one.user.user_id for one in page]

    assert await found("a") == ["alice", "carol", "dave"]
    assert await found("Ali") == ["alice"]
    assert await found("Carol") == []
    assert await found("Ze") == ["carol"]
    assert await found("a", [Role.MEMBER]) == ["carol", "dave"]


async def test_members_and_their_lists(groups: OpenDirectoryStore) -> None:
    """Who is new, changed or gone is a step of the group's list; who comes or goes, of her own; a new one or a role changes the order."""
    before = {name: await groups.joined_group_ids(UserID(name)) for name in ("carol", "eve")}
    version, version_id, _ = await groups.member_ids("g")
    assert version == 4

    def use_case(transaction: DirectoryTransaction) -> list[object]:
        transaction.put_member(member("g", "carol", time=10, nickname="C"))
        seen: list[object] = [transaction.member_sort_version("g")]
        transaction.put_member(member("g", "bob", time=10))
        seen.append(transaction.member_sort_version("g"))
        transaction.put_member(member("g", "eve", time=40))
        seen.append(transaction.member_sort_version("g"))
        assert transaction.delete_member("g", "dave")
        assert not transaction.delete_member("g", "dave")
        return [*seen, transaction.member_list_version("g"), transaction.member_count("g")]

    changed = await groups.change(use_case)

    assert changed.result == [4, 6, 7, (8, version_id), 4]
    delta = await groups.members_delta("g", version_id, version)
    assert delta == VersionDelta(8, version_id, False, ["dave"], ["eve"], ["carol", "bob"], 7)
    assert (await groups.members_delta("g", version_id, 7)).sort_version == 0
    assert (await groups.joined_group_ids(UserID("carol"))) == before["carol"]
    joined = await groups.joined_groups_delta(UserID("eve"), before["eve"][1], before["eve"][0])
    assert (joined.inserted, joined.sort_version) == (["g"], 0)
    _, dave_id, ids = await groups.joined_group_ids(UserID("dave"))
    assert (ids, (await groups.joined_groups_delta(UserID("dave"), dave_id, 2)).deleted) == (["h"], ["g"])


async def test_a_changed_group_is_a_step_of_its_member_list(groups: OpenDirectoryStore) -> None:
    """The marker stands among what was updated, and is no member; a new group takes no step."""
    version, version_id, ids = await groups.member_ids("g")
    joined = await groups.joined_group_ids(UserID("alice"))
    await groups.change(lambda transaction: transaction.put_group(group("g", group_name="new")))
    await groups.change(lambda transaction: transaction.put_group(group("new")))

    delta = await groups.members_delta("g", version_id, version)
    assert delta == VersionDelta(version + 1, version_id, False, [], [], [MARKER], 0)
    assert await groups.member_ids("g") == (version + 1, version_id, ids)
    assert await groups.joined_group_ids(UserID("alice")) == joined
    assert await groups.view(lambda view: view.member_list_version("new")) == (0, "")
    assert (await groups.member_ids("new"))[::2] == (1, [])


async def test_member_lists_are_read_on_one_state(groups: OpenDirectoryStore) -> None:
    """Where those stand that exist, and what changed since: as the store says it. A list that isn't there can't be made: fetch all."""
    version, version_id, _ = await groups.member_ids("g")
    other, other_id, _ = await groups.member_ids("h")
    await groups.change(lambda transaction: transaction.put_group(group("new")))
    await groups.change(lambda transaction: transaction.put_group(group("g", group_name="new")))

    stand = await groups.view(lambda view: view.member_list_versions(["none", "new", "h", "g"]))
    assert list(stand.items()) == [("new", (0, "")), ("h", (other, other_id)), ("g", (version + 1, version_id))]
    delta = await groups.view(lambda view: view.member_list_changes("g", version_id, version))
    assert delta == await groups.members_delta("g", version_id, version)
    assert delta.updated == [MARKER]
    missing = await groups.view(lambda view: view.member_list_changes("new", version_id, version))
    assert missing == VersionDelta(0, "", True, [], [], [], 0)


async def test_many_at_once(groups: OpenDirectoryStore) -> None:
    """A step each, in their order; of one who comes twice the later one counts; who leaves is named in the order given."""
    names = [f"u{number}" for number in range(40)]
    await groups.register([user(name) for name in names])
    version, version_id, _ = await groups.member_ids("g")
    many = [member("g", name, time=100 + number) for number, name in enumerate(names)]
    await groups.change(
        lambda transaction: transaction.put_members(
            [*many, replace(many[3], ex="e"), member("h", "u5"), member("g", "carol", time=10)]
        )
    )

    delta = await groups.members_delta("g", version_id, version)
    assert (delta.version, delta.inserted, delta.updated) == (version + 41, names, ["carol"])
    assert delta.sort_version == version + 40
    assert await groups.view(lambda view: view.members("g", ["u3"])) == {"u3": replace(many[3], ex="e")}
    assert (await groups.joined_group_ids(UserID("u5")))[::2] == (2, ["h", "g"])
    assert await groups.view(lambda view: (view.member_count("g"), view.member_count("h"))) == (44, 2)
    gone = await groups.change(lambda transaction: transaction.delete_members("g", ["u7", "nobody", *names[:5], "u7"]))
    assert gone.result == ["u7", *names[:5]]
    assert (await groups.members_delta("g", version_id, version + 41)).deleted == gone.result
    assert await groups.view(lambda view: view.member_count("g")) == 38
    assert (await groups.joined_group_ids(UserID("u7")))[2] == []
    await groups.change(lambda transaction: transaction.put_members([]))
    assert (await groups.change(lambda transaction: transaction.delete_members("g", []))).result == []


@pytest.mark.parametrize("people_places", ["sqlite", "postgresql"], indirect=True)
async def test_many_take_as_many_statements_as_a_few(groups: OpenDirectoryStore) -> None:
    """To let 300 in with their rows, and to remove them, is a handful of statements."""
    names = [f"u{number}" for number in range(310)]
    await groups.register([user(name) for name in names])
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    async def come_and_go(some: Sequence[str]) -> int:
        before = statements
        chat = ConversationID("sg_g")
        rows = [Conversation(owner_user_id=UserID(name), conversation_id=chat, conversation_type=3) for name in some]
        await groups.change(lambda transaction: transaction.put_members([member("g", name) for name in some]))
        await groups.change(lambda transaction: transaction.ensure_conversations(rows))
        await groups.change(lambda transaction: transaction.cut(chat, "g", [Cut(user_id=UserID(one)) for one in some]))
        await groups.change(lambda transaction: transaction.delete_members("g", some))
        return statements - before

    event.listen(Engine, "before_cursor_execute", count)
    few, many = await come_and_go(names[:10]), await come_and_go(names[10:])
    event.remove(Engine, "before_cursor_execute", count)

    assert 10 < many == few < 40


@pytest.mark.parametrize("people_places", ["sqlite", "postgresql"], indirect=True)
async def test_a_page_of_marks_is_a_handful_of_statements(
    groups: OpenDirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For 300 members as for 10; what is marked already is only read. Lists that took many steps cost no statement each."""
    names, chat = [f"u{number:03}" for number in range(310)], ConversationID("sg_g")
    rows = [Conversation(owner_user_id=UserID(name), conversation_id=chat, conversation_type=3) for name in names]
    await groups.register([user(name) for name in names])
    await groups.change(lambda transaction: transaction.put_members([member("g", name) for name in names]))
    await groups.change(lambda transaction: transaction.put_conversations(rows))
    monkeypatch.setattr(version_lists, "CHANGES_MAX", 1)
    statements: list[str] = []

    def collect(*event: object) -> None:
        statements.append(str(event[2]))

    async def mark(size: int, after: str, *named: str) -> tuple[int, bool]:
        monkeypatch.setattr(mentions, "PAGE_MEMBERS", size)
        load = MarkMentions("g", chat, "u001", named, not named, "op", "c", after=after)
        statements.clear()
        page = await mentions.mark_page(groups, load)
        assert (len(page.changed), page.after) in ((size, after_page(size, after)), (0, after_page(size, after)))
        return len(statements), any("INSERT" in one for one in statements)

    def after_page(size: int, after: str) -> str:
        return names[names.index(after) + size]

    event.listen(Engine, "before_cursor_execute", collect)
    first, few, many = await mark(5, "u001"), await mark(10, "u006"), await mark(290, "u016")
    again, named = await mark(290, "u016"), await mark(290, "u016", *names)
    event.remove(Engine, "before_cursor_execute", collect)

    assert few == many == first
    assert few[0] < 15
    assert few[1]
    assert (again[0] < few[0], again[1]) == (True, False)
    assert named == few


async def test_a_member_needs_group_and_account(groups: OpenDirectoryStore) -> None:
    """Else nothing of the call is done."""
    for missing, error in ((member("g", "nobody"), UserIDNotFound), (member("none", "eve"), RecordNotFound)):
        with pytest.raises(error):
            await groups.change(lambda transaction, one=missing: transaction.put_members([member("g", "eve"), one]))
    for missing, error in ((request("g", "nobody", 1), UserIDNotFound), (request("none", "eve", 1), RecordNotFound)):
        with pytest.raises(error):
            await groups.change(lambda transaction, one=missing: transaction.put_group_request(one))
    with pytest.raises(ArgsError):
        await groups.change(lambda transaction: transaction.put_member(member("g", "eve", ex="\0")))
    with pytest.raises(ArgsError):
        await groups.change(lambda transaction: transaction.put_group(group("y", ex="\ud800")))
    assert await groups.view(lambda view: (view.members("g", ["eve"]), view.groups(["y"]))) == ({}, {})


async def test_nothing_happened_if_a_use_case_raises(groups: OpenDirectoryStore) -> None:
    """Groups, members, applications and their version lists are as before."""
    await groups.change(lambda transaction: transaction.put_group_request(request("g", "eve", 1)))

    def everything(view: DirectoryView) -> list[object]:
        return [
            view.groups(["g", "h", "new"]),
            view.page_members("g", [], "", EVERYTHING),
            view.requests_to_groups(["g"], [], EVERYTHING),
            [view.joined_group_ids(name, "", 9) for name in NAMES],
            view.member_list_version("g"),
            view.member_sort_version("g"),
        ]

    def use_case(transaction: DirectoryTransaction) -> None:
        transaction.put_group(group("g", ex="gone"))
        transaction.put_group(group("new"))
        transaction.put_members([member("new", "eve"), member("g", "bob", nickname="gone")])
        transaction.delete_members("g", ["alice", "dave"])
        transaction.put_group_request(request("g", "eve", 2))
        transaction.put_group_request(request("g", "alice", 2))
        raise NoPermission

    state = await groups.view(everything)
    lists = [await groups.joined_group_ids(UserID(name)) for name in NAMES]
    with pytest.raises(NoPermission):
        await groups.change(use_case)

    assert await groups.view(everything) == state
    assert [await groups.joined_group_ids(UserID(name)) for name in NAMES] == lists


# --- applications


async def test_group_requests(groups: OpenDirectoryStore) -> None:
    """One of each user to each group; pages come newest first, of what became of them; accounts are as they are now."""
    to_g = request("g", "eve", 10, req_msg="m", ex="e", join_source=4, inviter_user_id="i")
    refused = request(
        "h", "eve", 20, handle_result=HandleResult.REFUSED, handle_msg="n", handle_user_id="d", handle_time=9
    )
    by_bob = request("h", "bob", 20)

    def apply(transaction: DirectoryTransaction) -> None:
        for one in (request("g", "eve", 30), refused, by_bob, to_g):
            transaction.put_group_request(one)
        transaction.put_user(user("bob", ex="now"))

    await groups.change(apply)
    by_bob = replace(by_bob, user=user("bob", ex="now"))

    async def received(group_ids: list[str], results: list[int], window: Window = EVERYTHING) -> object:
        return await groups.view(lambda view: view.requests_to_groups(group_ids, results, window))

    async def sent(group_ids: list[str], results: list[int], window: Window = EVERYTHING) -> object:
        return await groups.view(lambda view: view.requests_of_user("eve", group_ids, results, window))

    assert await groups.view(lambda view: view.group_request("g", "eve")) == to_g
    assert await groups.view(lambda view: view.group_request("g", "bob")) is None
    assert await received(["h", "g"], []) == (3, [by_bob, refused, to_g])
    assert await received(["h", "g"], [], Window(1, 1)) == (3, [refused])
    assert await received(["h", "g"], [0, 1]) == (2, [by_bob, to_g])
    assert await received(["g"], [-1]) == (0, [])
    assert await received([], []) == (0, [])
    assert await sent([], []) == (2, [refused, to_g])
    assert await sent([], [-1], Window(0, 1)) == (1, [refused])
    assert await sent(["g", "x"], []) == (1, [to_g])
    assert await sent(["g"], [-1]) == (0, [])
    pending = [
        await groups.view(lambda view, since=since: view.pending_group_requests(["g", "h"], since))
        for since in (0, 11, 21)
    ]
    assert pending == [2, 1, 0]
    assert await groups.view(lambda view: view.pending_group_requests(["g"], 0)) == 1


# --- what admission asks


async def test_facts_of_a_group(groups: OpenDirectoryStore) -> None:
    """Of who is a member, who isn't, who is an app admin, and of no group at all."""
    muted = replace(member("g", "bob", Role.ADMIN, 10), mute_end_time=1 << 41)

    def use_case(transaction: DirectoryTransaction) -> None:
        transaction.put_member(muted)
        transaction.put_group(group("g", status=GroupStatus.MUTED))
        transaction.put_user(user("eve", app_manager_level=2))

    await groups.change(use_case)

    assert await groups.group_chat_facts("g", "bob") == GroupChatFacts(
        exists=True, status=GroupStatus.MUTED, role_level=Role.ADMIN, mute_end_time=1 << 41
    )
    assert await groups.group_chat_facts("g", "eve") == GroupChatFacts(
        exists=True, status=GroupStatus.MUTED, sender_is_system=True
    )
    assert await groups.group_chat_facts("none", "eve") == GroupChatFacts(exists=False, sender_is_system=True)
    assert await groups.group_chat_facts("none", "nobody") == GroupChatFacts(exists=False)
