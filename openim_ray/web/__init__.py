"""
The chat page: its files, and what an HTTP server must say with them.

The page lies at `/`, its files below `/chat/`, and it asks for `endpoints.json` beside itself. All its addresses are
relative, so that the same files work behind a proxy with a path prefix. It loads nothing from anywhere else, and the
policy given here makes browsers see to that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode, urlsplit

_CONTENT_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}

# A host as a browser sends it: a name, an IPv4 address or an IPv6 address in brackets, then perhaps a port.
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file of the page, as it is sent."""

    content: bytes
    content_type: str


def chat_page() -> Mapping[str, Asset]:
    """All files of the chat page by the path they are served at; the page itself is `/`."""
    folder = files(__name__).joinpath("chat")
    suffixes = {entry.name: entry.name.rpartition(".")[2] for entry in folder.iterdir()}
    assets = {
        "/" if name == "index.html" else f"/chat/{name}": Asset(
            content=folder.joinpath(name).read_bytes(), content_type=_CONTENT_TYPES[suffix]
        )
        for name, suffix in suffixes.items()
        if suffix in _CONTENT_TYPES
    }
    return MappingProxyType(assets)


def page_headers(websocket_urls: Iterable[str]) -> Mapping[str, str]:
    """
    Headers for every file of the page.

    Args:
        websocket_urls: the addresses that the page may open, as in `endpoints.json`.

    Raises:
        ValueError: an address is no `ws://` or `wss://` URL.
    """
    return {
        "Content-Security-Policy": content_security_policy(websocket_urls),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }


def content_security_policy(websocket_urls: Iterable[str]) -> str:
    """
    The policy under which the page runs: own scripts and styles, own API, the given WebSocket addresses, nothing else.

    Raises:
        ValueError: an address is no `ws://` or `wss://` URL.
    """
    sources = " ".join(dict.fromkeys(_connect_source(url) for url in websocket_urls))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def endpoints_document(websocket_url: str) -> bytes:
    """
    `endpoints.json`: where the page finds the WebSocket.

    It must be served without caching. The HTTP API needs no entry: it is where the page is.
    """
    return json.dumps({"ws": websocket_url}).encode()


def websocket_url(host_header: str, port: int, *, secure: bool) -> str:
    """
    The WebSocket address on the host by which a browser reached the page, where no public URL is configured.

    Args:
        host_header: the request's `Host`, with or without port.
        port: the port of the WebSocket listener.
        secure: whether that listener speaks TLS.

    Raises:
        ValueError: the header holds no host.
    """
    host = _HOST.fullmatch(host_header)
    if host is None:
        raise ValueError(f"Host header {host_header[:80]!r} names no host")
    return f"{'wss' if secure else 'ws'}://{host['name']}:{port}"


def login_link(page_url: str, user_id: str, token: str) -> str:
    """A link that signs in. The fragment is not sent to any server, and the page removes it from the address bar."""
    return f"{page_url}#{urlencode({'userID': user_id, 'token': token})}"


def _connect_source(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not _HOST.fullmatch(parts.netloc):
        raise ValueError(f"{url!r} is no address of the form ws://host:port or wss://host:port")
    # A policy can't name an IPv6 address (CSP level 3, host-source), only a scheme.
    return f"{parts.scheme}:" if parts.netloc.startswith("[") else f"{parts.scheme}://{parts.netloc}"
