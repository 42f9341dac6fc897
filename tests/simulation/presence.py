"""
Who watches whom, and apps in the background: what a world of watchers has besides.

A client that watches subscribes to everybody on each connection, as the pure-JavaScript SDK does (OpenIM wire, §10.1). In the end each must see who is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.messages import presence_tips
from openim_ray.protocol.pb.sdkws_pb2 import SetAppBackgroundStatusReq, SubUserOnlineStatus, SubUserOnlineStatusTips
from tests.simulation.coroutines import Future
from tests.simulation.sockets import Answer, Presence

if TYPE_CHECKING:
    from openim_ray.core.gateway.watches import ShowPresence
    from tests.simulation.clients.device import Device
    from tests.simulation.gateways import Connection, GatewayProcess
    from tests.simulation.sockets import Request
    from tests.simulation.world import World

PRESENCE_SECONDS_MAX = 6.0
SUBSCRIBE = RequestIdentifier.SUB_USER_ONLINE_STATUS
BACKGROUND = RequestIdentifier.SET_BACKGROUND_STATUS


# --- the gateway's end


class _Asking:
    def __init__(self) -> None:
        self.done: Future[None] = Future()

    def known(self) -> None:
        """Hear that all is known."""
        self.done.resolve(None)


async def answer_subscription(process: GatewayProcess, connection: Connection, request: Request) -> None:
    """Answer a 2005 as `gateway/requests.py` does."""
    asked = SubUserOnlineStatus.FromString(request.data)
    watches = process.hub.watches
    process.hub.watch(connection.number, asked.subscribeUserID, asked.unsubscribeUserID)
    waiting = _Asking()
    asking = watches.wait(asked.subscribeUserID, waiting)
    process.perform()
    if asking is not None:
        process.later(PRESENCE_SECONDS_MAX, waiting.known)
        await waiting.done
        watches.give_up(asking, connection.number)
    if not connection.gone:
        data = presence_tips(watches.states(asked.subscribeUserID))
        process.write(connection, Answer(request.identifier, request.number, 0, data))


def set_background(process: GatewayProcess, connection: Connection, request: Request) -> None:
    """Take a 2004."""
    background = SetAppBackgroundStatusReq.FromString(request.data).isBackground
    process.hub.set_background(connection.number, process.wall_ms, background=background)
    process.perform()
    process.write(connection, Answer(request.identifier, request.number, 0, b""))


def show(process: GatewayProcess, shown: ShowPresence) -> None:
    """Write a 2005."""
    for number in shown.connections:
        connection = process.connections.get(number)
        if connection is not None and not connection.ended:
            process.write(connection, Presence(presence_tips(shown.states)))


# --- the client's end


async def subscribe(device: Device) -> None:
    """Ask who of all is there, until there is an answer."""
    request = SubUserOnlineStatus(subscribeUserID=device.world.settings.users)
    answer = await device.ask(SUBSCRIBE, request.SerializeToString())
    take(device, answer)


def take(device: Device, data: bytes) -> None:
    """Take over what an answer or a push says."""
    for one in SubUserOnlineStatusTips.FromString(data).subscribers:
        device.sees[one.userID] = tuple(one.onlinePlatformIDs)


def goes_to_background(device: Device, *, background: bool) -> Future[bytes]:
    """Let an app go to the background, or come back; a connection made later says so by itself."""
    device.background = background
    request = SetAppBackgroundStatusReq(userID=device.user_id, isBackground=background)
    return device.ask(BACKGROUND, request.SerializeToString())


# --- the judge's


def differs(world: World, device: Device) -> str:
    """Say whom a client sees elsewhere than they are; empty if nobody."""
    if not world.settings.watchers:
        return ""
    connected = [one for one in world.devices if one.connected]
    for user_id in world.settings.users:
        there = tuple(sorted({one.platform_id for one in connected if one.user_id == user_id}))
        if device.sees.get(user_id) != there:
            return f"sees {user_id} on {device.sees.get(user_id)}, who is on {there}"
    return ""
