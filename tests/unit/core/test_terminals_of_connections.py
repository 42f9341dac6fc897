"""Tests of which connections of a user a new login ends (OpenIM wire, §1.6)."""

from __future__ import annotations

import pytest

from openim_ray.core.inboxes.inbox import DeviceSession, Inbox

WEB, IOS, ANDROID, LINUX = 5, 1, 2, 7


def login(connection: int, platform_id: int, token: str = "") -> DeviceSession:
    """A connection that came in the order of its number."""
    return DeviceSession(
        gateway="gateway-0",
        connection=connection,
        platform_id=platform_id,
        token_digest=token or f"token {connection}",
        token_expires_at=0,
        client="go",
        accepted_ms=connection,
        order=connection,
    )


@pytest.mark.parametrize(
    ("policy", "first", "second", "ended"),
    [
        (0, WEB, WEB, False),
        (1, WEB, WEB, True),
        (1, IOS, ANDROID, False),
        (4, IOS, ANDROID, True),
        (4, IOS, WEB, False),
        (5, IOS, WEB, True),
        (5, LINUX, WEB, False),
        (5, IOS, LINUX, False),
    ],
)
def test_the_policy_decides_which_older_connection_ends(policy: int, first: int, second: int, ended: bool) -> None:
    """A later login ends the earlier one where the policy says so, and never itself."""
    inbox = Inbox("alice", 1, 0)
    inbox.register(login(1, first), policy)

    kicked = inbox.register(login(2, second), policy)

    assert [one.connection for one in kicked] == ([1] if ended else [])
    assert ("gateway-0", 2) in inbox.sessions


def test_a_connection_with_the_same_token_stays() -> None:
    """Two connections of one token, a page that reconnects, do not end each other."""
    inbox = Inbox("alice", 1, 0)
    inbox.register(login(1, WEB, "one token"), 1)

    assert inbox.register(login(2, WEB, "one token"), 1) == []
    assert len(inbox.sessions) == 2


def test_the_later_login_wins_whatever_arrives_first() -> None:
    """After a restart an old connection that registers last does not end the newer one."""
    inbox = Inbox("alice", 1, 0)
    inbox.register(login(2, WEB), 1)

    assert [one.connection for one in inbox.register(login(1, WEB), 1)] == [1]
    assert list(inbox.sessions) == [("gateway-0", 2)]
