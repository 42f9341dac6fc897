from __future__ import annotations

import json
import pickle
import random
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import quote_plus

import pytest

from openim_ray.protocol.encoding import GOB, GOB_GZIP, JSON
from openim_ray.protocol.handshake import connect_answer, parse_handshake
from openim_ray.protocol.identifiers import Platform
from openim_ray.protocol.malformed import HandshakeError

PARAMETERS = {
    "sendID": "ann",
    "token": "a.b-c_d",
    "platformID": "2",
    "operationID": "op",
    "isBackground": "false",
}
PACKED = {"userID": "ann", "token": "a.b-c_d", "platformID": 2, "operationID": "op"}


def query(**changes: str | None) -> str:
    """Return a query string as a native SDK writes it: unescaped."""
    return "&".join(f"{name}={value}" for name, value in {**PARAMETERS, **changes}.items() if value is not None)


def packed(**changes: Any) -> str:
    """Return the packed form of the parameters."""
    text = json.dumps({**PACKED, **changes})
    return "v=" + urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_native_client_is_understood() -> None:
    """Absent optional parameters mean: gob, no gzip, no answer."""
    handshake = parse_handshake(query(sdkVersion="v3.8.3"), {})

    assert (handshake.user_id, handshake.token, handshake.operation_id) == ("ann", "a.b-c_d", "op")
    assert handshake.platform is Platform.ANDROID
    assert (handshake.sdk_type, handshake.sdk_version, handshake.encoding) == ("go", "v3.8.3", GOB)
    assert not handshake.is_background
    assert not handshake.wants_answer


def test_the_packed_form_is_understood() -> None:
    """Base64url JSON replaces all other parameters."""
    raw = "sendID=other&platformID=x&" + packed(
        compression="gzip", sendResponse=True, background=True, sdkVersion="9", sdkType="go", new=1
    )

    handshake = parse_handshake(raw, {})

    assert (handshake.user_id, handshake.token, handshake.operation_id) == ("ann", "a.b-c_d", "op")
    assert handshake.platform is Platform.ANDROID
    assert handshake.encoding is GOB_GZIP
    assert handshake.wants_answer
    assert handshake.is_background
    assert handshake.sdk_version == "9"


def test_optional_keys_of_the_packed_form_may_be_missing() -> None:
    """Their zero values hold, as in the plain form."""
    handshake = parse_handshake(packed(), {})

    assert (handshake.encoding, handshake.is_background, handshake.wants_answer) == (GOB, False, False)


@pytest.mark.parametrize(
    ("parameter", "header", "gzip"),
    [("gzip", "", True), (None, "gzip", True), ("", "gzip", True), (None, "", False), ("br", "gzip", False)],
)
def test_compression_may_be_asked_for_in_a_header(parameter: str | None, header: str, gzip: bool) -> None:
    """The header counts where the query says nothing."""
    headers = {"compression": header} if header else {}

    assert parse_handshake(query(compression=parameter), headers).gzip is gzip


def test_javascript_speaks_json() -> None:
    """`sdkType` chooses the encoding."""
    assert parse_handshake(query(sdkType="js", isMsgResp="true"), {}).encoding is JSON


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_true_is_what_go_takes_for_it(text: str) -> None:
    """All texts of Go's ParseBool are read."""
    assert parse_handshake(query(isBackground=text), {}).is_background


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_false_is_what_go_takes_for_it(text: str) -> None:
    """All texts of Go's ParseBool are read."""
    assert not parse_handshake(query(isBackground=text), {}).is_background


@pytest.mark.parametrize("platform", list(Platform))
def test_every_platform_may_connect(platform: Platform) -> None:
    """The platforms are 1 to 11."""
    assert platform is parse_handshake(query(platformID=str(int(platform))), {}).platform


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sendID": None}, "sendID: missing"),
        ({"sendID": ""}, "sendID: missing"),
        ({"token": None}, "token: missing"),
        ({"operationID": ""}, "operationID: missing"),
        ({"platformID": None}, "platformID: missing"),
        ({"platformID": "0"}, "platformID: not in 1..11"),
        ({"platformID": "12"}, "platformID: not in 1..11"),
        ({"platformID": "-5"}, "platformID: not in 1..11"),
        ({"platformID": "1.0"}, "platformID: not an integer"),
        ({"platformID": "1_0"}, "platformID: not an integer"),
        ({"platformID": "٥"}, "platformID: not an integer"),
        ({"platformID": "9" * 5000}, "platformID: not an integer"),
        ({"isBackground": None}, "isBackground: missing"),
        ({"isBackground": ""}, "isBackground: missing"),
        ({"isBackground": "yes"}, "isBackground: not a boolean"),
        ({"isBackground": "tRUE"}, "isBackground: not a boolean"),
        ({"isMsgResp": "2"}, "isMsgResp: not a boolean"),
        ({"sdkType": "rust"}, "sdkType: neither go nor js"),
        ({"sendID": "50%"}, "sendID: bad escape"),
        ({"token": "%zz"}, "token: bad escape"),
        ({"sendID": "%ff"}, "sendID: not UTF-8"),
        ({"sendID": "\udcff"}, "sendID: not UTF-8"),
        ({"sendID": "%ed%a0%80"}, "sendID: not UTF-8"),
        ({"v": "e30="}, "v: not base64url"),
        ({"v": "a/b"}, "v: not base64url"),
        ({"v": "a"}, "v: not base64url"),
        ({"v": "bnVsbA"}, "v: "),
        ({"v": "e30"}, "userID: missing"),
        ({"sdkVersion": "x" * 20_000}, "query: too long"),
    ],
    ids=str,
)
def test_faults_name_their_parameter(changes: dict[str, str | None], fault: str) -> None:
    """Every fault is error 1602 and says which parameter is wrong."""
    with pytest.raises(HandshakeError) as raised:
        parse_handshake(query(**changes), {})

    assert raised.value.detail.startswith(fault)
    assert raised.value.code == 1602


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"userID": ""}, "userID: missing"),
        ({"token": ""}, "token: missing"),
        ({"operationID": ""}, "operationID: missing"),
        ({"platformID": 0}, "platformID: not in 1..11"),
        ({"platformID": "2"}, "v: "),
        ({"background": "false"}, "v: "),
        ({"userID": None}, "v: "),
        ({"sdkType": "rust"}, "sdkType: neither"),
    ],
    ids=str,
)
def test_faults_of_the_packed_form_name_their_parameter(changes: dict[str, Any], fault: str) -> None:
    """The packed form is checked like the plain one."""
    with pytest.raises(HandshakeError) as raised:
        parse_handshake(packed(**changes), {})

    assert raised.value.detail.startswith(fault)


def test_too_many_parameters_are_refused() -> None:
    """The number of parameters is bounded."""
    with pytest.raises(HandshakeError, match="query: too long"):
        parse_handshake("&".join(["a=b"] * 100), {})


def test_the_first_of_repeated_parameters_counts() -> None:
    """As in Go, later values of a name are not looked at."""
    assert parse_handshake(query() + "&sendID=other&token=%zz", {}).user_id == "ann"


def test_unknown_parameters_are_not_looked_at() -> None:
    """Even a broken one doesn't matter."""
    assert parse_handshake("other=%zz&flag&&" + query(), {}).user_id == "ann"


@pytest.mark.parametrize("user_id", ["a b", "a+b", "50%", "a&b=c", "ü/名😀", "a;b", "#"])
def test_escaped_values_are_exact(user_id: str) -> None:
    """Browsers escape, so any user id arrives as it is."""
    assert user_id == parse_handshake(query(sendID=quote_plus(user_id)), {}).user_id


@pytest.mark.parametrize(
    ("sent", "seen"), [("a+b", "a b"), ("a%2Bb", "a+b"), ("a;b", "a;b"), ("a=b", "a=b"), ("名", "名"), ("a&b", "a")]
)
def test_unescaped_values_are_read_as_go_reads_them(sent: str, seen: str) -> None:
    """A native client's `+` is a space, so such a user id fails the later check against its token."""
    assert seen == parse_handshake(query(sendID=sent), {}).user_id


def test_random_queries_are_read_or_refused() -> None:
    """Nothing but HandshakeError is raised."""
    dice = random.Random(11)
    outcomes = {"read": 0, "refused": 0}
    base = query(isMsgResp="true", sdkType="js", v=None) + "&" + packed()

    for _ in range(2000):
        raw = list(base if dice.random() < 0.5 else query())
        for _ in range(dice.randint(1, 5)):
            raw[dice.randrange(len(raw))] = dice.choice("&=%+;vé\udc80\0 aZ09_-")
        try:
            seen = parse_handshake("".join(raw), {})
        except HandshakeError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            assert seen.user_id.encode()
            assert seen.token.encode()

    assert min(outcomes.values()) > 200


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), '{"errCode":0,"errMsg":"","errDlt":""}'),
        (
            (1502, "TokenInvalidError", 'says "no"'),
            '{"errCode":1502,"errMsg":"TokenInvalidError","errDlt":"says \\"no\\""}',
        ),
    ],
)
def test_the_answer_is_that_of_the_official_server(arguments: tuple[Any, ...], text: str) -> None:
    """Keys and their order are as recorded."""
    assert text == connect_answer(*arguments)


def test_errors_survive_pickling() -> None:
    """Errors cross process boundaries."""
    error = pickle.loads(pickle.dumps(HandshakeError("token: missing")))

    assert isinstance(error, HandshakeError)
    assert error.detail == "token: missing"
