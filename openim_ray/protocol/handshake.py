"""
Opening a connection: the parameters in the URL, and the answer (OpenIM wire, §1.2-1.4).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from openim_ray.protocol.encoding import Encoding, encoding_for
from openim_ray.protocol.identifiers import Platform
from openim_ray.protocol.malformed import HandshakeError

_QUERY_CHARACTERS_MAX: Final = 16_384
_PARAMETERS_MAX: Final = 64

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """
    What a client says when it connects. Nothing in it is proved: the token must still be checked against it.
    """

    user_id: str
    token: str
    platform: Platform
    operation_id: str
    is_background: bool
    gzip: bool
    wants_answer: bool
    """The client waits for a text frame with the outcome (`isMsgResp`)."""

    sdk_type: str
    """`go` or `js`."""

    sdk_version: str

    @property
    def encoding(self) -> Encoding:
        """
        How this connection's frames are written.
        """
        return encoding_for(self.sdk_type, gzip=self.gzip)


class _Packed(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """
    The parameters as one JSON object (parameter `v`).
    """

    token: str = ""
    user_id: str = msgspec.field(default="", name="userID")
    platform_id: int = msgspec.field(default=0, name="platformID")
    operation_id: str = msgspec.field(default="", name="operationID")
    compression: str = ""
    sdk_type: str = ""
    send_response: bool = False
    background: bool = False
    sdk_version: str = ""


_PACKED: Final = msgspec.json.Decoder(_Packed)


def parse_handshake(query_string_raw: str, headers: Mapping[str, str]) -> Handshake:
    """
    Read the parameters from the part of the URL behind `?`, exactly as it stood in the request line.

    `headers` must find `compression` whatever the case of the stored name. Values are decoded as Go's
    `net/url` does: `+` is a space and `%xx` a byte. Native SDKs don't escape theirs, so a user id with `+`, `%`, `&` or
    `#` arrives as another text there and fails the check against the token (1502), at the official server as here;
    only ids of other characters work on every platform. A `;` is an ordinary character.

    Raises:
        HandshakeError: a parameter is missing or wrong.
    """
    parameters = _parse_query(query_string_raw)
    header = headers.get("compression", "")
    packed = parameters.get("v")
    return _from_packed(packed, header) if packed else _from_parameters(parameters, header)


def _from_parameters(parameters: Mapping[str, str], header: str) -> Handshake:
    return Handshake(
        user_id=_required("sendID", parameters.get("sendID", "")),
        token=_required("token", parameters.get("token", "")),
        platform=_platform(_integer("platformID", parameters.get("platformID", ""))),
        operation_id=_required("operationID", parameters.get("operationID", "")),
        is_background=_boolean("isBackground", parameters.get("isBackground", "")),
        gzip=_gzip(parameters.get("compression", ""), header),
        wants_answer=_boolean("isMsgResp", parameters.get("isMsgResp") or "false"),
        sdk_type=_sdk_type(parameters.get("sdkType", "")),
        sdk_version=parameters.get("sdkVersion", ""),
    )


def _from_packed(text: str, header: str) -> Handshake:
    packed = _unpack(text)
    return Handshake(
        user_id=_required("userID", packed.user_id),
        token=_required("token", packed.token),
        platform=_platform(packed.platform_id),
        operation_id=_required("operationID", packed.operation_id),
        is_background=packed.background,
        gzip=_gzip(packed.compression, header),
        wants_answer=packed.send_response,
        sdk_type=_sdk_type(packed.sdk_type),
        sdk_version=packed.sdk_version,
    )


def _unpack(text: str) -> _Packed:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise HandshakeError("v: not base64url without padding")
    try:
        return _PACKED.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except Base64Error:
        raise HandshakeError("v: not base64url without padding") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HandshakeError(f"v: {error}") from None


# Values


def _required(name: str, value: str) -> str:
    if not value:
        raise HandshakeError(f"{name}: missing")
    return value


def _integer(name: str, value: str) -> int:
    if not _INTEGER.fullmatch(value):
        raise HandshakeError(f"{name}: not an integer" if value else f"{name}: missing")
    return int(value)


def _boolean(name: str, value: str) -> bool:
    """
    The texts that Go's `strconv.ParseBool` takes.
    """
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise HandshakeError(f"{name}: not a boolean" if value else f"{name}: missing")


def _platform(number: int) -> Platform:
    try:
        return Platform(number)
    except ValueError:
        raise HandshakeError("platformID: not in 1..11") from None


def _gzip(parameter: str, header: str) -> bool:
    return (parameter or header) == "gzip"


def _sdk_type(value: str) -> str:
    if value not in ("", "go", "js"):
        raise HandshakeError("sdkType: neither go nor js")
    return value or "go"


# The query string


def _parse_query(raw: str) -> dict[str, str]:
    """
    Return the first value of every parameter that is known; the others aren't looked at.
    """
    if len(raw) > _QUERY_CHARACTERS_MAX or raw.count("&") >= _PARAMETERS_MAX:
        raise HandshakeError("query: too long")
    found: dict[str, str] = {}
    for pair in raw.split("&"):
        name, _, value = pair.partition("=")
        if name in _NAMES and name not in found:
            found[name] = _decode(name, value)
    return found


_NAMES: Final = frozenset(
    {
        "v",
        "sendID",
        "token",
        "platformID",
        "operationID",
        "isBackground",
        "compression",
        "isMsgResp",
        "sdkType",
        "sdkVersion",
    }
)


def _decode(name: str, value: str) -> str:
    if _BAD_ESCAPE.search(value):
        raise HandshakeError(f"{name}: bad escape")
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates; they must not get further than this.
    data = unquote_to_bytes(value.replace("+", " ").encode("utf-8", "surrogateescape"))
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HandshakeError(f"{name}: not UTF-8") from None


# Answers


class _ConnectAnswer(msgspec.Struct, frozen=True, gc=False):
    """
    Outcome of a handshake, with the keys in the order of the official server.
    """

    errCode: int
    errMsg: str
    errDlt: str


def connect_answer(code: int = 0, message: str = "", detail: str = "") -> str:
    """
    Return the JSON text of the outcome: first text frame, or body of the HTTP answer 200 (OpenIM wire, §1.4).
    """
    return msgspec.json.encode(_ConnectAnswer(code, message, detail)).decode()
