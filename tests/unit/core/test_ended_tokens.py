"""Who was kicked does not come back with the same token, whatever was lost on the way."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.inboxes.ended_tokens import EndedTokens
from openim_ray.core.inboxes.inbox import HANDSHAKE_SECONDS_MAX
from openim_ray.core.inboxes.inbox_shard import InboxShard
from openim_ray.core.shard_loads import LoadToken
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_saves import SavedItem
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain import errors
from openim_ray.domain.token_state import KICKED

WALL_MS = 1_800_000_000_000
LATER = HANDSHAKE_SECONDS_MAX + 1.0
GATEWAY = "gateway-0"
CHECK = LoadToken("alice", 1, "old", GATEWAY, 7)


def register(call: int, *, again: bool, digest: str = "old", accepted_ms: int = WALL_MS) -> items.Register:
    """Return a registration of alice's phone."""
    return items.Register(call, "alice", 7, 1, digest, 1 << 40, "go", accepted_ms, 1, again)


class Inboxes:
    """
    A shard's inboxes that have been there for a while, among them alice's.
    """

    def __init__(self, now: float = LATER) -> None:
        self.outbox = Outbox(0)
        self.shard = InboxShard("inbox-0", self.outbox, {}, ("persistence-0",), ShardSettings(), 0.0)
        self.now = now
        self.ask(items.AskStates(1, "alice"))
        self.shard.inbox_loaded("alice", [], {}, {}, self.now, WALL_MS)
        self.sent()
        self.outbox.take_loads()

    def ask(self, *requests: items.Register | items.ForceLogout | items.AskStates) -> None:
        """Let a gateway ask something."""
        for one in requests:
            self.shard.request(GATEWAY, one, "7", self.now, WALL_MS)

    def sent(self) -> list[items.AnyItem]:
        """Return what was sent to the gateway."""
        return [item for peer, item in self.outbox.take_items() if peer == GATEWAY]

    def kicked(self) -> list[int]:
        """Return the connections that were kicked."""
        return [one for item in self.sent() if isinstance(item, items.Kick) for one in item.connections]

    @property
    def connections(self) -> list[int]:
        """Return alice's connections."""
        inbox = self.shard.find("alice")
        assert inbox is not None
        return [connection for _, connection in inbox.sessions]


def test_a_connection_whose_kick_was_lost_is_kicked_again() -> None:
    """Its gateway registers it again after the break that the kick was lost in."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=False), items.ForceLogout(2, "alice", 1))
    assert inboxes.kicked() == [7]
    inboxes.shard.drop_sessions_of(GATEWAY)

    inboxes.ask(register(3, again=True))

    kick, reply = inboxes.sent()
    assert kick == items.Kick([7])
    assert isinstance(reply, items.Reply)
    assert (reply.call, reply.code) == (3, 0)
    assert inboxes.connections == []


def test_a_connection_that_was_kicked_by_a_later_login_stays_away() -> None:
    """Also if that one has left meanwhile."""
    inboxes = Inboxes()
    new = items.Register(2, "alice", 8, 1, "new", 1 << 40, "go", WALL_MS + 1, 2)
    inboxes.ask(register(1, again=False), new)
    inboxes.shard.unregister(GATEWAY, items.Unregister("alice", 8), inboxes.now)
    inboxes.sent()

    inboxes.ask(register(3, again=True))

    assert inboxes.kicked() == [7]


def test_a_new_connection_with_an_ended_token_is_refused() -> None:
    """It was let in before the token was ended, and comes after the logout."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=False), items.ForceLogout(2, "alice", 1))
    inboxes.sent()

    inboxes.ask(register(3, again=False))

    assert [(one.call, one.code) for one in inboxes.sent() if isinstance(one, items.Reply)] == [
        (3, errors.TokenKicked.code)
    ]


def test_an_inbox_that_has_forgotten_finds_the_state_of_the_token() -> None:
    """It was restarted, or moved, after the logout: the store knows."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=True))
    assert inboxes.outbox.take_loads() == [CHECK]
    inboxes.sent()

    inboxes.shard.token_read(CHECK, KICKED)

    assert inboxes.kicked() == [7]
    assert inboxes.connections == []


def test_a_valid_token_stays() -> None:
    """So does one that was forgotten because it expired."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=True))
    inboxes.sent()

    for state in (0, None):
        inboxes.shard.token_read(CHECK, state)

    assert inboxes.kicked() == []
    assert inboxes.connections == [7]


def test_a_logout_during_the_check_is_not_undone_by_it() -> None:
    """The state was read before the token was ended."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=True), items.ForceLogout(2, "alice", 1))
    assert inboxes.kicked() == [7]

    inboxes.shard.token_read(CHECK, 0)

    assert inboxes.connections == []


def test_a_check_concerns_the_connection_it_was_made_for() -> None:
    """Not another one with that number, nor a user who has left."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=False, digest="new"))
    inboxes.sent()

    inboxes.shard.token_read(CHECK, KICKED)
    inboxes.shard.token_read(CHECK._replace(user_id="bob"), KICKED)

    assert inboxes.kicked() == []


def test_first_registrations_are_checked_only_where_a_logout_may_be_unknown() -> None:
    """The gateway has just looked at the token: each check costs a read."""
    old, young = Inboxes(), Inboxes(now=1.0)
    for inboxes in (old, young):
        inboxes.ask(register(1, again=False))
    assert old.outbox.take_loads() == []
    assert young.outbox.take_loads() == [CHECK]

    old.shard.unregister(GATEWAY, items.Unregister("alice", 7), old.now)
    old.ask(items.ForceLogout(2, "alice", 1), register(3, again=False))

    assert old.outbox.take_loads() == [CHECK]


def test_a_token_that_could_not_be_read_is_read_again() -> None:
    """A store that is down for a moment must not undo a logout."""
    inboxes = Inboxes()
    inboxes.ask(register(1, again=True))
    inboxes.outbox.take_loads()

    inboxes.shard.load_failed(CHECK, inboxes.now)
    inboxes.shard.tick(inboxes.now + 1.0)

    assert inboxes.outbox.take_loads() == [CHECK]


def test_the_latest_ended_tokens_are_remembered() -> None:
    """A bounded number of them."""
    ended = EndedTokens(digests_max=2)
    ended.add(["a", "b"])
    ended.add(["a"])
    ended.add(["c"])

    assert [digest in ended for digest in ("a", "b", "c")] == [True, False, True]


def test_that_a_token_was_ended_is_saved_even_if_too_much_waits() -> None:
    """The store would let it in again after a restart."""
    inboxes = Inboxes()
    for _ in range(1_000):
        inboxes.shard._saves.save("alice", lambda call: items.SavePositions(call, "alice", {}), lambda: None)
    new = items.Register(2, "alice", 8, 1, "new", 1 << 40, "go", WALL_MS + 1, 2)
    inboxes.ask(register(1, again=False), new)

    ended: list[str] = []
    while sent := [item for _, item in inboxes.outbox.take_items() if isinstance(item, SavedItem)]:
        for item in sent:
            ended += [record[0] for record in item.records] if isinstance(item, items.SaveTokens) else []
            inboxes.shard.saved(items.Reply(item.call), inboxes.now)

    assert ended == ["old"]
