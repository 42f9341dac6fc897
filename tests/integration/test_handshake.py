"""Answers to a handshake: OpenIM wire, §1.2 to §1.5 with Appendix D."""

from __future__ import annotations

import base64
import json
import time

import pytest

from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqReq, GetMaxSeqResp
from openim_ray.services.tokens import Claims, TokenSigner
from tests.integration.connection import JS, KINDS, NATIVE, WASM, Account, Kind, connect, target
from tests.integration.people import People
from tests.integration.websocket import BINARY, TEXT, HttpAnswer

OK = '{"errCode":0,"errMsg":"","errDlt":""}'


async def refusal(people: People, path: str, headers: dict[str, str] | None = None) -> dict[str, object]:
    """Return the envelope of a handshake that is refused by plain HTTP; the connection must end with it."""
    socket = await people.socket()
    with pytest.raises(HttpAnswer) as refused:
        await socket.upgrade(path, headers)
    assert refused.value.status == 200
    assert refused.value.headers["content-type"].startswith("application/json")
    await socket.gone()
    return dict(json.loads(refused.value.body))


async def text_refusal(people: People, path: str) -> dict[str, object]:
    """Return the envelope of a handshake that is refused by a text frame; no close frame may follow."""
    socket = await people.socket()
    await socket.upgrade(path)
    frame = await socket.receive()
    assert frame.opcode == TEXT
    assert await socket.ended() is None
    return dict(json.loads(frame.payload))


def packed(account: Account, **changes: object) -> str:
    """Return the other form of the parameters: one JSON object."""
    values = {
        "token": account.token,
        "userID": account.user_id,
        "platformID": account.platform,
        "operationID": "op",
        "compression": "gzip",
        "sdkType": "",
        "sendResponse": False,
        "background": False,
        "sdkVersion": "v3.8.3",
    }
    text = json.dumps({**values, **changes}).encode()
    return "/?v=" + base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_every_kind_of_client_connects_and_is_answered(people: People, kind: Kind) -> None:
    """Only a client that asked for it hears the outcome; then its first request is answered in its own encoding."""
    client = await people.connect("alice", kind, silent=True)
    await client.ask(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq(userID=client.user_id), GetMaxSeqResp)
    texts = [one for one in client.received if isinstance(one, str)]
    assert texts == ([OK] if "isMsgResp" in kind.parameters else [])
    assert isinstance(client.received[-1], Response)
    assert client.received.index(client.received[-1]) == len(texts)


async def test_the_packed_form_of_the_parameters_counts_alone(people: People) -> None:
    """With `v` all other parameters are ignored, wrong ones included."""
    account = await people.account("alice")
    socket = await people.socket()
    await socket.upgrade(packed(account, sendResponse=True) + "&sendID=nobody&isBackground=perhaps&sdkType=php")
    frame = await socket.receive()
    assert (frame.opcode, frame.payload.decode()) == (TEXT, OK)


async def test_the_handler_answers_on_every_path(people: People) -> None:
    """SDKs use the path of the configured address, whatever it is."""
    account = await people.account("alice")
    socket = await people.socket()
    await socket.upgrade("/im/v3/ws" + target(account, NATIVE)[1:])


@pytest.mark.parametrize(
    "changes",
    [
        {"sendID": None},
        {"sendID": ""},
        {"token": None},
        {"platformID": None},
        {"platformID": "web"},
        {"platformID": "0"},
        {"platformID": "12"},
        {"operationID": None},
        {"isBackground": None},
        {"isBackground": ""},
        {"isBackground": "perhaps"},
        {"isMsgResp": "perhaps"},
        {"sdkType": "php"},
        {"sendID": "\ud800"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [NATIVE, WASM], ids=lambda kind: kind.name)
async def test_wrong_arguments_are_answered_by_plain_http(
    people: People, kind: Kind, changes: dict[str, str | None]
) -> None:
    """At that point the server doesn't know yet whether the client waits for a text frame."""
    account = Account("alice", "token", kind.platform)
    path = target(account, kind, **{name: value for name, value in changes.items() if value != "\ud800"})
    if "\ud800" in changes.values():
        path = path.replace("sendID=alice", "sendID=%ff%fe")
    assert (await refusal(people, path))["errCode"] == 1602


@pytest.mark.parametrize("value", ["!", "e30", base64.b64encode(b'{"token":1}').decode().rstrip("="), "bm8ganNvbg"])
async def test_a_wrong_packed_form_is_answered_by_plain_http(people: People, value: str) -> None:
    """No base64, nothing in it, a value of the wrong type, no JSON."""
    assert (await refusal(people, f"/?v={value}"))["errCode"] == 1602


TOKEN_FAULTS = [
    ("expired", 1501),
    ("of another user", 1502),
    ("of another platform", 1502),
    ("garbage", 1503),
    ("not valid yet", 1504),
    ("of another server", 1505),
    ("kicked", 1506),
    ("never issued", 1507),
]


async def wrong_token(people: People, account: Account, fault: str) -> str:
    """Return a token that is wrong in this way for this account."""
    now = int(time.time())
    claims = Claims(account.user_id, account.platform, now + 3600)
    signer = TokenSigner(people.server.admin_secret)
    if fault == "of another user":
        return (await people.account("bob")).token
    if fault == "of another platform":
        return (await people.login(account.user_id, JS if account.platform != JS.platform else NATIVE)).token
    if fault == "kicked":
        await people.login(account.user_id, WASM if account.platform == WASM.platform else NATIVE)
        return account.token
    return {
        "expired": signer.sign(claims._replace(expires_at=now - 60), now - 3600),
        "garbage": "garbage",
        "not valid yet": signer.sign(claims, now + 3600),
        "of another server": TokenSigner("another secret").sign(claims, now),
        "never issued": signer.sign(claims, now),
    }[fault]


@pytest.mark.parametrize(("fault", "code"), TOKEN_FAULTS, ids=[fault for fault, _ in TOKEN_FAULTS])
async def test_a_wrong_token_is_told_in_the_way_the_client_listens(people: People, fault: str, code: int) -> None:
    """Plain HTTP 200 with the envelope; or an upgrade, the envelope as a text frame, and a connection cut without a close frame."""
    for kind, answer in ((NATIVE, refusal), (WASM, text_refusal)):
        account = await people.account("alice", kind)
        token = await wrong_token(people, account, fault)
        envelope = await answer(people, target(account._replace(token=token), kind))
        assert envelope["errCode"] == code
        assert envelope["errMsg"]
        assert set(envelope) == {"errCode", "errMsg", "errDlt"}


async def test_a_wrong_token_in_the_packed_form(people: People) -> None:
    """Both forms of the parameters lead to the same answers."""
    account = Account("alice", "garbage", NATIVE.platform)
    assert (await refusal(people, packed(account)))["errCode"] == 1503
    assert (await text_refusal(people, packed(account, sendResponse=True)))["errCode"] == 1503


async def test_compression_may_be_asked_for_by_a_header(people: People) -> None:
    """Clients that can set headers say it there."""
    account = await people.account("alice")
    socket = await people.socket()
    await socket.upgrade(target(account, NATIVE, compression=None, isMsgResp="true"), {"Compression": "gzip"})
    assert (await socket.receive()).payload.decode() == OK
    socket.send(BINARY, NATIVE.encoding.encode_request(Request(1001, "", account.user_id, "op", "1", b"")))
    answer = NATIVE.encoding.decode_response((await socket.receive()).payload)
    assert (answer.req_identifier, answer.msg_incr, answer.operation_id, answer.err_code) == (1001, "1", "op", 0)


async def test_a_request_that_is_no_handshake_is_refused(people: People) -> None:
    """A browser that opens the address gets an answer and not a hanging connection."""
    account = await people.account("alice")
    socket = await people.socket()
    socket.write(f"GET {target(account, NATIVE)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await socket.gone()


async def test_a_user_with_two_platforms_is_connected_twice(people: People) -> None:
    """Policy 1 ends connections of the same platform only."""
    phone = await people.connect("alice")
    page = await people.connect(await people.login(phone.user_id, JS), JS)
    for client in (phone, page):
        await client.ask(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq(userID=client.user_id), GetMaxSeqResp)


async def test_a_connection_of_the_same_token_is_no_rival(people: People) -> None:
    """A client that lost its connection connects again with its token, perhaps before the server knows of the loss."""
    first = await people.connect("alice")
    second = await connect(people.server.ws_port, first.account)
    for client in (first, second):
        await client.ask(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq(userID=client.user_id), GetMaxSeqResp)
    await second.close()
