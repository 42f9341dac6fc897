"""What the chat page is made of, and the headers that go with it."""

from __future__ import annotations

import json
import re

import pytest

from openim_ray import web

PAGE = web.chat_page()
SCRIPTS = sorted(path for path in PAGE if path.endswith(".js"))


def text_of(path: str) -> str:
    """Return a file of the page as text."""
    return PAGE[path].content.decode()


def test_every_file_that_the_page_names_is_served() -> None:
    """A script, style or import that is missing would leave a blank page."""
    named = {f"/{path}" for path in re.findall(r'(?:src|href)="(chat/[^"]+)"', text_of("/"))}
    imported = {f"/chat/{name}" for path in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', text_of(path))}
    assert "/chat/main.js" in named
    assert named | imported | {"/"} == set(PAGE)


def test_files_carry_the_types_that_browsers_insist_on() -> None:
    """With `nosniff` a module of another type isn't run."""
    assert PAGE["/"].content_type == "text/html; charset=utf-8"
    assert PAGE["/chat/chat.css"].content_type == "text/css; charset=utf-8"
    assert {PAGE[path].content_type for path in SCRIPTS} == {"text/javascript; charset=utf-8"}


def test_no_file_names_another_host() -> None:
    """The only addresses are the name space of SVG, which is never loaded, and the example in the head comment."""
    addresses = {address for path in PAGE for address in re.findall(r"(?:https?:)?//[\w-]+\.\w[\w./-]*", text_of(path))}
    assert addresses == {"http://www.w3.org/2000/svg", "//127.0.0.1"}


def test_all_addresses_in_the_page_are_relative() -> None:
    """An absolute path would miss the server behind a proxy with a path prefix."""
    assert not re.findall(r'(?:src|href)="/', text_of("/"))
    assert not [path for path in SCRIPTS if re.search(r"""(?:post|fetchJSON|#http)\(["'`]/""", text_of(path))]


@pytest.mark.parametrize("path", SCRIPTS)
def test_no_script_makes_html_or_code_from_strings(path: str) -> None:
    """What other people write must never become markup."""
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text_of(path))


def test_the_page_has_no_inline_script_or_style() -> None:
    """The policy would refuse them."""
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text_of("/"))


def test_the_policy_allows_nothing_but_the_page_and_its_websocket() -> None:
    """Each directive is as narrow as the page can bear."""
    policy = web.content_security_policy(["ws://127.0.0.1:10001", "wss://chat.example/im/ws"])
    directives = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self' ws://127.0.0.1:10001 wss://chat.example",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_policy_in_the_page_s_head_comment_is_the_one_that_is_sent() -> None:
    """Whoever serves the files by other means copies it from there."""
    comment = text_of("/").partition("<!--")[2].partition("-->")[0]
    stated = " ".join(comment.partition("Content-Security-Policy: ")[2].split())
    assert stated == web.content_security_policy(["ws://127.0.0.1:10001"])


def test_an_ipv6_address_is_allowed_by_its_scheme() -> None:
    """The grammar of policies has no IPv6 addresses; a browser would ignore the source."""
    assert "connect-src 'self' wss:;" in web.content_security_policy(["wss://[::1]:10001"])


@pytest.mark.parametrize("url", ["http://127.0.0.1", "ws://", "ws://a b", "ws://host; script-src *", "//host"])
def test_an_address_that_is_no_websocket_is_refused(url: str) -> None:
    """Nothing but an origin may get into the header."""
    with pytest.raises(ValueError, match="no address of the form"):
        web.content_security_policy([url])


@pytest.mark.parametrize(
    ("host", "secure", "expected"),
    [
        ("127.0.0.1:10002", False, "ws://127.0.0.1:10001"),
        ("chat.example", True, "wss://chat.example:10001"),
        ("[::1]:10002", False, "ws://[::1]:10001"),
        ("localhost:10002", False, "ws://localhost:10001"),
    ],
)
def test_the_websocket_is_on_the_host_that_the_browser_used(host: str, secure: bool, expected: str) -> None:
    """So the page works under every name of the machine."""
    assert web.websocket_url(host, 10001, secure=secure) == expected


@pytest.mark.parametrize("host", ["", "a b", "host/path", "user@host", "host:port", "a\r\nSet-Cookie: x", "[::1"])
def test_a_host_header_that_names_no_host_is_refused(host: str) -> None:
    """The header comes from outside and goes into a document and a policy."""
    with pytest.raises(ValueError, match="names no host"):
        web.websocket_url(host, 10001, secure=False)


def test_the_endpoints_document_tells_the_websocket() -> None:
    """The page asks for it before it connects."""
    assert json.loads(web.endpoints_document("wss://chat.example/im/ws")) == {"ws": "wss://chat.example/im/ws"}


def test_a_login_link_keeps_what_it_carries_out_of_the_query() -> None:
    """A query would be sent to the server and stand in its log; a fragment is not."""
    link = web.login_link("http://127.0.0.1:10002/", "a&b+c", "x.y.z")
    assert link == "http://127.0.0.1:10002/#userID=a%26b%2Bc&token=x.y.z"
