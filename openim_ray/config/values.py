"""Kinds of values: secrets, rules that a value has to keep, and how a value may be shown."""

from __future__ import annotations

import hmac
import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN = "(hidden)"
SHOWN_CHARACTERS_MAX = 80
SECRET_CHARACTERS_MIN = 8

EMBEDDED_STORE = ("", "sqlite")
MONGODB_SCHEMES = ("mongodb", "mongodb+srv")
POSTGRESQL_SCHEMES = ("postgresql", "postgres")
REDIS_SCHEMES = ("redis", "rediss")

# Greedy up to the last @, so that a password with a raw @, / or space is hidden as a whole.
_PASSWORD_IN_URL = re.compile(r"(://[^:@]*):.*@", re.DOTALL)
# Options of drivers whose values are secrets, such as tlsCertificateKeyFilePassword and authMechanismProperties.
_SECRET_IN_QUERY = re.compile(
    r"([?&;][^=&;]*(?:password|passwd|token|secret|mechanismproperties)[^=&;]*)=[^&;]*", re.IGNORECASE
)


class ConfigError(ValueError):
    """A setting, its name or its file is not acceptable; the message is one line for the operator."""


class Secret:
    """A text that no log, traceback or listing shows; `reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


class Rule(NamedTuple):
    """What a text or list has to be, beyond its type."""

    allowed: str
    holds: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value


def show(value: object) -> str:
    """Return a value as it may stand in a listing or an error: secrets hidden, long texts cut."""
    if isinstance(value, Secret):
        return HIDDEN if value else "(not set)"
    if isinstance(value, (list, tuple)):
        return ", ".join(show(item) for item in value) or "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    text = hide_password(str(value))
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"


def hide_password(url: str) -> str:
    """Return the URL with the password of its user, and those in its query, replaced."""
    return _SECRET_IN_QUERY.sub(r"\1=***", _PASSWORD_IN_URL.sub(r"\1:***@", url))


def absolute_path(value: str) -> str:
    """Return the path from the root, as actors may run in another directory; empty stays empty."""
    return str(Path(value).expanduser().absolute()) if value else ""


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value == "localhost"
    return True


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def _is_url(value: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        return False


def _is_store_url(value: str, *schemes: str) -> bool:
    """Tell whether a text is the URL of a database server: several hosts and a query are allowed, its driver judges the rest."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2]
    return parts.scheme in schemes and (hosts != "" or "host=" in parts.query) and not re.search(r"\s", value)


def _is_postgresql(value: str) -> bool:
    if not _is_store_url(value, *POSTGRESQL_SCHEMES):
        return False
    parts = urlsplit(value)
    return len(parts.path) > 1 and not parts.fragment


def _is_secret(value: Secret) -> bool:
    return not value or len(value.reveal()) >= SECRET_CHARACTERS_MIN


FOLDER = Rule("a path", lambda value: value != "" and "\0" not in value, absolute_path)
FILE = Rule("a path, or empty", lambda value: "\0" not in value, absolute_path)
ADDRESSES = Rule(
    "one or more IP addresses or localhost, such as 127.0.0.1, ::1",
    lambda value: value != () and all(map(_is_address, value)),
)
NETWORKS = Rule("IP addresses or networks, such as 10.0.0.0/8, ::1", lambda value: all(map(_is_network, value)))
WEBSOCKET_URL = Rule(
    "empty, or a URL such as wss://chat.example.org/im/ws",
    lambda value: value == "" or _is_url(value, "ws", "wss"),
)
HTTP_URL = Rule(
    "empty, or a URL such as https://chat.example.org/im/api",
    lambda value: value == "" or _is_url(value, "http", "https"),
)
MESSAGES_STORE = Rule(
    "empty or sqlite, the embedded database, or a URL such as mongodb://user:password@host:27017/openim",
    lambda value: value in EMBEDDED_STORE or _is_store_url(value, *MONGODB_SCHEMES),
)
TOKENS_STORE = Rule(
    "empty or sqlite, for none, or a URL such as redis://user:password@host:6379/0",
    lambda value: value in EMBEDDED_STORE or _is_store_url(value, *REDIS_SCHEMES),
)
HISTORY_STORE = DIRECTORY_STORE = Rule(
    "empty or sqlite, the embedded database, or a URL such as postgresql://user@host/database",
    lambda value: value in EMBEDDED_STORE or _is_postgresql(value),
)
RAY_ADDRESS = Rule(
    "empty (a Ray of its own on this machine), or HOST:PORT of a Ray head",
    lambda value: value == "" or re.fullmatch(r"[^\s/@]+:\d{1,5}", value) is not None,
)
NAMESPACE = Rule(
    "1 to 64 letters, digits, - or _",
    lambda value: re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value) is not None,
)
USER_IDS = Rule("user ids without spaces", lambda value: all(item and not re.search(r"\s", item) for item in value))
ADMIN_IDS = Rule("one or more user ids without spaces", lambda value: value != () and USER_IDS.holds(value))
SECRET = Rule(f"empty, or at least {SECRET_CHARACTERS_MIN} characters", _is_secret)
