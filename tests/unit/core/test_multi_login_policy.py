"""Which older logins a new one ends."""

from __future__ import annotations

import pytest

from openim_ray.core.multi_login_policy import kicked, rival_platforms, surplus
from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.ports import TokenRecord
from openim_ray.protocol.identifiers import Platform

P = Platform


def record(digest: str, state: int = NORMAL) -> TokenRecord:
    """Return a token of alice on the web."""
    return TokenRecord(digest, "alice", 5, state, 100)


@pytest.mark.parametrize(
    ("policy", "platform", "expected"),
    [
        (0, P.WEB, set()),
        (1, P.WEB, {P.WEB}),
        (1, P.WINDOWS, {P.WINDOWS}),
        (4, P.IOS, {P.IOS, P.ANDROID}),
        (4, P.LINUX, {P.WINDOWS, P.OSX, P.LINUX}),
        (4, P.WEB, {P.WEB}),
        (4, P.IPAD, {P.IPAD, P.ANDROID_PAD}),
        (5, P.WINDOWS, set()),
        (5, P.IOS, {P.IOS, P.ANDROID, P.WEB, P.MINI_WEB, P.ANDROID_PAD, P.IPAD, P.HARMONY_OS}),
    ],
)
def test_rivals_follow_the_policy(policy: int, platform: Platform, expected: set[Platform]) -> None:
    """0 nobody, 1 the same platform, 4 the same class, 5 everything but PCs; never an administrator."""
    assert set(rival_platforms(policy, platform)) == expected


def test_the_oldest_valid_tokens_are_surplus() -> None:
    """Ended tokens take no room, and of the valid ones the newest stay."""
    records = [record("a"), record("b", KICKED), record("c"), record("d")]
    assert [one.digest for one in surplus(records, 1)] == ["a", "c"]
    assert surplus(records, 3) == []


def test_an_ended_token_keeps_everything_but_its_state() -> None:
    """User, platform and expiry stay: the record must be found until it would have expired."""
    assert kicked([record("a")]) == [record("a", KICKED)]
