"""Clearing conversations (OpenIM wire, §7.8): what the rows say, and what is left for the owners of logs."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.protocol.identifiers import PullOrder
from openim_ray.protocol.pb.msg_pb2 import (
    ConversationSeqs,
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    GetLastMessageReq,
    GetSeqMessageReq,
    GetSeqMessageResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import PullMessageBySeqsReq, SeqRange
from openim_ray.services import clearing
from openim_ray.services.clearing import Reach
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.notifications import Cause
from tests.unit.services.groups.group_world import GROUP, GroupWorld
from tests.unit.services.memory_world import START_MS, MemoryWorld
from tests.unit.services.outbox import forget, waiting

FOR_HERSELF, TOLD, FOR_ALL = Reach(), Reach(tells_self=True), Reach(tells_self=True, clears_others=True)


def by(user_id: str) -> Operator:
    """Return who acts."""
    return Operator(Cause(user_id, "op", START_MS), is_app_admin=False)


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with three users; alice and bob have written three messages."""
    world = MemoryWorld()
    world.add_users("alice", "bob", "carol")
    world.send("alice", "bob", "one", "two", "three")
    return world


async def firsts(world: MemoryWorld, user_id: str) -> dict[str, int]:
    """Return what a user's rows say that she sees first."""
    return {row.conversation_id: row.min_seq for row in await world.directory.conversations(UserID(user_id))}


async def version(world: MemoryWorld, user_id: str) -> int:
    """Return where the list of a user's rows stands."""
    return (await world.directory.conversation_ids(UserID(user_id)))[0]


async def test_who_clears_for_herself_sees_what_comes(world: MemoryWorld) -> None:
    """The other one keeps everything; nobody is told but by the change of the row, which the log's owner passes on."""
    await world.services.clearing.clear(by("alice"), "alice", ["si_alice_bob"], FOR_HERSELF)

    assert await firsts(world, "alice") == {"si_alice_bob": 4}
    assert await firsts(world, "bob") == {"si_alice_bob": 0}
    (one,) = await waiting(world, "alice_bob")
    effect = one.effect
    assert (effect.cleared, effect.clears, effect.cut_at, effect.operation_id) == (["alice"], "si_alice_bob", 4, "op")
    assert not effect.notification
    assert world.broker.poked == ["alice_bob"]


async def test_clearing_again_clears_what_has_come_since(world: MemoryWorld) -> None:
    """If nothing has, nothing happens: no step of the list, and nothing to pass on."""
    use = world.services.clearing
    await use.clear(by("alice"), "alice", ["si_alice_bob"], FOR_HERSELF)
    await forget(world)
    before = await version(world, "alice")
    await use.clear(by("alice"), "alice", ["si_alice_bob"], FOR_HERSELF)
    assert await waiting(world, "alice_bob") == []
    assert await version(world, "alice") == before

    world.send("bob", "alice", "four")
    await use.clear(by("alice"), "alice", ["si_alice_bob"], FOR_HERSELF)
    assert await firsts(world, "alice") == {"si_alice_bob": 5}
    assert await version(world, "alice") == before + 1


async def test_every_request_answers_as_recorded(world: MemoryWorld) -> None:
    """1006 still tells the newest seq, read; 1002 gives nothing, 1005 says where the chat begins, 1007 leaves it out."""
    await world.services.clearing.clear(by("alice"), "alice", ["si_alice_bob"], FOR_HERSELF)
    use, chat = world.services.messages, "si_alice_bob"
    asked = GetConversationsHasReadAndMaxSeqReq(userID="alice").SerializeToString()
    state = GetConversationsHasReadAndMaxSeqResp.FromString(await use.has_read_and_max_seqs("alice", asked)).seqs[chat]
    assert (state.maxSeq, state.hasReadSeq) == (3, 3)
    run = PullMessageBySeqsReq(userID="alice", seqRanges=[SeqRange(conversationID=chat, end=3, num=1)])
    assert await use.pull_by_ranges("alice", run.SerializeToString()) == b""
    pick = GetSeqMessageReq(
        userID="alice", conversations=[ConversationSeqs(conversationID=chat, seqs=[2, 3])], order=PullOrder.DESCENDING
    )
    found = GetSeqMessageResp.FromString(await use.pull_by_seqs("alice", pick.SerializeToString())).msgs[chat]
    assert (list(found.Msgs), found.isEnd, found.endSeq) == ([], True, 4)
    last = GetLastMessageReq(userID="alice", conversationIDs=[chat])
    assert await use.last_messages("alice", last.SerializeToString()) == b""


async def test_her_other_devices_are_told(world: MemoryWorld) -> None:
    """1703 to herself, not stored; also when nothing is left to be cleared, since a device may not know."""
    for _ in range(2):
        await world.services.clearing.clear(by("alice"), "alice", ["si_alice_bob"], TOLD)
    first, second = await waiting(world, "alice_bob")
    for one in (first, second):
        assert (one.kind, one.way) == (1703, ("alice", "alice", "n_alice_alice"))
        assert one.tips == {"userID": "alice", "conversationIDs": ["si_alice_bob"]}
        assert (one.effect.receivers, one.options, one.effect.stored) == (["alice"], {"senderSync"}, False)
    assert (first.effect.cleared, second.effect.cleared) == (["alice"], [])


async def test_both_lose_what_one_clears_for_both(world: MemoryWorld) -> None:
    """One 1703 goes to both, as recorded."""
    await world.services.clearing.clear(by("alice"), "alice", ["si_alice_bob"], FOR_ALL)
    assert await firsts(world, "alice") == await firsts(world, "bob") == {"si_alice_bob": 4}
    (one,) = await waiting(world, "alice_bob")
    assert (one.kind, one.way) == (1703, ("alice", "bob", "n_alice_bob"))
    assert (sorted(one.effect.cleared), sorted(one.effect.receivers or [])) == (["alice", "bob"], ["alice", "bob"])


async def test_what_she_does_not_have_is_passed_over(world: MemoryWorld) -> None:
    """A chat of others, one that only her SDK knows, a notification stream, one without messages."""
    world.add_chat("alice", "carol")
    asked = ["si_bob_carol", "si_alice_nobody", "n_alice_bob", "si_alice_carol", "", "a\0", "si_alice_bob"]
    world.send("bob", "carol", "not for her")
    await world.services.clearing.clear(by("alice"), "alice", asked, FOR_ALL)
    assert await firsts(world, "alice") == {"si_alice_bob": 4, "si_alice_carol": 0}
    assert await firsts(world, "carol") == {"si_alice_carol": 0, "si_bob_carol": 0}
    assert await waiting(world, "bob_carol") == []


async def test_all_of_hers_can_be_cleared(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part by part."""
    monkeypatch.setattr(clearing, "CLEARED_AT_ONCE", 1)
    world.send("carol", "alice", "hello")
    await world.services.clearing.clear_all(by("alice"), "alice", TOLD)
    assert await firsts(world, "alice") == {"si_alice_bob": 4, "si_alice_carol": 2}
    assert await firsts(world, "carol") == {"si_alice_carol": 0}


async def test_a_call_names_a_conversation(world: MemoryWorld) -> None:
    """And not too many."""
    for asked in ([], [str(number) for number in range(10_001)]):
        with pytest.raises(errors.ArgsError, match="conversationIDs"):
            await world.services.clearing.clear(by("alice"), "alice", asked, FOR_HERSELF)


async def group_firsts(world: GroupWorld) -> dict[str, int]:
    """Return what members see first."""
    rows = {user_id: world.row(user_id) for user_id in ("olga", "ada", "mia", "max")}
    return {user_id: row.min_seq for user_id, row in rows.items() if row is not None}


async def test_a_group_is_cleared_for_all_by_its_owner_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member clears it for herself; an administrator of the server may do what the owner may, unless it is too large."""
    world = GroupWorld()
    await world.make()
    world.write("one", "two")
    use = world.services.clearing
    await use.clear(world.by("mia"), "mia", ["sg_g"], TOLD)
    assert await group_firsts(world) == {"olga": 0, "ada": 0, "mia": 3, "max": 0}
    for user_id in ("mia", "ada"):
        with pytest.raises(errors.NoPermission, match="clear"):
            await use.clear(world.by(user_id), user_id, ["sg_g"], FOR_ALL)

    await use.clear_all(world.by("ada"), "ada", FOR_ALL)
    assert await group_firsts(world) == {"olga": 0, "ada": 3, "mia": 3, "max": 0}, "for herself, where she may not more"
    world.effects()

    await use.clear(world.by("olga"), "olga", ["sg_g"], FOR_ALL)
    assert await group_firsts(world) == {"olga": 3, "ada": 3, "mia": 3, "max": 3}
    (told,) = world.told()
    assert (told.type, told.effect.stream, told.effect.receivers) == (1703, "n_g", None)
    assert sorted(told.effect.cleared) == ["max", "olga"]

    world.write("three")
    monkeypatch.setattr(clearing, "MEMBERS_MAX", 3)
    with pytest.raises(errors.ArgsError, match="IsSyncOther"):
        await use.clear(world.by("imAdmin"), "mia", ["sg_g"], FOR_ALL)
    monkeypatch.undo()
    await use.clear(world.by("imAdmin"), "mia", ["sg_g"], FOR_ALL)
    assert set((await group_firsts(world)).values()) == {4}


async def test_who_leaves_keeps_cleared_what_she_cleared() -> None:
    """And who comes back, too, whatever older cut the log's owner still has to write."""
    world = GroupWorld()
    await world.make()
    world.write("one", "two")
    await world.services.clearing.clear(world.by("mia"), "mia", ["sg_g"], FOR_HERSELF)
    await world.use.membership.quit(world.by("mia"), GROUP, "mia")
    row = world.row("mia")
    assert row is not None
    assert (row.min_seq, row.max_seq) == (3, 2)
    world.write("three")
    await world.services.clearing.clear(world.by("mia"), "mia", ["sg_g"], FOR_HERSELF)
    row = world.row("mia")
    assert row is not None
    assert (row.min_seq, row.max_seq) == (4, 2)
