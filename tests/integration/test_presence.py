"""Who is online: subscriptions, the background, and what crashes leave of both (OpenIM wire, §1.7, §3.9)."""

from __future__ import annotations

import asyncio
import json

from openim_ray.domain.conversation import notification_stream_id, single_chat_id
from openim_ray.protocol.pb.sdkws_pb2 import SubUserOnlineStatus
from tests.integration.connection import JS, NATIVE, Connection, Kind
from tests.integration.people import People
from tests.integration.watching import (
    ANDROID,
    IPHONE,
    SUBSCRIBE,
    WEB,
    all_see,
    ask,
    pushed_states,
    sees,
    set_background,
    states,
    subscribe,
)


async def test_a_subscriber_sees_others_come_and_go(people: People) -> None:
    """The answer says where they are, a push each change from the moment on that it was asked, until it is asked for no more."""
    watchers = [await people.connect("alice", kind) for kind in (NATIVE, JS)]
    bob = await people.account("bob")
    carol = await people.connect("carol")
    for watcher in watchers:
        assert await subscribe(watcher, bob.user_id, carol.user_id) == {bob.user_id: [], carol.user_id: [ANDROID]}

    phone = await people.connect(bob)
    await all_see(watchers, bob.user_id, ANDROID, number=1)
    page = await people.connect(await people.login(bob.user_id, JS), JS)
    await all_see(watchers, bob.user_id, ANDROID, WEB, number=2)
    await phone.close()
    await all_see(watchers, bob.user_id, WEB, number=3)
    await page.close()
    await all_see(watchers, bob.user_id, number=4)
    assert [pushed_states(watcher, carol.user_id) for watcher in watchers] == [[], []]

    first, second = watchers
    request = SubUserOnlineStatus(unsubscribeUserID=[bob.user_id])
    assert states((await first.answer(SUBSCRIBE, request.SerializeToString())).data) == {}
    await people.connect(bob)
    await all_see([second], bob.user_id, ANDROID, number=5)
    assert len(pushed_states(first, bob.user_id)) == 4


async def test_the_older_subscription_is_told_by_notifications(people: People) -> None:
    """
    By HTTP, for the connections there are: 1304 for each platform that somebody comes to or leaves, in the stream of the two.

    Nothing tells of the subscription itself: 1308 is in the protocol, but the official server never sends it, and no SDK waits for it.
    """
    alice, bob = await people.connect("alice"), await people.account("bob")
    body = {"userID": alice.user_id, "userIDs": [bob.user_id], "genre": 1}
    token = alice.account.token
    answer = await asyncio.to_thread(people.server.call, "/user/subscribe_users_status", body, token)
    assert answer == {"statusList": [{"userID": bob.user_id, "status": 0, "platformIDs": None}]}
    phone = await people.connect(bob)
    await alice.pushed(1)
    await phone.close()
    pushes = await alice.pushed(2)
    for push, status in zip(pushes, (1, 0), strict=True):
        assert (push.stream, push.seq) == (notification_stream_id(single_chat_id(alice.user_id, bob.user_id)), 0)
        assert (push.message.contentType, push.message.sendID) == (1304, bob.user_id)
        assert json.loads(json.loads(push.message.content)["detail"]) == {
            "fromUserID": bob.user_id,
            "toUserID": alice.user_id,
            "status": status,
            "platformID": ANDROID,
        }
    assert {push.message.contentType for push in alice.pushes} == {1304}
    listed = await asyncio.to_thread(
        people.server.call, "/user/get_subscribe_users_status", {"userID": alice.user_id}, token
    )
    assert [one["userID"] for one in listed["statusList"]] == [bob.user_id]


async def test_a_subscription_outlives_the_inbox_actor(people: People) -> None:
    """Killed, it comes back: nobody seems to have gone meanwhile, and the next change is pushed."""
    alice, bob, carol = [await people.connect(name) for name in ("alice", "bob", "carol")]
    assert await subscribe(alice, bob.user_id, carol.user_id) == {bob.user_id: [ANDROID], carol.user_id: [ANDROID]}

    await asyncio.to_thread(people.server.kill_actor, "InboxActor")
    page = await people.connect(await people.login(bob.user_id, JS), JS)
    await sees(alice, bob.user_id, ANDROID, WEB, number=1)
    await page.close()
    await carol.close()

    await sees(alice, bob.user_id, ANDROID, number=2)
    await sees(alice, carol.user_id, number=1)
    assert alice.end is None


async def test_devices_are_listed_right_after_the_inbox_actor_died(people: People) -> None:
    """Who is there is said to be there, however early it is asked."""
    alice = await people.connect("alice")
    absent = await people.account("bob")
    await asyncio.to_thread(people.server.kill_actor, "InboxActor")
    found = await ask(people, "/user/get_users_online_status", alice.user_id, absent.user_id)
    assert [(one["userID"], one["status"]) for one in found] == [(alice.user_id, 1), (absent.user_id, 0)]
    assert [(one["platformID"], one["isBackground"]) for one in found[0]["detailPlatformStatus"]] == [(ANDROID, False)]


async def test_an_ios_app_in_the_background_is_pushed_nothing_and_then_everything(people: People) -> None:
    """Also if the inbox actor dies in between: messages come in order and once, and so does what became of others' presence."""
    phone = await people.connect("alice", IPHONE)
    bob, carol = await people.connect("bob"), await people.connect("carol")
    for watcher in (phone, carol):
        assert await subscribe(watcher, bob.user_id) == {bob.user_id: [ANDROID]}
    await bob.send_text(phone.user_id, "before")
    await phone.pushed(1)

    await set_background(phone, background=True)
    await bob.send_text(phone.user_id, "first")
    await asyncio.to_thread(people.server.kill_actor, "InboxActor")
    await bob.send_text(phone.user_id, "second")
    await people.connect(await people.login(bob.user_id, JS), JS)
    await sees(carol, bob.user_id, ANDROID, WEB, number=1)
    (found,) = await ask(people, "/user/get_users_online_status", phone.user_id)
    assert [(one["platformID"], one["isBackground"]) for one in found["detailPlatformStatus"]] == [(1, True)]
    assert len(phone.pushes) == 1
    assert pushed_states(phone, bob.user_id) == []

    await set_background(phone, background=False)
    await bob.send_text(phone.user_id, "third")
    pushes = await phone.pushed(4)
    assert [push.text for push in pushes] == ["before", "first", "second", "third"]
    await sees(phone, bob.user_id, ANDROID, WEB, number=1)


async def test_a_subscriber_that_comes_back_learns_what_it_missed(people: People) -> None:
    """A killed gateway takes the subscriptions with the connections; the clients that come back to the next one ask again."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    await subscribe(alice, bob.user_id)
    await asyncio.to_thread(people.server.kill_actor, "GatewayActor")
    await asyncio.gather(alice.ended(), bob.ended())

    alice = await reconnected(people, alice, NATIVE)
    bob = await reconnected(people, bob, NATIVE)
    assert await subscribe(alice, bob.user_id) == {bob.user_id: [ANDROID]}
    await bob.close()
    await sees(alice, bob.user_id, number=1)


async def reconnected(people: People, client: Connection, kind: Kind) -> Connection:
    """Connect again as soon as there is a gateway."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await people.connect(client.account, kind)
            except OSError:
                await asyncio.sleep(0.1)
