"""Tokens as text: what is signed is read back, and everything else has its code."""

from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openim_ray.domain import errors
from openim_ray.services import tokens
from openim_ray.services.tokens import Claims, TokenSigner, digest_of

NOW = 1_800_000_000
CLAIMS = Claims("alice", 5, NOW + 60)
SECRET = "correct horse battery staple, thirty-two"
SIGNER = TokenSigner(SECRET)


def signed(body: dict[str, object], key: bytes, algorithm: str = "HS256") -> str:
    """Return a token with any body, signed with any key."""
    return jwt.encode(body, key, algorithm)


def test_a_token_says_what_was_signed() -> None:
    """User, platform and expiry come back."""
    assert SIGNER.read(SIGNER.sign(CLAIMS, NOW), NOW) == CLAIMS


def test_tokens_carry_the_official_claims() -> None:
    """The names of claims are those of the official server, and the time of issue lies five seconds back."""
    body = jwt.decode(SIGNER.sign(CLAIMS, NOW), options={"verify_signature": False})
    assert {name: body[name] for name in ("UserID", "PlatformID", "exp", "iat")} == {
        "UserID": "alice",
        "PlatformID": 5,
        "exp": NOW + 60,
        "iat": NOW - 5,
    }


def test_a_token_that_was_read_before_expires_all_the_same() -> None:
    """What a token says is computed once, its times are judged each time."""
    token = SIGNER.sign(CLAIMS, NOW)
    assert [SIGNER.read(token, NOW + second) for second in (0, 59)] == [CLAIMS, CLAIMS]
    with pytest.raises(errors.TokenExpired):
        SIGNER.read(token, NOW + 60)
    with pytest.raises(errors.TokenNotValidYet):
        SIGNER.read(token, NOW - 10)


def test_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that the one verified first is verified again."""
    monkeypatch.setattr(tokens, "VERIFIED_MAX", 2)
    signer = TokenSigner(SECRET)
    verified: list[str] = []
    monkeypatch.setattr(signer, "_verify", lambda token: verified.append(token) or TokenSigner._verify(signer, token))
    first, second, third = (signer.sign(CLAIMS, NOW) for _ in range(3))
    for token in (first, first, second, first, third, second, first):
        assert signer.read(token, NOW) == CLAIMS
    assert verified == [first, second, third, first]


def test_no_two_tokens_are_alike() -> None:
    """Two logins in the same second get tokens that can be ended one by one."""
    tokens = {SIGNER.sign(CLAIMS, NOW) for _ in range(10)}
    assert len({digest_of(token) for token in tokens}) == 10


def test_the_secret_itself_signs_nothing() -> None:
    """A token signed with the admin secret as the key is refused: the key is another one."""
    forged = signed({"UserID": "alice", "PlatformID": 5, "exp": NOW + 60, "iat": NOW}, SECRET.encode())
    with pytest.raises(errors.TokenUnknown):
        SIGNER.read(forged, NOW)


def test_a_server_without_secret_does_not_start() -> None:
    """With an empty secret everybody would know the key."""
    with pytest.raises(ValueError, match="secret is empty"):
        TokenSigner("")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 8, "\ud800.a.b", "a." * 5000])
def test_what_is_no_token_is_malformed(token: str) -> None:
    """1503 for anything that isn't a JWT, however odd or long."""
    with pytest.raises(errors.TokenMalformed):
        SIGNER.read(token, NOW)


def test_another_key_is_unknown() -> None:
    """1505 for a good token of another server."""
    with pytest.raises(errors.TokenUnknown):
        SIGNER.read(TokenSigner("another secret").sign(CLAIMS, NOW), NOW)


@pytest.mark.parametrize("algorithm", ["none", "HS384"])
def test_no_other_algorithm_counts(algorithm: str) -> None:
    """1505 for an unsigned token, and for one that claims another algorithm."""
    body = {"UserID": "alice", "PlatformID": 5, "exp": NOW + 60, "iat": NOW}
    token = jwt.encode(body, None if algorithm == "none" else b"k" * 64, algorithm)  # type: ignore[arg-type]
    with pytest.raises(errors.TokenUnknown):
        SIGNER.read(token, NOW)


@pytest.mark.parametrize(
    "change", [{"UserID": 7}, {"PlatformID": "5"}, {"exp": 1.5e9}, {"iat": True}, {"UserID": None}]
)
def test_claims_of_the_wrong_type_are_malformed(change: dict[str, object]) -> None:
    """1503 for a token that is signed, but not of our making."""
    body = {"UserID": "alice", "PlatformID": 5, "exp": NOW + 60, "iat": NOW, **change}
    with pytest.raises(errors.TokenMalformed):
        SIGNER.read(signed(body, SIGNER._key), NOW)


def test_a_token_expires_by_the_clock_that_is_passed_in() -> None:
    """1501 from the second of its expiry on, 1504 before the second of its issue."""
    token = SIGNER.sign(CLAIMS, NOW)
    assert SIGNER.read(token, NOW + 59) == CLAIMS
    with pytest.raises(errors.TokenExpired):
        SIGNER.read(token, NOW + 60)
    with pytest.raises(errors.TokenNotValidYet):
        SIGNER.read(token, NOW - 6)


@given(st.integers(0, 300), st.characters(categories=["L", "N", "P"]))
def test_a_changed_token_is_refused_by_its_own_codes(place: int, character: str) -> None:
    """Whatever character of a token is replaced, it is refused with a token error, or it is the same token."""
    token = SIGNER.sign(CLAIMS, NOW)
    changed = token[: place % len(token)] + character + token[place % len(token) + 1 :]
    try:
        claims = SIGNER.read(changed, NOW)
    except (errors.TokenMalformed, errors.TokenUnknown):
        return
    assert claims == CLAIMS
