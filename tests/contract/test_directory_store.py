"""
What every directory promises (`ports.DirectoryStore`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.errors import ArgsError, RegisteredAlready, UserIDNotFound
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.people import Blocked, Friend, SingleChatFacts, User
from openim_ray.ports import Page, VersionDelta
from openim_ray.storage.version_rules import Change, ListKind
from tests.contract.accounts import update_user
from tests.contract.lists import Filler

if TYPE_CHECKING:
    from openim_ray.storage.places import Places
    from openim_ray.storage.stores import OpenDirectoryStore

ALICE, BOB, CAROL, DAVE = (UserID(name) for name in ("alice", "bob", "carol", "dave"))
ALL = Page(1, 100)


def user(user_id: str, nickname: str = "", **fields: int) -> User:
    """Return an account."""
    return User(user_id=UserID(user_id), nickname=nickname or user_id.title(), **fields)  # type: ignore[arg-type]


def row(owner: str, peer: str, **fields: object) -> Conversation:
    """Return a row of a single chat."""
    return Conversation(
        owner_user_id=UserID(owner),
        conversation_id=single_chat_id(owner, peer),
        conversation_type=1,
        user_id=UserID(peer),
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
async def filler(directory: OpenDirectoryStore, people_places: Places) -> Filler:
    """Register four people and return who fills their lists."""
    await directory.register([user(name) for name in (ALICE, BOB, CAROL, DAVE)])
    return Filler(directory, people_places)


# --- users


async def test_accounts_come_back_as_registered(directory: OpenDirectoryStore) -> None:
    """Every field survives; ids that nobody has are left out; the order is that of the question."""
    one = User(
        user_id=UserID("ünïcode 🙂"),
        nickname="N\u0001ick",
        face_url="http://x",
        ex='{"a":1}',
        create_time=1_764_000_000_000,
        app_manager_level=2,
        global_recv_msg_opt=1,
    )
    await directory.register([one, user("bob")])

    found = await directory.users(["bob", "nobody", one.user_id, "bob"])

    assert [("bob", user("bob")), (one.user_id, one)] == list(found.items())
    assert await directory.users([]) == {}


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udfff\ud800"])
async def test_text_that_cannot_be_kept(directory: OpenDirectoryStore, text: str) -> None:
    """A NUL and half a surrogate pair are the caller's fault, wherever they stand; nothing of the call is done, nobody is found by them."""
    await directory.register([user("alice")])
    with pytest.raises(ArgsError):
        await directory.register([user("bob"), user("carol", text)])
    with pytest.raises(ArgsError):
        await directory.register([user("bob"), user(f"c{text}")])
    with pytest.raises(ArgsError):
        await update_user(directory, "alice", {"ex": "new", "nickname": text})
    with pytest.raises(ArgsError):
        await directory.ensure_conversations([row(ALICE, BOB), row(ALICE, CAROL, ex=text)])

    assert {"alice": user("alice")} == await directory.users(["alice", "bob", f"c{text}", text])
    assert await directory.conversations(ALICE) == []
    assert await directory.conversations(ALICE, [text]) == []
    assert await directory.view(lambda view: view.groups([text])) == {}
    assert await directory.designated_friends(ALICE, [text]) == []


async def test_a_taken_id_registers_nobody(directory: OpenDirectoryStore) -> None:
    """One taken id refuses the whole call and is named."""
    await directory.register([user("bob")])

    with pytest.raises(RegisteredAlready, match="bob"):
        await directory.register([user("alice"), user("bob", "Other")])

    assert {"bob": user("bob")} == await directory.users(["alice", "bob"])


async def test_an_id_twice_in_one_call_is_taken(directory: OpenDirectoryStore) -> None:
    """The second of two equal ids finds the first one there."""
    with pytest.raises(RegisteredAlready, match="alice"):
        await directory.register([user("alice"), user("alice")])

    assert await directory.users(["alice"]) == {}


async def test_ids_are_compared_as_bytes(directory: OpenDirectoryStore) -> None:
    """Ids that differ in case or in the form of an accent are different people."""
    names = ["bob", "Bob", "b\u00f6b", "bo\u0308b", "bob "]
    await directory.register([user(name) for name in names])

    assert names == list(await directory.users(names))
    assert await directory.users(["BOB"]) == {}


async def test_registering_at_the_same_time(directory: OpenDirectoryStore) -> None:
    """Of several who register one id at once, one succeeds."""
    results = await asyncio.gather(
        *(directory.register([user("alice", f"A{number}")]) for number in range(5)), return_exceptions=True
    )

    assert [result for result in results if not isinstance(result, RegisteredAlready)] == [None]


async def test_update_user(directory: OpenDirectoryStore) -> None:
    """Named fields change, the others stay."""
    await directory.register([user("alice"), user("bob")])

    await update_user(directory, "alice", {"nickname": "Al", "ex": "x", "face_url": "u", "global_recv_msg_opt": 2})
    await update_user(directory, "alice", {})

    changed = replace(user("alice"), nickname="Al", ex="x", face_url="u", global_recv_msg_opt=2)
    assert {"alice": changed, "bob": user("bob")} == await directory.users(["alice", "bob"])


async def test_update_of_nobody(directory: OpenDirectoryStore) -> None:
    """An unknown id is an error."""
    with pytest.raises(UserIDNotFound, match="alice"):
        await directory.change(lambda transaction: transaction.put_user(user("alice")))


async def test_page_users(directory: OpenDirectoryStore) -> None:
    """Pages come in order of registration with the total of what matches; a filter is a plain substring."""
    people = [user("u_1", "100%"), user("U1", "a_b"), user("u2", "aXb"), user("u3", "Ab")]
    await directory.register(people)

    assert (4, people[:3]) == await directory.page_users(Page(1, 3), "", "")
    assert (4, people[3:]) == await directory.page_users(Page(2, 3), "", "")
    assert await directory.page_users(Page(3, 3), "", "") == (4, [])
    assert (3, [people[0], people[2], people[3]]) == await directory.page_users(ALL, "u", "")
    assert (1, [people[0]]) == await directory.page_users(ALL, "_", "")
    assert (1, [people[0]]) == await directory.page_users(ALL, "", "%")
    assert (2, people[2:]) == await directory.page_users(ALL, "u", "b")


async def test_a_filter_compares_bytes(directory: OpenDirectoryStore) -> None:
    """A part of a name is found where its very bytes stand: case, accents, their forms and what looks alike are different."""
    names = ["Jürgen", "JÜRGEN", "Ju\u0308rgen", "Юрген", "ß", "ss", "🙂x", "\\", "ﬀ", "ff"]
    people = [user(f"u{number}", name) for number, name in enumerate(names)]
    await directory.register(people)

    for part in ("ü", "Ü", "u", "\u0308", "рген", "ß", "s", "🙂", "\\", "f", "ﬀ", "%", "_"):
        expected = [person for person in people if part in person.nickname]
        assert (len(expected), expected) == await directory.page_users(ALL, "", part)


# --- relations


def friend(owner: UserID, name: UserID, time: int, **fields: object) -> Friend:
    """Return a friend row."""
    return Friend(owner_user_id=owner, friend=user(name), create_time=time, **fields)  # type: ignore[arg-type]


async def test_friends_are_listed_pinned_first_then_by_time(directory: OpenDirectoryStore, filler: Filler) -> None:
    """Pages, ids and chosen friends come in one order, with the friend's account as it is now."""
    rows = [friend(ALICE, BOB, 30, remark="r", ex="e", add_source=2, operator_user_id="o"), friend(ALICE, CAROL, 20)]
    pinned = friend(ALICE, DAVE, 40, is_pinned=True)
    for one in (*rows, pinned, friend(BOB, ALICE, 10)):
        filler.friend(one)
    await update_user(directory, CAROL, {"nickname": "Caro"})
    caro = replace(rows[1], friend=user(CAROL, "Caro"))

    assert (3, [pinned, caro]) == await directory.friends(ALICE, Page(1, 2))
    assert (3, [rows[0]]) == await directory.friends(ALICE, Page(2, 2))
    assert [caro, rows[0]] == await directory.designated_friends(ALICE, [BOB, CAROL, "nobody", ALICE])
    version, _, ids = await directory.friend_ids(ALICE)
    assert (version, ids) == (4, [DAVE, CAROL, BOB])
    assert await directory.friends(CAROL, ALL) == (0, [])


async def test_a_profile_change_is_a_step_of_the_friends_lists(directory: OpenDirectoryStore, filler: Filler) -> None:
    """Who has somebody as a friend hears of the new nickname, face or ex; of settings, and of no change, nobody does."""
    filler.friend(friend(ALICE, BOB, 1))
    version, version_id, _ = await directory.friend_ids(ALICE)

    await update_user(directory, BOB, {"nickname": "Bobby"})
    await update_user(directory, BOB, {"global_recv_msg_opt": 1, "nickname": "Bobby"})
    await update_user(directory, CAROL, {"nickname": "Caro"})

    delta = await directory.friends_delta(ALICE, version_id, version)
    assert VersionDelta(version + 1, version_id, False, [], [], [BOB], 0) == delta


async def test_a_profile_change_is_a_step_of_the_members_lists(directory: OpenDirectoryStore, filler: Filler) -> None:
    """Every group of a user shows her new profile, and her own list of groups doesn't move."""
    filler.member(BOB, "g1", 1)
    filler.member(CAROL, "g1", 2)
    filler.member(CAROL, "g2", 3)
    before = {group: filler.head_version(ListKind.MEMBERS, group) for group in ("g1", "g2")}

    await update_user(directory, BOB, {"face_url": "new"})

    assert before["g1"] + 1 == filler.head_version(ListKind.MEMBERS, "g1")
    assert before["g2"] == filler.head_version(ListKind.MEMBERS, "g2")
    assert filler.head_version(ListKind.JOINED_GROUPS, BOB) == 1


async def test_joined_groups(directory: OpenDirectoryStore, filler: Filler) -> None:
    """Groups come in order of joining; a client hears what she joined since."""
    filler.member(ALICE, "late", 20)
    filler.member(ALICE, "twin", 20)
    filler.member(ALICE, "early", 10)
    filler.member(BOB, "early", 5)

    version, version_id, ids = await directory.joined_group_ids(ALICE)

    assert ids == ["early", "late", "twin"]
    delta = await directory.joined_groups_delta(ALICE, version_id, version - 1)
    assert VersionDelta(3, version_id, False, [], ["early"], [], 0) == delta
    assert (await directory.joined_group_ids(CAROL))[::2] == (1, [])


async def test_black_lists(directory: OpenDirectoryStore, filler: Filler) -> None:
    """A black list comes in order of time, a page at a time, and is nobody else's."""
    rows = [
        Blocked(owner_user_id=ALICE, blocked=user(name), create_time=time, ex="e", add_source=1, operator_user_id="o")
        for name, time in ((BOB, 30), (CAROL, 10), (DAVE, 20))
    ]
    for one in rows:
        filler.blocked(one)

    assert (3, [rows[1], rows[2]]) == await directory.blocked(ALICE, Page(1, 2))
    assert (3, [rows[0]]) == await directory.blocked(ALICE, Page(2, 2))
    assert await directory.blocked(BOB, ALL) == (0, [])


async def test_facts_of_strangers(directory: OpenDirectoryStore) -> None:
    """Of people who don't exist, the facts say so."""
    assert SingleChatFacts(
        receiver_exists=False,
        blocked_by_receiver=False,
        receiver_global_option=0,
        receiver_conversation_option=0,
        sender_is_system=False,
    ) == await directory.single_chat_facts("x", "y")


async def test_facts_are_those_of_the_receiver(directory: OpenDirectoryStore, filler: Filler) -> None:
    """Block list and options count in the direction of the message only."""
    filler.blocked(Blocked(owner_user_id=BOB, blocked=user(ALICE)))
    await directory.ensure_conversations([row(BOB, ALICE, recv_msg_opt=2), row(ALICE, BOB, recv_msg_opt=1)])
    await update_user(directory, BOB, {"global_recv_msg_opt": 1})

    assert SingleChatFacts(
        receiver_exists=True,
        blocked_by_receiver=True,
        receiver_global_option=1,
        receiver_conversation_option=2,
        sender_is_system=False,
    ) == await directory.single_chat_facts(ALICE, BOB)
    back = await directory.single_chat_facts(BOB, ALICE)
    assert (
        back.blocked_by_receiver,
        back.receiver_global_option,
        back.receiver_conversation_option,
    ) == (False, 0, 1)


@pytest.mark.parametrize(("level", "is_system"), [(0, False), (1, False), (2, True), (3, True), (4, False)])
async def test_system_senders(directory: OpenDirectoryStore, level: int, is_system: bool) -> None:
    """App admins and notification accounts are system senders, ordinary users and robots aren't."""
    await directory.register([user("sender", app_manager_level=level), user("bob")])

    assert is_system == (await directory.single_chat_facts("sender", "bob")).sender_is_system


# --- conversations


async def test_rows_are_created_once(directory: OpenDirectoryStore) -> None:
    """A row that exists stays as it is; each created one is a step of its owner's list."""
    first, second = row(ALICE, BOB, recv_msg_opt=2, ex="e", is_pinned=True), row(ALICE, CAROL)
    await directory.ensure_conversations([first, row(BOB, ALICE)])
    version, version_id, _ = await directory.conversation_ids(ALICE)

    await directory.ensure_conversations([row(ALICE, BOB), second, second])

    assert [first, second] == await directory.conversations(ALICE)
    assert [row(BOB, ALICE)] == await directory.conversations(BOB)
    assert (1, version + 1) == (version, (await directory.conversation_ids(ALICE))[0])
    delta = await directory.conversations_delta(ALICE, version_id, version)
    assert VersionDelta(2, version_id, False, [], [second.conversation_id], [], 0) == delta
    await directory.ensure_conversations([])


async def test_rows_come_in_order_of_creation(directory: OpenDirectoryStore) -> None:
    """All rows, chosen ones, pages and ids have the order of creation, whatever the ids are."""
    rows = [row(ALICE, peer) for peer in ("zoe", "bob", "mia", "ann")]
    await directory.ensure_conversations(rows)
    ids = [one.conversation_id for one in rows]

    assert rows == await directory.conversations(ALICE)
    assert [rows[0], rows[3]] == await directory.conversations(ALICE, [ids[3], ids[0], "si_no_one", ids[3]])
    assert await directory.conversations(ALICE, []) == []
    assert (4, rows[:3]) == await directory.page_conversations(ALICE, Page(1, 3))
    assert (4, rows[3:]) == await directory.page_conversations(ALICE, Page(2, 3))
    assert await directory.page_conversations(BOB, ALL) == (0, [])
    assert ids == (await directory.conversation_ids(ALICE))[2]


async def test_a_row_with_every_field(directory: OpenDirectoryStore) -> None:
    """Every field of a row survives."""
    full = Conversation(
        owner_user_id=ALICE,
        conversation_id=ConversationID("sg_g_1"),
        conversation_type=3,
        user_id=UserID(""),
        group_id=GroupID("g_1"),
        recv_msg_opt=1,
        is_pinned=True,
        attached_info="info",
        is_private_chat=True,
        group_at_type=4,
        ex="ex",
        burn_duration=30,
        min_seq=5,
        max_seq=1 << 40,
        msg_destruct_time=7,
        latest_msg_destruct_time=-62135596800000,
        is_msg_destruct=True,
    )
    await directory.ensure_conversations([full])

    assert [full] == await directory.conversations(ALICE)


async def test_ensuring_at_the_same_time(directory: OpenDirectoryStore) -> None:
    """Several who ensure the same rows at once make each row, and each step, once."""
    rows = [row(ALICE, f"peer{number}") for number in range(5)]
    await asyncio.gather(*(directory.ensure_conversations(rows) for _ in range(5)))

    version, _, ids = await directory.conversation_ids(ALICE)
    assert (5, [one.conversation_id for one in rows]) == (version, ids)


# --- version lists


async def test_a_list_is_made_at_the_first_look(directory: OpenDirectoryStore) -> None:
    """A list that never changed has version 1, a random id, and is the same for all who look at once."""
    looks = await asyncio.gather(*(directory.friends_delta(ALICE, "", 0) for _ in range(10)))

    assert len({look.version_id for look in looks}) == 1
    look = looks[0]
    assert VersionDelta(1, look.version_id, True, [], [], [], 0) == look
    assert len(look.version_id) == 24
    assert int(look.version_id, 16) > 0
    assert look.version_id != (await directory.friends_delta(BOB, "", 0)).version_id
    assert look.version_id != (await directory.conversations_delta(ALICE, "", 0)).version_id
    assert (1, look.version_id, []) == await directory.friend_ids(ALICE)


async def test_who_is_up_to_date_hears_nothing(directory: OpenDirectoryStore) -> None:
    """The current version gets an empty answer that isn't full."""
    version, version_id, _ = await directory.conversation_ids(ALICE)

    delta = await directory.conversations_delta(ALICE, version_id, version)

    assert VersionDelta(1, version_id, False, [], [], [], 0) == delta


@pytest.mark.parametrize(("id_suffix", "version"), [("", 0), ("", -1), ("", 4), ("x", 2), (None, 2)])
async def test_who_is_lost_gets_the_whole_list(
    directory: OpenDirectoryStore, id_suffix: str | None, version: int
) -> None:
    """Version 0, a version of the future, and a wrong or empty id mean: fetch everything."""
    await directory.ensure_conversations([row(ALICE, BOB), row(ALICE, CAROL), row(ALICE, DAVE)])
    _, version_id, _ = await directory.conversation_ids(ALICE)

    presented = "" if id_suffix is None else version_id + id_suffix
    delta = await directory.conversations_delta(ALICE, presented, version)

    assert VersionDelta(3, version_id, True, [], [], [], 0) == delta


async def test_the_last_change_of_an_element_counts(directory: OpenDirectoryStore, filler: Filler) -> None:
    """Deleted and inserted again is an insert, inserted and deleted a delete; each element once, in order of change."""
    version, version_id, _ = await directory.friend_ids(ALICE)
    inserted, deleted, updated = Change.INSERTED, Change.DELETED, Change.UPDATED
    filler.change_all(
        ListKind.FRIENDS,
        ALICE,
        [
            ("a", deleted),
            ("b", inserted),
            ("c", updated),
            ("a", inserted),
            ("b", deleted),
            ("d", updated),
            ("c", updated),
        ],
    )

    delta = await directory.friends_delta(ALICE, version_id, version)
    assert VersionDelta(8, version_id, False, ["b"], ["a"], ["d", "c"], 0) == delta
    later = await directory.friends_delta(ALICE, version_id, 6)
    assert VersionDelta(8, version_id, False, [], [], ["d", "c"], 0) == later


async def test_a_new_order_is_told_once(directory: OpenDirectoryStore, filler: Filler) -> None:
    """`sort_version` is set for those who haven't seen the change of order."""
    _, version_id, _ = await directory.friend_ids(ALICE)
    filler.change(ListKind.FRIENDS, ALICE, "a", Change.UPDATED, reordered=True)
    filler.change(ListKind.FRIENDS, ALICE, "b", Change.UPDATED)

    assert (await directory.friends_delta(ALICE, version_id, 1)).sort_version == 2
    assert (await directory.friends_delta(ALICE, version_id, 2)).sort_version == 0


async def test_too_many_changes_mean_the_whole_list(directory: OpenDirectoryStore, filler: Filler) -> None:
    """200 changed elements are told one by one, 201 aren't."""
    _, version_id, _ = await directory.friend_ids(ALICE)
    filler.change_all(ListKind.FRIENDS, ALICE, [(f"u{number}", Change.INSERTED) for number in range(201)])

    exact = await directory.friends_delta(ALICE, version_id, 2)
    assert (exact.full, len(exact.inserted)) == (False, 200)
    assert VersionDelta(202, version_id, True, [], [], [], 0) == await directory.friends_delta(ALICE, version_id, 1)


async def test_old_changes_are_forgotten(directory: OpenDirectoryStore, filler: Filler) -> None:
    """The log keeps 1,000 elements; who is older fetches everything, who is newer still hears the difference."""
    _, version_id, _ = await directory.friend_ids(ALICE)
    filler.change_all(ListKind.FRIENDS, ALICE, [(f"u{number}", Change.INSERTED) for number in range(1100)])
    filler.change_all(ListKind.FRIENDS, ALICE, [("u1", Change.DELETED)])

    assert (await directory.friends_delta(ALICE, version_id, 50)).full
    delta = await directory.friends_delta(ALICE, version_id, 1100)
    assert VersionDelta(1102, version_id, False, ["u1"], ["u1099"], [], 0) == delta
