"""Logging in and out, being kicked, and tokens that aren't good."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from openim_ray.services.tokens import Claims, TokenSigner
from tests.e2e.channel import CallError
from tests.e2e.client import Account, Message
from tests.e2e.clients import Clients
from tests.e2e.server import Server

DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize(("first", "second"), [("wasm", "js"), ("js", "wasm"), ("native", "native"), ("pypi", "pypi")])
async def test_a_second_login_kicks_the_first(clients: Clients, first: str, second: str) -> None:
    """The older of two logins on one platform is told that it was kicked; the newer one gets the messages."""
    alice = await clients.js(clients.user("alice"))
    bob = clients.user("bob")
    old = await clients.open(first, bob)

    new = await clients.open(second, bob)
    await old.events.wait_for("OnKickedOffline")
    await alice.send_text(bob, "which of you?")
    await new.received("which of you?")

    assert old.received_texts(alice.user_id) == []
    assert new.events.named("OnKickedOffline") == []


async def test_a_login_on_another_platform_kicks_nobody(clients: Clients) -> None:
    """A phone and a browser of one user both get what is sent to the user."""
    alice = await clients.native(clients.user("alice"))
    bob = clients.user("bob")
    phone, tab = await clients.native(bob), await clients.wasm(bob)

    await alice.send_text(bob, "to both")

    await phone.received("to both")
    await tab.received("to both")
    assert [device.events.named("OnKickedOffline") for device in (phone, tab)] == [[], []]


async def test_a_kicked_device_that_was_away_learns_it_when_it_reconnects(clients: Clients) -> None:
    """A device that missed the kick is refused with 1506 and stops trying."""
    user = clients.user("bob")
    old = await clients.native(user)
    await clients.wire(old).down()
    await old.events.wait_for("closed")

    await clients.native(user)
    await clients.wire(old).up()

    answer: Any = await old.events.wait_for("OnKickedOffline")
    assert answer["errCode"] == 1506


@pytest.mark.parametrize("kind", ["wasm", "js", "native"])
async def test_a_kicked_token_logs_in_no_more(clients: Clients, kind: str) -> None:
    """A token that a newer login made void is refused with 1506."""
    user = clients.user("bob")
    old = clients.account(kind, user)
    clients.account(kind, user)

    client = await clients.open(kind, user, account=old, login=False)
    await client.start()

    await client.events.wait_for("OnKickedOffline")


async def test_the_administrator_can_log_a_user_out(clients: Clients, server: Server) -> None:
    """A forced logout kicks the connections of that platform and no others."""
    user = clients.user("bob")
    phone, tab = await clients.native(user), await clients.wasm(user)

    server.call("/auth/force_logout", {"userID": user, "platformID": tab.account.platform})
    await tab.events.wait_for("OnKickedOffline")

    await phone.connection.ping()
    await phone.events.wait_for("pong")
    assert phone.events.named("OnKickedOffline") == []


FAULTS = {"garbage": 1503, "platform": 1502, "user": 1502, "never issued": 1507, "signature": 1505, "expired": 1501}


@pytest.mark.parametrize(
    ("kind", "fault"),
    [*itertools.product(["js", "native"], FAULTS), ("wasm", "garbage"), ("wasm", "expired")],
)
async def test_a_wrong_token_is_refused_with_its_code(clients: Clients, server: Server, kind: str, fault: str) -> None:
    """Every SDK learns by its own callbacks what is wrong with its token, and gives up."""
    user = clients.user("bob")
    account = clients.account(kind, user)

    client = await clients.open(kind, user, account=_spoilt(account, fault, server), login=False)
    await client.start()

    await client.events.wait_for("OnUserTokenExpired" if fault == "expired" else "OnUserTokenInvalid")
    if kind != "wasm":  # the Go core keeps the code to itself
        refusals = client.events.named("OnConnectFailed", "OnUserTokenInvalid", "OnUserTokenExpired")
        codes = {event.data["errCode"] for event in refusals if isinstance(event.data, dict)}
        assert codes == {FAULTS[fault]}


async def test_the_pypi_client_fails_to_log_in_with_a_wrong_token(clients: Clients) -> None:
    """The PyPI client, which knows no codes, gets an exception instead of a connection."""
    user = clients.user("bob")
    account = clients.account("pypi", user)._replace(token="garbage")

    with pytest.raises(CallError):
        await clients.pypi(user, account=account)


def _spoilt(account: Account, fault: str, server: Server) -> Account:
    now = int(time.time())
    good = Claims(account.user_id, account.platform, now + 3600)
    tokens = {
        "garbage": lambda: "garbage",
        "platform": lambda: server.token(account.user_id, account.platform - 1),
        "user": lambda: server.token(server.add_user("mallory"), account.platform),
        "never issued": lambda: TokenSigner(server.admin_secret).sign(good, now),
        "signature": lambda: TokenSigner("another secret").sign(good, now),
        "expired": lambda: TokenSigner(server.admin_secret).sign(good._replace(expires_at=now - 1), now - 3600),
    }
    return account._replace(token=tokens[fault]())


@pytest.mark.parametrize("kind", ["wasm", "js", "native", "pypi"])
async def test_after_a_logout_messages_wait_for_the_next_login(clients: Clients, kind: str) -> None:
    """A device that logged out is told of nothing; what was sent meanwhile is there when it logs in again."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    await alice.send_text(bob.user_id, "before")
    await bob.received("before")

    await bob.logout()
    await alice.send_text(bob.user_id, "while out")
    assert bob.received_texts(alice.user_id) == ["before"]
    again = await clients.reopen(bob)

    if kind == "pypi":
        await again.received("while out")
    else:
        page = await again.history(alice.user_id, 10)
        assert [message.text for message in page.messages] == ["before", "while out"]


@pytest.mark.parametrize(
    ("kind", "days"), [("wasm", -1), ("wasm", 1), ("js", -1), ("js", 1), ("native", -1), ("pypi", 1)]
)
async def test_a_clock_that_is_a_day_off_changes_nothing(clients: Clients, kind: str, days: int) -> None:
    """A device whose clock is wrong chats as any other; times are the server's."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"), clock_shift=days * DAY_MS)
    await alice.send_text(bob.user_id, "first")
    await bob.received("first")
    await bob.send_text(alice.user_id, "second")
    await alice.received("second")
    await alice.send_text(bob.user_id, "third")
    await bob.received("third")

    texts = (await alice.history(bob.user_id, 10)).messages
    assert [message.text for message in texts] == ["first", "second", "third"]
    assert _is_rising(texts)
    assert abs(texts[1].send_time - time.time() * 1000) < DAY_MS / 2
    if kind in ("wasm", "js"):
        assert [message.text for message in (await bob.history(alice.user_id, 10)).messages] == [
            "first",
            "second",
            "third",
        ]


def _is_rising(messages: list[Message]) -> bool:
    times = [message.send_time for message in messages]
    return times == sorted(times)
