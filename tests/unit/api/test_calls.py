"""The way of a call: headers, token, body, authority, answer."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from openim_ray.api.bodies import read_body
from openim_ray.config import ApiSection
from openim_ray.domain import errors
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATH = "/user/get_users_info"


@pytest.fixture
async def api() -> AsyncIterator[ApiClient]:
    """Serve alice, bob and forty others."""
    world = MemoryWorld()
    world.add_users("alice", "bob", *(f"user{number}" for number in range(40)))
    async with api_client(world) as client:
        yield client


async def test_an_answer_is_an_envelope(api: ApiClient) -> None:
    """Code, name, detail, then data; without data where the message has no fields."""
    token = await api.admin_token()
    answer = await api.call("/user/account_check", {"checkUserIDs": ["alice"]}, token)
    assert list(answer.envelope) == ["errCode", "errMsg", "errDlt", "data"]
    assert answer.http.headers["Content-Type"] == "application/json; charset=utf-8"
    answer = await api.call("/auth/force_logout", {"userID": "alice", "platformID": 5}, token)
    assert answer.envelope == {"errCode": 0, "errMsg": "", "errDlt": ""}


async def test_headers_are_needed(api: ApiClient) -> None:
    """1001 in the official server's words, with status 200, for a missing operationID or token."""
    for headers, detail in [
        ({"token": "x"}, "header must have operationID"),
        ({"operationID": "x"}, "header must have token"),
        ({"operationID": "x", "token": ""}, "header must have token"),
    ]:
        response = await api.http.post(PATH, json={}, headers=headers)
        assert response.status == 200
        assert await response.json() == {"errCode": 1001, "errMsg": "ArgsError", "errDlt": detail}


@pytest.mark.parametrize("operation_id", ["\udcff", "a\u2028b", "x" * 257])
async def test_an_operation_id_can_be_sent_on(api: ApiClient, operation_id: str) -> None:
    """What isn't text in UTF-8, or is too long, is refused before it gets anywhere."""
    token = await api.user_token("alice")
    answer = await _raw_call(api, operation_id.encode("utf-8", "surrogateescape"), token)
    assert b'"errCode":1001' in answer
    assert b"operationID must be" in answer
    assert b'"errCode":0' in await _raw_call(api, "ö-1 x".encode(), token)


async def _raw_call(api: ApiClient, operation_id: bytes, token: str) -> bytes:
    """Call with a header that no HTTP client would write; returns the whole answer."""
    reader, writer = await asyncio.open_connection(api.http.host, api.http.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\ntoken: {token}\r\n"
    writer.write(head.encode() + b"operationID: " + operation_id + b"\r\n\r\n{}")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_bad_token_has_its_code(api: ApiClient) -> None:
    """1503 for garbage, 1506 for a token that a newer login ended."""
    assert (await api.call(PATH, {}, "garbage")).code == 1503
    older = await api.user_token("alice")
    await api.user_token("alice")
    assert (await api.call(PATH, {}, older)).code == 1506


async def test_a_token_store_that_fails_logs_nobody_out(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call fails as temporary, with none of the codes on which clients log out."""
    token = await api.user_token("alice")

    async def fail(*_: object) -> int:
        raise errors.Unavailable("database is locked")

    monkeypatch.setattr(api.world.state, "token_state", fail)
    assert (await api.call(PATH, {}, token)).code == 90002


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "body is not JSON"),
        (b"[1]", "not an object"),
        (b'{"userIDs": 5}', "getDesignateUsersReq.userIDs: not a list"),
        (b'{"userIDs": [5]}', "getDesignateUsersReq.userIDs[0]: not a string"),
        (b'{"userIDs": ["\\ud800"]}', ""),
        (b"\xff\xfe", "body is not JSON"),
        (b"[" * 100_000, "body is not JSON"),
    ],
)
async def test_a_bad_body_is_named(api: ApiClient, body: bytes, detail: str) -> None:
    """1001 says which field is wrong and never repeats what stands there."""
    answer = await api.call(PATH, None, await api.user_token("alice"), data=body)
    assert answer.code == 1001
    assert detail in answer.envelope["errDlt"]


async def test_an_empty_body_is_an_empty_message(api: ApiClient) -> None:
    """Some callers send nothing where there is nothing to say."""
    answer = await api.call("/msg/get_server_time", None, await api.user_token("alice"), data=b"")
    assert answer.data == {"serverTime": api.world.clock.now_ms}


async def test_a_body_over_the_limit_is_refused_and_the_connection_closed() -> None:
    """1001 naming the limit, with or without a length beforehand; a body at the limit is read."""
    async with api_client(api=ApiSection(body_bytes_max=2048)) as api:
        api.world.add_users("alice")
        token = await api.user_token("alice")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b" " * 1024

        for data in (b" " * 2049, chunks()):
            answer = await api.call(PATH, None, token, data=data)
            assert answer.envelope["errDlt"] == "body is larger than 2048 bytes"
            assert answer.http.headers["Connection"] == "close"
        assert (await api.call(PATH, None, token, data=b"{}" + b" " * 2046)).code == 0


async def test_strangers_send_small_bodies(api: ApiClient) -> None:
    """Without a token only what a login needs is read; with a length a larger body isn't even begun."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * 1024

    for data in (b" " * (65 << 10), chunks()):
        answer = await api.call("/auth/parse_token", None, data=data)
        assert answer.envelope["errDlt"] == "body is larger than 65536 bytes"


async def test_bodies_that_dawdle_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones take no place while they arrive; large ones do, and one too many is refused."""
    reading, release = asyncio.Event(), asyncio.Event()

    async def read(request: Any, bytes_max: int) -> bytes:
        reading.set()
        return await read_body(request, bytes_max)

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"{"
        await release.wait()
        yield b"}"

    monkeypatch.setattr("openim_ray.api.calls.read_body", read)
    async with api_client(api=ApiSection(requests_in_flight_max=1)) as api:
        token = await api.admin_token()
        for headers, code_meanwhile in [({"Content-Length": "2"}, 0), ({}, 90004)]:
            reading.clear()
            release.clear()
            slow = asyncio.create_task(api.call(PATH, None, token, data=slow_body(), headers=headers))
            await reading.wait()
            assert (await api.call(PATH, {}, token)).code == code_meanwhile
            release.set()
            assert (await slow).code == 0


async def test_a_client_that_goes_amid_its_body_is_no_bug(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers do so when a page is closed: nothing is logged as an error, and the call counts as a broken request."""
    reading = asyncio.Event()

    async def read(request: Any, bytes_max: int) -> bytes:
        reading.set()
        return await read_body(request, bytes_max)

    async def endless_body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr("openim_ray.api.calls.read_body", read)
    call = asyncio.create_task(api.call(PATH, None, await api.user_token("alice"), data=endless_body()))
    reading.clear()
    with capture_logs() as logs:
        await reading.wait()
        call.cancel()
        async with asyncio.timeout(5):
            while not api.number("openim_api_calls_total", path=PATH, code="1001"):  # noqa: ASYNC110 - a metric wakes nobody
                await asyncio.sleep(0.01)
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert api.number("openim_api_internal_errors_total") == 0


async def test_a_compressed_body_is_not_unpacked(api: ApiClient) -> None:
    """No client sends one, so nothing that could blow up is looked into."""
    data = gzip.compress(b'{"userIDs": []}')
    token = await api.user_token("alice")
    answer = await api.call(PATH, None, token, data=data, headers={"Content-Encoding": "gzip"})
    assert answer.code == 1001


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("br;q=1.0, GZIP;q=0.8", True), ("*", True), ("identity", False), ("gzip;q=0", False)],
)
async def test_long_answers_are_compressed_on_request(api: ApiClient, accepted: str, compressed: bool) -> None:
    """From a kilobyte on, if the client takes gzip."""
    token = await api.user_token("alice")
    body = {"userIDs": [f"user{number}" for number in range(40)]}
    answer = await api.call(PATH, body, token, headers={"Accept-Encoding": accepted})
    assert ("Content-Encoding" in answer.http.headers) is compressed
    assert len(answer.data["usersInfo"]) == 40
    answer = await api.call(PATH, {"userIDs": ["bob"]}, token, headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.http.headers


async def test_browsers_of_any_origin_may_call(api: ApiClient) -> None:
    """The preflight is answered on every path, and every answer allows its origin."""
    response = await api.http.options("/any/path", headers={"Origin": "https://app.example"})
    assert response.status == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Allow-Headers"] == "*"
    answer = await api.call(PATH, {}, await api.user_token("alice"))
    assert answer.http.headers["Access-Control-Allow-Origin"] == "*"


async def test_unknown_routes_are_not_found(api: ApiClient) -> None:
    """404 and nothing else: the PyPI client tries paths until one exists. A known path by GET is none."""
    for method, path in [("POST", "/no/such/route"), ("GET", PATH), ("POST", PATH + "/"), ("PUT", PATH)]:
        response = await api.http.request(method, path, headers={"operationID": "x"})
        assert response.status == 404
    assert api.number("openim_api_unknown_paths_total") == 4


async def test_a_route_that_is_not_built_says_so(api: ApiClient) -> None:
    """1099 naming the path, but only to who has a token."""
    answer = await api.call("/msg/revoke_msg", {"seq": "x"}, await api.user_token("alice"))
    assert answer.envelope["errCode"] == 1099
    assert answer.envelope["errDlt"] == "not implemented: /msg/revoke_msg"
    assert (await api.call("/msg/revoke_msg")).code == 1001


async def test_a_bug_is_answered_logged_and_counted(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 tells nothing; the log names operation and place, and neither the error's text nor any content."""

    async def fail(*_: object) -> None:
        raise RuntimeError("the secret content")

    monkeypatch.setattr(api.world.directory, "users", fail)
    token = await api.admin_token()
    with capture_logs() as logs:
        answer = await api.call(PATH, {"userIDs": ["alice"]}, token)
    assert answer.envelope == {"errCode": 500, "errMsg": "ServerInternalError", "errDlt": "see the server's log"}
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["operation_id"], line["error"], line["path"]) == ("operation", "RuntimeError", PATH)
    assert "the secret content" not in str(line)
    assert api.number("openim_api_internal_errors_total") == 1


async def test_a_bug_in_another_actor_is_logged_and_counted_too(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an inbox or a store answers with 500 is this server's fault as well."""

    async def fail(*_: object) -> None:
        raise errors.OpenIMError("internal error")

    monkeypatch.setattr(api.world.directory, "users", fail)
    token = await api.admin_token()
    with capture_logs() as logs:
        assert (await api.call(PATH, {"userIDs": ["alice"]}, token)).code == 500
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["call failed"]
    assert api.number("openim_api_internal_errors_total") == 1


async def test_outcomes_are_counted(api: ApiClient) -> None:
    """By path and code; paths that don't exist make no series of their own."""
    token = await api.user_token("alice")
    await api.call(PATH, {}, token)
    await api.call(PATH, {}, "garbage")
    assert api.number("openim_api_calls_total", path=PATH, code="0") == 1
    assert api.number("openim_api_calls_total", path=PATH, code="1503") == 1
    assert api.number("openim_api_call_seconds_count", path=PATH) == 2
    assert api.number("openim_api_calls_under_way") == 0


async def test_a_call_that_takes_too_long_fails_as_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is the configured one; the connection is not used again."""
    async with api_client(api=ApiSection(request_seconds=0.5)) as api:
        api.world.add_users("alice")
        token = await api.user_token("alice")

        async def hang(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(api.world.directory, "users", hang)
        answer = await api.call(PATH, {"userIDs": ["alice"]}, token)
        assert answer.code == 90002
        assert "0.5 seconds" in answer.envelope["errDlt"]
        assert api.number("openim_api_calls_under_way") == 0


async def test_too_many_calls_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than allowed hears at once that it should try again; then there is room again."""
    async with api_client(api=ApiSection(requests_in_flight_max=1)) as api:
        api.world.add_users("alice")
        token = await api.user_token("alice")
        entered, leave = asyncio.Event(), asyncio.Event()
        users = api.world.directory.users

        async def wait(user_ids: Any) -> Any:
            entered.set()
            await leave.wait()
            return await users(user_ids)

        monkeypatch.setattr(api.world.directory, "users", wait)
        first = asyncio.create_task(api.call(PATH, {"userIDs": ["alice"]}, token))
        await entered.wait()
        assert (await api.call(PATH, {}, token)).code == 90004
        leave.set()
        assert (await first).code == 0
        assert (await api.call(PATH, {}, token)).code == 0
