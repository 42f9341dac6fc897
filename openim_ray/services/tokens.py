"""
Tokens as text: JSON Web Tokens, signed with HMAC-SHA-256 (OpenIM wire, §1.5). Whether one still counts is the store's business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Any, Final, NamedTuple

import jwt
from jwt.types import Options

from openim_ray.domain import errors

_ALGORITHM: Final = "HS256"
_KEY_PURPOSE: Final = b"openim-ray token signature, version 1"
_CLOCKLESS: Final[Options] = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
"""The times are judged by the clock that is passed in, not by the one that the library reads."""

_ISSUED_SECONDS_AGO: Final = 5
"""Clients' and servers' clocks differ a little; the official server dates its tokens back by as much."""

_TOKEN_CHARACTERS_MAX: Final = 4096
"""A longer text is refused as malformed before anything is computed from it."""

VERIFIED_MAX: Final = 4096
"""So many tokens whose signature held are remembered, about 1 kB each; the one verified longest ago is forgotten first, and verified again."""


class Claims(NamedTuple):
    """
    What a signed token says. `expires_at` is in Unix seconds.
    """

    user_id: str
    platform_id: int
    expires_at: int


class _Verified(NamedTuple):
    claims: Claims
    issued_at: int


class TokenSigner:
    """
    Makes tokens and reads them back.

    Args:
        secret: the administrators' secret. The key is derived from it, so that neither stands for the other: who
            holds the key can't log in as administrator, and another use of the secret can't make a token.

    Raises:
        ValueError: the secret is empty; everybody would know the key.
    """

    def __init__(self, secret: str) -> None:
        if not secret:
            raise ValueError("the admin secret is empty")
        self._key = hmac.new(secret.encode(), _KEY_PURPOSE, hashlib.sha256).digest()
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    def sign(self, claims: Claims, now_seconds: int) -> str:
        """
        Return a token; no two are alike, so that each can be ended by itself.
        """
        body = {
            "UserID": claims.user_id,
            "PlatformID": claims.platform_id,
            "exp": claims.expires_at,
            "iat": now_seconds - _ISSUED_SECONDS_AGO,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(body, self._key, _ALGORITHM)

    def read(self, token: str, now_seconds: int) -> Claims:
        """
        Return what a token says, if its signature and times hold.

        A client that comes back shows the same token with each of its calls: what it says is computed once, its times are judged each time.

        Raises:
            TokenMalformed, TokenUnknown, TokenExpired, TokenNotValidYet: see OpenIM wire, §1.5.
        """
        verified = self._verified.get(token) or self._remembered(token)
        if verified.claims.expires_at <= now_seconds:
            raise errors.TokenExpired
        if verified.issued_at > now_seconds:
            raise errors.TokenNotValidYet
        return verified.claims

    def _remembered(self, token: str) -> _Verified:
        body = self._verify(token)
        verified = self._verified[token] = _Verified(_claims(body), body["iat"])
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return verified

    def _verify(self, token: str) -> dict[str, Any]:
        if len(token) > _TOKEN_CHARACTERS_MAX:
            raise errors.TokenMalformed
        try:
            return jwt.decode(token, self._key, [_ALGORITHM], options=_CLOCKLESS)
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            raise errors.TokenUnknown from None
        except (jwt.InvalidTokenError, UnicodeEncodeError):
            raise errors.TokenMalformed from None


def digest_of(token: str) -> str:
    """
    Return the name under which a token is kept: its SHA-256 in hexadecimal, of which nobody can make the token.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def _claims(body: dict[str, Any]) -> Claims:
    user_id, numbers = body.get("UserID"), (body.get("PlatformID"), body.get("exp"), body.get("iat"))
    if not isinstance(user_id, str) or any(type(number) is not int for number in numbers):
        raise errors.TokenMalformed
    return Claims(user_id, body["PlatformID"], body["exp"])
