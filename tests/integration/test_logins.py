"""Logins, kicks, logouts and reconnects (OpenIM wire, §1.6, §3.9, §8.1)."""

from __future__ import annotations

import asyncio
import json

import pytest

from openim_ray.protocol.frames import Response
from openim_ray.protocol.identifiers import RequestIdentifier
from tests.integration.connection import JS, NATIVE, WASM, Connection, Kind, connect
from tests.integration.people import People
from tests.integration.websocket import HttpAnswer

GOING_AWAY = 1001


def kicked(client: Connection) -> bool:
    """Tell whether the last frame was a bare 2002."""
    return client.received[-1:] == [Response(RequestIdentifier.KICK_ONLINE)]


@pytest.mark.parametrize("kind", [NATIVE, JS], ids=lambda kind: kind.name)
async def test_a_second_login_on_a_platform_ends_the_first(people: People, kind: Kind) -> None:
    """The older connection hears 2002 and is cut without a close frame; its token is refused from then on."""
    old = await people.connect("alice", kind)
    await old.send_text(old.user_id, "before")
    await old.pushed(1)
    new = await people.connect(await people.login(old.user_id, kind), kind)
    assert await old.ended() is None
    assert kicked(old)
    refused = await connect_refused(people, old, kind)
    assert refused == 1506
    await new.send_text(new.user_id, "after")


async def connect_refused(people: People, client: Connection, kind: Kind) -> int:
    """Connect with a token again and return the code it is refused with."""
    try:
        again = await connect(people.server.ws_port, client.account, kind)
    except HttpAnswer as answer:
        return int(json.loads(answer.body)["errCode"])
    text = again.received[0]
    await again.close()
    assert isinstance(text, str)
    return int(json.loads(text)["errCode"])


async def test_a_login_on_another_platform_ends_nothing(people: People) -> None:
    """Phone and browser live side by side."""
    phone = await people.connect("alice", NATIVE)
    page = await people.connect(await people.login(phone.user_id, WASM), WASM)
    await phone.send_text(phone.user_id, "hello")
    for client in (phone, page):
        assert [push.text for push in await client.pushed(1)] == ["hello"]


async def test_force_logout_ends_connections_and_tokens(people: People) -> None:
    """The administrator's call ends one platform of the user and leaves the other alone."""
    phone = await people.connect("alice", NATIVE)
    page = await people.connect(await people.login(phone.user_id, WASM), WASM)
    body = {"userID": phone.user_id, "platformID": phone.account.platform}
    await asyncio.to_thread(people.server.call, "/auth/force_logout", body)
    assert await phone.ended() is None
    assert kicked(phone)
    assert await connect_refused(people, phone, NATIVE) == 1506
    await page.send_text(page.user_id, "still here")


async def test_a_logout_is_answered_and_ends_the_connection(people: People) -> None:
    """2003: an empty answer, then the connection is cut without a close frame; the token stays good."""
    alice = await people.connect("alice")
    response = await alice.answer(RequestIdentifier.LOGOUT, b"")
    assert (response.err_code, response.data) == (0, b"")
    assert await alice.ended() is None
    again = await people.connect(alice.account)
    await again.send_text(again.user_id, "back")


async def test_what_was_asked_before_a_logout_is_answered(people: People) -> None:
    """Frames of one connection are handled in order."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    await alice.send_text(bob.user_id, "first")
    await alice.answer(RequestIdentifier.LOGOUT, b"")
    assert [push.text for push in await bob.pushed(1)] == ["first"]


async def test_a_client_that_reconnects_too_soon_to_sync_is_made_to(people: People) -> None:
    """
    A Go SDK starts no sync within 5 s of its last one, and would never learn what it missed: the connection that does not ask is closed
    once those 5 s are over, one that asks stays, and so does the next.
    """
    silent, asking = await people.connect("alice"), await people.connect("bob")
    for client in (silent, asking):
        await client.close()
    silent, asking = await people.connect(silent.account, silent=True), await people.connect(asking.account)
    await asking.send_text(silent.user_id, "hello")
    assert await silent.ended() == GOING_AWAY
    await asking.send_text(silent.user_id, "hello again")
    assert asking.end is None
    third = await people.connect(silent.account)
    await third.send_text(asking.user_id, "here")


async def test_a_kicked_client_that_does_not_read_is_gone_all_the_same(people: People) -> None:
    """What it doesn't take can't keep the connection."""
    old = await people.connect("alice")
    await old.stop_reading()
    new = await people.connect(await people.login(old.user_id))
    await new.send_text(new.user_id, "alone")
    await old.socket.gone()
