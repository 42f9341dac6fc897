"""
What every directory promises of transactions (`transactions.DirectoryTransaction`), but for groups.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.conversation import Conversation, SessionType, group_chat_id, single_chat_id
from openim_ray.domain.errors import ArgsError, NoPermission, UserIDNotFound
from openim_ray.domain.group import Cut
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import Blocked, Friend, FriendRequest, HandleResult, User, UserCommand, UserStatus
from openim_ray.transactions import ListVersion, WaitingEffect, Window

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

NAMES = ("alice", "bob", "carol", "dave")
EVERYTHING = Window(0, 100)


def user(user_id: str, **fields: object) -> User:
    """Return an account."""
    return User(user_id=UserID(user_id), nickname=user_id.title(), **fields)  # type: ignore[arg-type]


def friend(owner: str, friend_id: str, **fields: object) -> Friend:
    """Return an entry of a friend list."""
    return Friend(owner_user_id=UserID(owner), friend=user(friend_id), **fields)  # type: ignore[arg-type]


def request(from_id: str, to_id: str, time: int, **fields: object) -> FriendRequest:
    """Return an application."""
    return FriendRequest(from_user=user(from_id), to_user=user(to_id), create_time=time, **fields)  # type: ignore[arg-type]


def row(owner: str, peer: str, **fields: object) -> Conversation:
    """Return a row of a single chat."""
    return Conversation(
        owner_user_id=UserID(owner),
        conversation_id=single_chat_id(owner, peer),
        conversation_type=1,
        user_id=peer,
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
async def people(directory: OpenDirectoryStore) -> OpenDirectoryStore:
    """Lend a directory in which four people have an account."""
    await directory.register([user(name) for name in NAMES])
    return directory


# --- transactions


async def test_a_use_case_reads_what_it_changed_and_returns(people: OpenDirectoryStore) -> None:
    """What it returns is returned, with the logs for which it left effects, each once; later reads see all of it."""

    def use_case(transaction: DirectoryTransaction) -> list[str]:
        transaction.put_friend(friend("alice", "bob"))
        transaction.put_effect("log b", b"1", 5)
        transaction.put_effect("log a", b"2", 5)
        transaction.put_effect("log b", b"3", 5)
        return list(transaction.friends_among("alice", ["carol", "bob"]))

    changed = await people.change(use_case)

    assert (changed.result, changed.home_keys) == (["bob"], ("log b", "log a"))
    assert {"bob": friend("alice", "bob")} == await people.view(lambda view: view.friends_among("alice", ["bob"]))
    assert (await people.change(lambda transaction: transaction.users(["bob"]))).home_keys == ()


async def test_nothing_happened_if_a_use_case_raises(people: OpenDirectoryStore) -> None:
    """Not in any table, not in any version list, not in the numbers of the outbox; the error comes as it is."""
    kept = row("alice", "bob", ex="kept")

    def before(transaction: DirectoryTransaction) -> None:
        transaction.put_friend(friend("alice", "bob", remark="kept"))
        transaction.put_friend(friend("alice", "dave"))
        transaction.put_blocked(Blocked(owner_user_id=UserID("alice"), blocked=user("dave")))
        transaction.put_friend_request(request("dave", "alice", 1))
        transaction.put_user_command(UserCommand(user_id=UserID("alice"), kind=1, uuid="u", value="kept"))
        transaction.put_client_config("alice", {"k": "kept"})
        transaction.put_conversation(kept)
        transaction.put_effect("log", b"kept", 1)

    def everything(view: DirectoryView) -> list[object]:
        return [
            view.users(NAMES),
            view.friends_among("alice", NAMES),
            view.blacks_among("alice", NAMES),
            view.received_friend_requests("alice", [], EVERYTHING),
            view.user_commands("alice", None),
            view.client_config("alice"),
            view.conversation_rows("alice", [kept.conversation_id, single_chat_id("alice", "carol")]),
            view.waiting_effects("log", 9),
            view.friend_list_version("alice"),
        ]

    def use_case(transaction: DirectoryTransaction) -> None:
        transaction.put_user(user("bob", ex="gone"))
        transaction.put_friend(friend("alice", "bob", remark="gone"))
        transaction.put_friend(friend("alice", "carol"))
        transaction.delete_friend("alice", "dave")
        transaction.delete_blocked("alice", "dave")
        transaction.put_friend_request(request("dave", "alice", 1, handle_result=HandleResult.AGREED))
        transaction.put_friend_request(request("carol", "alice", 1))
        transaction.delete_user_command("alice", 1, "u")
        transaction.put_client_config("alice", {"k": "gone", "l": ""})
        transaction.put_conversation(replace(kept, ex="gone"))
        transaction.ensure_conversations([row("alice", "carol")])
        transaction.delete_effects("log", 1)
        transaction.put_effect("log", b"gone", 2)
        raise NoPermission("because")

    await people.change(before)
    conversations = await people.conversation_ids(UserID("alice"))
    state = await people.view(everything)
    with pytest.raises(NoPermission, match="because"):
        await people.change(use_case)

    assert await people.view(everything) == state
    assert await people.conversation_ids(UserID("alice")) == conversations
    await people.change(lambda transaction: transaction.put_effect("log", b"next", 3))
    waiting = await people.view(lambda view: view.waiting_effects("log", 9))
    assert waiting == [WaitingEffect(1, b"kept", 1), WaitingEffect(2, b"next", 3)]


async def test_transactions_at_the_same_time_follow_each_other(people: OpenDirectoryStore) -> None:
    """Each sees what those before it did, so none is lost."""

    def count(transaction: DirectoryTransaction) -> None:
        number = int(transaction.users(["alice"])["alice"].ex or 0)
        transaction.put_user(user("alice", ex=str(number + 1)))
        transaction.put_effect("log", str(number).encode(), number)

    await asyncio.gather(*(people.change(count) for _ in range(10)))

    assert (await people.users(["alice"]))["alice"].ex == "10"
    waiting = await people.view(lambda view: view.waiting_effects("log", 100))
    assert waiting == [WaitingEffect(number + 1, str(number).encode(), number) for number in range(10)]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_cannot_be_kept(people: OpenDirectoryStore, text: str) -> None:
    """It is the caller's fault, wherever it stands."""
    alice = UserID("alice")
    for use_case in (
        lambda transaction: transaction.put_user(user("alice", ex=text)),
        lambda transaction: transaction.put_friend(friend("alice", "bob", remark=text)),
        lambda transaction: transaction.put_friend_request(request("alice", "bob", 1, req_msg=text)),
        lambda transaction: transaction.put_blocked(Blocked(owner_user_id=alice, blocked=user("bob"), ex=text)),
        lambda transaction: transaction.put_user_command(UserCommand(user_id=alice, kind=1, uuid=text)),
        lambda transaction: transaction.put_client_config("alice", {"key": text}),
        lambda transaction: transaction.put_conversations([row("alice", "bob"), row("alice", "carol", ex=text)]),
        lambda transaction: transaction.put_effect(text, b"", 1),
    ):
        with pytest.raises(ArgsError):
            await people.change(use_case)
    assert await people.conversations(alice) == []


# --- people


async def test_an_account_is_replaced(people: OpenDirectoryStore) -> None:
    """With every field; who has none can't be."""
    changed = user("bob", face_url="f", ex="e", app_manager_level=4, global_recv_msg_opt=2, status=UserStatus.DISABLED)
    await people.change(lambda transaction: transaction.put_user(changed))

    assert {"bob": changed} == await people.users(["bob"])
    with pytest.raises(UserIDNotFound, match="eve"):
        await people.change(lambda transaction: transaction.put_user(user("eve")))


async def test_a_profile_is_a_step_of_lists_that_show_it(people: OpenDirectoryStore) -> None:
    """Other fields than nickname, face and ex are none, nor is a profile that stays as it is."""
    await people.change(lambda transaction: transaction.put_friend(friend("alice", "bob")))
    version, version_id, _ = await people.friend_ids(UserID("alice"))

    quiet = user("bob", status=UserStatus.DISABLED, app_manager_level=1, global_recv_msg_opt=1)
    await people.change(lambda transaction: transaction.put_user(quiet))
    assert (await people.friend_ids(UserID("alice")))[0] == version
    await people.change(lambda transaction: transaction.put_user(replace(quiet, ex="new")))

    delta = await people.friends_delta(UserID("alice"), version_id, version)
    assert (delta.version, delta.updated, delta.sort_version) == (version + 1, ["bob"], 0)


async def test_search(people: OpenDirectoryStore) -> None:
    """By a part of id or nickname among the levels asked for, in order of registration."""
    bots = [user("bot_1", app_manager_level=3), user("x", app_manager_level=3), user("alicebot")]
    await people.register(bots)
    await people.change(lambda transaction: transaction.put_user(replace(bots[1], nickname="a bot")))

    def search(keyword: str, levels: list[int], window: Window) -> object:
        return people.view(lambda view: view.search_users(keyword, levels, window))

    assert (2, [bots[0], replace(bots[1], nickname="a bot")]) == await search("bot", [3, 4], EVERYTHING)
    assert (3, [bots[0]]) == await search("bot", [0, 3], Window(0, 1))
    assert (3, [bots[2]]) == await search("bot", [0, 3], Window(2, 1))
    assert await search("bot", [], EVERYTHING) == (0, [])


async def test_an_erased_receiver_does_not_exist(people: OpenDirectoryStore) -> None:
    """For messages: a disabled one does; friendship counts in the receiver's list."""
    await people.change(lambda transaction: transaction.put_friend(friend("bob", "alice")))
    await people.change(lambda transaction: transaction.put_user(user("bob", status=UserStatus.DISABLED)))
    facts = await people.single_chat_facts("alice", "bob")
    assert (facts.receiver_exists, facts.are_friends) == (True, True)
    assert not (await people.single_chat_facts("bob", "alice")).are_friends

    await people.change(lambda transaction: transaction.put_user(user("bob", status=UserStatus.ERASED)))
    assert not (await people.single_chat_facts("alice", "bob")).receiver_exists
    assert (await people.users(["bob"]))["bob"].status == UserStatus.ERASED


async def test_friends(people: OpenDirectoryStore) -> None:
    """A new friend and a pin change the order, a remark doesn't; who is removed is deleted from one list only."""
    alice = UserID("alice")
    _, version_id, _ = await people.friend_ids(alice)
    first = friend("alice", "bob", create_time=3, add_source=2, operator_user_id="o", ex="e", remark="r")
    await people.change(lambda transaction: transaction.put_friend(first))
    await people.change(lambda transaction: transaction.put_friend(friend("bob", "alice")))
    await people.change(lambda transaction: transaction.put_friend(replace(first, remark="s")))
    assert {"bob": replace(first, remark="s")} == await people.view(lambda view: view.friends_among("alice", NAMES))
    deltas = [await people.friends_delta(alice, version_id, version) for version in (1, 2)]
    assert [(delta.inserted, delta.updated, delta.sort_version) for delta in deltas] == [
        ([], ["bob"], 2),
        ([], ["bob"], 0),
    ]

    await people.change(lambda transaction: transaction.put_friend(replace(first, is_pinned=True)))
    assert (await people.friends_delta(alice, version_id, 3)).sort_version == 4
    assert (await people.change(lambda transaction: transaction.delete_friend("alice", "bob"))).result
    assert not (await people.change(lambda transaction: transaction.delete_friend("alice", "bob"))).result
    delta = await people.friends_delta(alice, version_id, 4)
    assert (delta.version, delta.deleted) == (5, ["bob"])
    assert await people.view(lambda view: view.friends_among("bob", NAMES))
    with pytest.raises(UserIDNotFound, match="eve"):
        await people.change(lambda transaction: transaction.put_friend(friend("alice", "eve")))


async def test_entries_are_counted(people: OpenDirectoryStore) -> None:
    """Of each list for itself."""

    def use_case(transaction: DirectoryTransaction) -> list[int]:
        for name in ("bob", "carol"):
            transaction.put_friend(friend("alice", name))
        transaction.put_friend(friend("bob", "alice"))
        transaction.put_blocked(Blocked(owner_user_id=UserID("alice"), blocked=user("dave")))
        counts = [transaction.friend_count(name) for name in ("alice", "bob", "carol")]
        return [*counts, transaction.black_count("alice"), transaction.black_count("bob")]

    assert (await people.change(use_case)).result == [2, 1, 0, 1, 0]


async def test_owners_of_lists_that_hold_a_user(people: OpenDirectoryStore) -> None:
    """They come by id, a page at a time."""

    def befriend(transaction: DirectoryTransaction) -> None:
        for owner in ("dave", "bob", "Carol", "carol"):
            transaction.put_friend(friend(owner, "alice"))
        transaction.put_friend(friend("eve", "bob"))

    await people.change(befriend)

    pages = [
        await people.view(lambda view, after=after: view.friend_owners("alice", after, 2)) for after in ("", "bob")
    ]
    assert pages == [["Carol", "bob"], ["carol", "dave"]]
    assert await people.view(lambda view: view.friend_owners("alice", "dave", 2)) == []


async def test_where_a_list_stands(people: OpenDirectoryStore) -> None:
    """A list that nobody has changed or looked at stands nowhere; a transaction sees its own steps."""

    def use_case(transaction: DirectoryTransaction) -> list[ListVersion]:
        before = transaction.friend_list_version("alice")
        transaction.put_friend(friend("alice", "bob"))
        transaction.put_friend(friend("alice", "carol"))
        return [before, transaction.friend_list_version("alice")]

    before, after = (await people.change(use_case)).result
    assert before == (0, "")
    assert after[0] == 2
    assert (after.version, after.version_id) == (await people.friend_ids(UserID("alice")))[:2]


async def test_black_lists(people: OpenDirectoryStore) -> None:
    """Entries are added, replaced and removed, and are nobody else's."""
    entry = Blocked(owner_user_id=UserID("alice"), blocked=user("bob"), create_time=1, ex="e")
    await people.change(lambda transaction: transaction.put_blocked(entry))
    await people.change(lambda transaction: transaction.put_blocked(replace(entry, ex="f")))

    assert {"bob": replace(entry, ex="f")} == await people.view(lambda view: view.blacks_among("alice", NAMES))
    assert await people.view(lambda view: view.blacks_among("bob", NAMES)) == {}
    assert (await people.change(lambda transaction: transaction.delete_blocked("alice", "bob"))).result
    assert not (await people.change(lambda transaction: transaction.delete_blocked("alice", "bob"))).result
    assert not (await people.single_chat_facts("bob", "alice")).blocked_by_receiver
    with pytest.raises(UserIDNotFound, match="eve"):
        await people.change(lambda transaction: transaction.put_blocked(replace(entry, blocked=user("eve"))))


async def test_friend_requests(people: OpenDirectoryStore) -> None:
    """One of each directed pair; pages come newest first, of what became of them; accounts are as they are now."""
    applications = [
        request("bob", "alice", 10, req_msg="hi", ex="e"),
        request("carol", "alice", 10, handle_result=HandleResult.REFUSED, handler_user_id="alice", handle_msg="no"),
        request("dave", "alice", 5, handle_result=HandleResult.AGREED, handle_time=9),
        request("alice", "bob", 7),
    ]

    def apply(transaction: DirectoryTransaction) -> None:
        for one in (request("bob", "alice", 1), *applications):
            transaction.put_friend_request(one)

    await people.change(apply)
    await people.change(lambda transaction: transaction.put_user(user("dave", ex="now")))
    applications[2] = replace(applications[2], from_user=user("dave", ex="now"))
    bob, carol, dave, alice = applications

    def received(results: list[int], window: Window) -> object:
        return people.view(lambda view: view.received_friend_requests("alice", results, window))

    assert bob == await people.view(lambda view: view.friend_request("bob", "alice"))
    assert await people.view(lambda view: view.friend_request("alice", "carol")) is None
    assert (3, [carol, bob, dave]) == await received([], EVERYTHING)
    assert (3, [bob]) == await received([], Window(1, 1))
    assert (2, [bob, dave]) == await received([0, 1], EVERYTHING)
    assert (1, [alice]) == await people.view(lambda view: view.sent_friend_requests("alice", [], EVERYTHING))
    assert await people.view(lambda view: view.sent_friend_requests("alice", [1], EVERYTHING)) == (0, [])
    pending = [
        await people.view(lambda view, since=since: view.pending_friend_requests("alice", since))
        for since in (0, 10, 11)
    ]
    assert pending == [1, 1, 0]
    for pair in (("eve", "alice"), ("alice", "eve")):
        with pytest.raises(UserIDNotFound, match="eve"):
            await people.change(lambda transaction, pair=pair: transaction.put_friend_request(request(*pair, 1)))


async def test_user_commands(people: OpenDirectoryStore) -> None:
    """Kept by kind and uuid, oldest first."""
    alice = UserID("alice")
    kept = [
        UserCommand(user_id=alice, kind=1, uuid="b", value="v", ex="e", create_time=2),
        UserCommand(user_id=alice, kind=2, uuid="b", create_time=2),
        UserCommand(user_id=alice, kind=1, uuid="a", create_time=1),
    ]

    def keep(transaction: DirectoryTransaction) -> None:
        for one in (replace(kept[0], value="old"), *kept, UserCommand(user_id=UserID("bob"), kind=1, uuid="b")):
            transaction.put_user_command(one)

    await people.change(keep)

    assert [kept[2], kept[0], kept[1]] == await people.view(lambda view: view.user_commands("alice", None))
    assert [kept[2], kept[0]] == await people.view(lambda view: view.user_commands("alice", 1))
    assert (await people.change(lambda transaction: transaction.delete_user_command("alice", 1, "b"))).result
    assert not (await people.change(lambda transaction: transaction.delete_user_command("alice", 1, "b"))).result
    assert [kept[2], kept[1]] == await people.view(lambda view: view.user_commands("alice", None))
    with pytest.raises(UserIDNotFound, match="eve"):
        await people.change(lambda transaction: transaction.put_user_command(replace(kept[0], user_id=UserID("eve"))))


async def test_client_config(people: OpenDirectoryStore) -> None:
    """Settings of a user and of everybody are set, removed, and found by user and key."""

    def configure(transaction: DirectoryTransaction) -> None:
        transaction.put_client_config("", {"b": "1", "a": "2"})
        transaction.put_client_config("alice", {"a": "old", "c": "4", "d": "5"})
        transaction.put_client_config("alice", {"a": "3"})
        transaction.delete_client_config("alice", ["d", "none"])
        transaction.put_client_config("bob", {})

    await people.change(configure)

    assert await people.view(lambda view: view.client_config("")) == {"a": "2", "b": "1"}
    assert await people.view(lambda view: view.client_config("alice")) == {"a": "3", "c": "4"}
    found = [("", "a", "2"), ("", "b", "1"), ("alice", "a", "3"), ("alice", "c", "4")]
    assert (4, found[1:3]) == await people.view(lambda view: view.page_client_config("", "", Window(1, 2)))
    assert (2, found[2:]) == await people.view(lambda view: view.page_client_config("alice", "", EVERYTHING))
    assert (2, found[::2]) == await people.view(lambda view: view.page_client_config("", "a", EVERYTHING))
    assert await people.view(lambda view: view.page_client_config("bob", "a", EVERYTHING)) == (0, [])


# --- conversations


async def test_rows_are_put(people: OpenDirectoryStore) -> None:
    """One is added or replaced, each a step of its owner's list; ensured ones stay as they are."""
    alice = UserID("alice")
    _, version_id, _ = await people.conversation_ids(alice)
    first, second = row("alice", "bob", ex="1"), row("alice", "carol")

    def put(transaction: DirectoryTransaction) -> list[Conversation]:
        transaction.put_conversation(first)
        return transaction.ensure_conversations(
            [replace(first, ex="2"), second, replace(second, ex="3"), row("bob", "alice")]
        )

    assert (await people.change(put)).result == [second, row("bob", "alice")]
    assert [first, second] == await people.conversations(alice)
    await people.change(lambda transaction: transaction.put_conversation(replace(first, recv_msg_opt=2)))

    found = await people.view(
        lambda view: view.conversation_rows("alice", [second.conversation_id, first.conversation_id, "no"])
    )
    assert list(found.values()) == [second, replace(first, recv_msg_opt=2)]
    delta = await people.conversations_delta(alice, version_id, 1)
    assert (delta.version, delta.inserted, delta.updated) == (4, [second.conversation_id], [first.conversation_id])
    assert await people.view(lambda view: view.conversation_rows("bob", [first.conversation_id])) == {
        first.conversation_id: row("bob", "alice")
    }


async def test_many_rows_at_once(people: OpenDirectoryStore) -> None:
    """Of a conversation of many, and of many conversations of one; of a row that comes twice the later one counts."""
    group_rows = [
        Conversation(owner_user_id=UserID(name), conversation_id=group_chat_id(GroupID("g")), conversation_type=3)
        for name in NAMES
    ]
    chats = [row("alice", f"peer{number}") for number in range(5)]
    await people.change(
        lambda transaction: transaction.put_conversations([*group_rows, *chats, replace(chats[0], ex="e")])
    )

    assert await people.conversations(UserID("alice")) == [group_rows[0], replace(chats[0], ex="e"), *chats[1:]]
    assert await people.conversations(UserID("dave")) == [group_rows[3]]
    assert [(await people.conversation_ids(UserID(name)))[0] for name in ("alice", "dave")] == [6, 1]
    await people.change(lambda transaction: transaction.put_conversations([]))
    assert (await people.change(lambda transaction: transaction.ensure_conversations(group_rows))).result == []


async def test_cuts(people: OpenDirectoryStore) -> None:
    """Rows get their bounds, missing ones are made; who changed is told, so that saying it twice changes nothing."""
    chat = group_chat_id(GroupID("g"))
    mine = Conversation(owner_user_id=UserID("alice"), conversation_id=chat, conversation_type=3, group_id="g", ex="e")
    await people.change(lambda transaction: transaction.put_conversation(mine))
    cuts = [
        Cut(user_id=UserID("alice"), max_seq=7),
        Cut(user_id=UserID("bob"), min_seq=3),
        Cut(user_id=UserID("carol")),
    ]

    first = await people.change(lambda transaction: transaction.cut(chat, "g", cuts))
    again = await people.change(lambda transaction: transaction.cut(chat, "g", cuts))

    assert (first.result, again.result) == (["alice", "bob", "carol"], [])
    assert await people.conversations(UserID("alice")) == [replace(mine, max_seq=7)]
    assert await people.conversations(UserID("bob")) == [
        Conversation(
            owner_user_id=UserID("bob"),
            conversation_id=chat,
            conversation_type=SessionType.GROUP,
            group_id="g",
            min_seq=3,
        )
    ]
    versions = [(await people.conversation_ids(UserID(name)))[0] for name in ("alice", "bob", "carol")]
    assert versions == [2, 1, 1]
    found = await people.view(lambda view: view.rows_of(chat, ["dave", "bob", "alice"]))
    assert [(name, row.min_seq, row.max_seq) for name, row in found.items()] == [("bob", 3, 0), ("alice", 0, 7)]
    back = await people.change(lambda transaction: transaction.cut(chat, "g", [Cut(user_id=UserID("alice"))]))
    assert (back.result, await people.conversations(UserID("alice"))) == (["alice"], [mine])
    await people.change(lambda transaction: transaction.cut(chat, "g", [Cut(user_id=UserID("bob"), max_seq=9)]))
    assert [(row.min_seq, row.max_seq) for row in await people.conversations(UserID("bob"))] == [(3, 9)]


# --- outbox


async def test_the_outbox_is_numbered_per_log(people: OpenDirectoryStore) -> None:
    """Effects come in order, as many as asked for; numbers go on when what was there is forgotten."""

    def put(transaction: DirectoryTransaction) -> None:
        for number in range(3):
            transaction.put_effect("g", f"{number}\0".encode(), 100 - number)
        transaction.put_effect("h", b"", 50)

    await people.change(put)

    assert await people.view(lambda view: view.waiting_effects("g", 2)) == [
        WaitingEffect(1, b"0\0", 100),
        WaitingEffect(2, b"1\0", 99),
    ]
    await people.change(lambda transaction: transaction.delete_effects("g", 3))
    await people.change(lambda transaction: transaction.put_effect("g", b"later", 101))
    assert await people.view(lambda view: view.waiting_effects("g", 9)) == [WaitingEffect(4, b"later", 101)]
    assert await people.view(lambda view: view.waiting_effects("h", 9)) == [WaitingEffect(1, b"", 50)]
    assert await people.view(lambda view: view.waiting_effects("i", 9)) == []


async def test_an_effect_is_replaced_if_it_reads_as_it_did(people: OpenDirectoryStore) -> None:
    """Of two who have read the same, one replaces it; what is deleted stays so."""

    def put(transaction: DirectoryTransaction) -> None:
        transaction.put_effect("g", b"\0one", 7)
        transaction.put_effect("g", b"two", 8)

    def replace(number: int, before: bytes, after: bytes) -> object:
        return people.change(lambda transaction: transaction.replace_effect("g", number, before, after))

    await people.change(put)
    assert (await replace(1, b"\0one", b"\0cut")).result is True
    assert (await replace(1, b"\0one", b"other")).result is False
    assert (await replace(1, b"\0cut", b"\0cut")).result is True
    assert (await replace(3, b"", b"three")).result is False
    waiting = [WaitingEffect(1, b"\0cut", 7), WaitingEffect(2, b"two", 8)]
    assert await people.view(lambda view: view.waiting_effects("g", 9)) == waiting
    await people.change(lambda transaction: transaction.delete_effects("g", 1))
    assert (await replace(1, b"\0cut", b"again")).result is False
    assert await people.view(lambda view: view.waiting_effects("g", 9)) == waiting[1:]


async def test_logs_with_effects_come_by_how_long_they_wait(people: OpenDirectoryStore) -> None:
    """Judged by the first effect that is left; logs without are left out."""

    def put(transaction: DirectoryTransaction) -> None:
        for home_key, time in (("c", 30), ("a", 10), ("b", 20), ("d", 5), ("a", 40), ("d", 6)):
            transaction.put_effect(home_key, b"", time)
        transaction.delete_effects("d", 2)

    def logs(limit: int) -> object:
        return people.view(lambda view: view.logs_with_effects(limit))

    await people.change(put)
    assert await logs(9) == ["a", "b", "c"]
    assert await logs(2) == ["a", "b"]
    await people.change(lambda transaction: transaction.delete_effects("a", 1))
    assert await logs(9) == ["b", "c", "a"]
    await people.change(lambda transaction: transaction.delete_effects("a", 9))
    await people.change(lambda transaction: transaction.delete_effects("none", 9))
    assert await logs(9) == ["b", "c"]
