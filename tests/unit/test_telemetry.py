"""The log: its forms, its level, and that no token, secret or content gets into it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import structlog

from openim_ray.telemetry import configure_logging, errors_logged, hide_secrets, short_token

if TYPE_CHECKING:
    from collections.abc import Iterator

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySUQiOiJhbGljZSJ9.c2lnbmF0dXJl"


class Section(NamedTuple):
    """Stands for `[log]`."""

    level: str = "info"
    format: str = "json"


class Settings(NamedTuple):
    """Stands for a whole configuration."""

    log: Section = Section()


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what went to standard error, line by line, and check that standard output stayed empty."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def hidden(**event: object) -> dict[str, Any]:
    """Return a line's values after the processor."""
    return dict(hide_secrets(None, "info", dict(event)))


def test_a_line_says_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    """Own and foreign loggers write the same form, with the process's name."""
    configure_logging(Settings(), "gateway-0")
    structlog.get_logger("openim_ray.gateway").info("opened", user="alice")
    logging.getLogger("library").warning("odd %s", "thing")
    own, foreign = lines(capsys)
    assert own.items() >= {"event": "opened", "user": "alice", "process": "gateway-0", "level": "info"}.items()
    assert own["logger"] == "openim_ray.gateway"
    assert own["timestamp"].endswith("Z")
    assert foreign.items() >= {"event": "odd thing", "process": "gateway-0", "level": "warning"}.items()


def test_errors_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs them, and once each however often logging was set up."""
    configure_logging(Settings())
    configure_logging(Settings())
    before = errors_logged()
    structlog.get_logger("openim_ray.gateway").warning("odd")
    assert errors_logged() == before
    structlog.get_logger("openim_ray.gateway").error("wrong")
    logging.getLogger("library").critical("very wrong")
    assert errors_logged() == before + 2
    assert len(lines(capsys)) == 3


def test_the_level_holds_and_a_later_call_wins(capsys: pytest.CaptureFixture[str]) -> None:
    """A logger made before the call follows the new level."""
    log = structlog.get_logger("x")
    configure_logging(Settings(Section(level="warning")))
    log.info("hidden")
    configure_logging(Settings(Section(level="debug")))
    log.debug("shown")
    assert [line["event"] for line in lines(capsys)] == ["shown"]


def test_access_lines_stay_out(capsys: pytest.CaptureFixture[str]) -> None:
    """An access line holds the query string, and with it the token."""
    configure_logging(Settings(Section(level="debug")))
    logging.getLogger("aiohttp.access").info("GET /?token=%s", JWT)
    assert lines(capsys) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_token_and_no_local_variable(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Local variables hold content, and messages of exceptions hold URLs."""
    configure_logging(Settings(Section(format=form)))
    content = "meet at noon".upper()  # so that no line of the source shows it

    def fail() -> None:
        raise ValueError(len(content), "ws://h/?sendID=a&token=" + JWT)

    for log in (structlog.get_logger("own"), logging.getLogger("foreign")):
        try:
            fail()
        except ValueError:
            log.exception("failed")
    _, err = capsys.readouterr()
    assert err.count("ValueError: (12, 'ws://h/?sendID=a&token=(hidden)')") == 2
    assert "NOON" not in err
    assert JWT not in err


def test_values_are_hidden_by_their_name() -> None:
    """Tokens are shortened, secrets and passwords go, at any depth; numbers and other values stay."""
    assert hidden(token="a" * 30 + "bcdefg", adminToken=JWT) == {"token": "…bcdefg", "adminToken": "…" + JWT[-6:]}
    assert hidden(secret="s", admin_secret=b"s", Authorization="Bearer x") == dict.fromkeys(
        ("secret", "admin_secret", "Authorization"), "(hidden)"
    )
    assert hidden(request={"token": "short", "user": "alice"}, tokens=["x" * 40]) == {
        "request": {"token": "(hidden)", "user": "alice"},
        "tokens": ["…xxxxxx"],
    }
    assert hidden(tokens=3, secrets=0, seq=7) == {"tokens": 3, "secrets": 0, "seq": 7}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"/?sendID=a&token={JWT}&platformID=5", "/?sendID=a&token=(hidden)&platformID=5"),
        ("/?Token=x%20y", "/?Token=(hidden)"),
        (f"refused {JWT} of alice", f"refused …{JWT[-6:]} of alice"),
        ("redis://user:p@ss@host/0", "redis://user:***@host/0"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_texts_are_searched(text: str, shown: str) -> None:
    """Query strings, JWTs and passwords of URLs are found in any text, the event's own included."""
    assert hidden(event=text) == {"event": shown}


@pytest.mark.parametrize(("token", "shown"), [("", "(hidden)"), ("x" * 12, "(hidden)"), ("x" * 10 + "end", "…xxxend")])
def test_a_short_token_is_hidden_whole(token: str, shown: str) -> None:
    """Half of a short token would be too much of it."""
    assert short_token(token) == shown
