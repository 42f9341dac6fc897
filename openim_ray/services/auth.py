"""
Tokens over their whole life: issued, checked, ended (OpenIM wire, §1.5, §1.6).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final, NamedTuple
from zlib import crc32

from openim_ray.config.settings import AuthSection
from openim_ray.core.multi_login_policy import kicked, rival_platforms, surplus
from openim_ray.domain import errors
from openim_ray.domain.people import User, UserStatus
from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.ports import Broker, TokenReader, TokenRecord, UserStore
from openim_ray.protocol.identifiers import Platform
from openim_ray.services.authority import Caller
from openim_ray.services.guess_limit import FailureLimit
from openim_ray.services.tokens import Claims, TokenSigner, digest_of

_DAY_SECONDS: Final = 86_400
_LOCKS: Final = 256

ORDINARY_LEVELS: Final = (0, 1)
"""`app_manager_level` of people; the others are administrators, notification accounts and robots (OpenIM wire, §4.2)."""


class IssuedToken(NamedTuple):
    """
    A fresh token and its lifetime in seconds.
    """

    token: str
    lifetime_seconds: int


class TokenService:
    """
    Issues tokens, tells whose a token is, and ends tokens.

    Args:
        tokens: where states are read.
        users: the accounts.
        broker: makes states durable and closes connections.
        settings: administrators, lifetime, and the policy for several devices.
        secret: the administrators' secret.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(
        self,
        tokens: TokenReader,
        users: UserStore,
        broker: Broker,
        settings: AuthSection,
        secret: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._tokens = tokens
        self._users = users
        self._broker = broker
        self._settings = settings
        self._secret = secret.encode()
        self._signer = TokenSigner(secret)
        self._now_ms = now_ms
        self._failures = FailureLimit(now_ms)
        # Issuing reads older tokens and then ends them: two logins of one user must not both find none.
        self._locks = [asyncio.Lock() for _ in range(_LOCKS)]

    # --- issuing

    async def issue_admin_token(self, secret: str, user_id: str, source: str) -> IssuedToken:
        """
        Return a token for an administrator who knows the secret; ends no other one.

        Args:
            secret: what the caller takes for the secret.
            user_id: one of the configured administrators.
            source: where the call comes from; guessing is limited by it.

        Raises:
            NoPermission: the secret is wrong.
            ArgsError: no such administrator.
            Overloaded: too many wrong secrets from this source.
        """
        self._failures.check(source)
        if not hmac.compare_digest(secret.encode(), self._secret):
            self._failures.failed(source)
            raise errors.NoPermission("secret invalid")
        if user_id not in self._settings.admin_user_ids:
            raise errors.ArgsError("userID is not an administrator of this server")
        token, record = self._make(user_id, Platform.ADMIN)
        await self._broker.save_tokens([record])
        return token

    async def issue_user_token(self, user_id: str, platform_id: int) -> IssuedToken:
        """
        Return a token for a user's device, durable; older ones end as the policy says.

        Raises:
            ArgsError: no such platform, or a system account, which has no devices.
            NoPermission: the platform of administrators, or the account is disabled.
            RecordNotFound: no such user.
        """
        platform = _platform(platform_id)
        if platform is Platform.ADMIN:
            raise errors.NoPermission("platformID 10 is for administrators: use /auth/get_admin_token")
        await self._check_is_person(user_id)
        async with self._locks[crc32(user_id.encode()) % _LOCKS]:
            token, record = self._make(user_id, platform)
            ended = await self._ended_by_login(user_id, platform)
            await self._broker.save_tokens([*kicked(ended), record])
            await self._check_still_active(user_id, record)
        return token

    # --- checking

    async def authenticate(self, token: str) -> Caller:
        """
        Return whose token this is.

        Raises:
            TokenExpired, TokenMalformed, TokenNotValidYet, TokenUnknown, TokenKicked, TokenNotExist: codes 1501 to 1507.
            Unavailable: the states can't be read now; says nothing about the token, on which clients would log out.
        """
        claims = self._signer.read(token, self._now_seconds())
        digest = digest_of(token)
        state = await self._tokens.token_state(claims.user_id, claims.platform_id, digest)
        if state is None:
            raise errors.TokenNotExist
        if state == KICKED:
            raise errors.TokenKicked
        if state != NORMAL:
            raise errors.TokenUnknown
        return Caller(claims.user_id, claims.platform_id, self._is_admin(claims), digest, claims.expires_at)

    async def check(self, token: str, user_id: str, platform_id: int) -> Caller:
        """
        Return whose token this is, if it is this user's on this platform; else TokenInvalid. For the rest see `authenticate`.
        """
        caller = await self.authenticate(token)
        if (caller.user_id, caller.platform_id) != (user_id, platform_id):
            raise errors.TokenInvalid
        return caller

    async def has_valid(self, user_id: str) -> bool:
        """
        Tell whether any token of a user would be taken now.
        """
        now = self._now_seconds()
        for platform in Platform:
            records = await self._tokens.tokens(user_id, platform)
            if any(record.state == NORMAL and record.expires_at > now for record in records):
                return True
        return False

    # --- ending

    async def force_logout(self, user_id: str, platform_id: int) -> None:
        """
        End all tokens of a user on a platform and kick the connections.

        The tokens first: a client that is kicked and comes back at once must already be refused.
        """
        platform = _platform(platform_id)
        async with self._locks[crc32(user_id.encode()) % _LOCKS]:
            records = await self._tokens.tokens(user_id, platform)
            valid = [record for record in records if record.state == NORMAL]
            if valid:
                await self._broker.save_tokens(kicked(valid))
        await self._broker.force_logout(user_id, platform)

    async def end_all(self, user_id: str) -> None:
        """
        End all tokens of a user and kick all her connections.
        """
        for platform in Platform:
            await self.force_logout(user_id, platform)

    # --- parts

    async def _check_still_active(self, user_id: str, record: TokenRecord) -> None:
        """
        Take a token back that was saved while its user was disabled.

        Who disables marks the account first and then ends the tokens that are there: either that finds this one, or this finds the mark.
        """
        try:
            await self._check_is_person(user_id)
        except errors.OpenIMError:
            await self._broker.save_tokens(kicked([record]))
            raise

    def _make(self, user_id: str, platform: Platform) -> tuple[IssuedToken, TokenRecord]:
        lifetime, now = self._settings.token_days * _DAY_SECONDS, self._now_seconds()
        claims = Claims(user_id, int(platform), now + lifetime)
        token = self._signer.sign(claims, now)
        record = TokenRecord(digest_of(token), user_id, claims.platform_id, NORMAL, claims.expires_at)
        return IssuedToken(token, lifetime), record

    async def _ended_by_login(self, user_id: str, platform: Platform) -> list[TokenRecord]:
        rivals = rival_platforms(self._settings.multi_login_policy, platform)
        ended: list[TokenRecord] = []
        for rival in rivals:
            ended += surplus(await self._tokens.tokens(user_id, rival), 0)
        if platform not in rivals:
            room_for = self._settings.tokens_per_platform_max - 1
            ended += surplus(await self._tokens.tokens(user_id, platform), room_for)
        return ended

    async def _check_is_person(self, user_id: str) -> None:
        user: User | None = (await self._users.users([user_id])).get(user_id)
        if user is None:
            raise errors.RecordNotFound("userID: no such user")
        if user.status != UserStatus.ACTIVE:
            raise errors.NoPermission("userID: the account is disabled")
        if user.app_manager_level not in ORDINARY_LEVELS or user_id in self._settings.admin_user_ids:
            raise errors.ArgsError("userID is a system account, which gets no user token")

    def _is_admin(self, claims: Claims) -> bool:
        return claims.platform_id == Platform.ADMIN and claims.user_id in self._settings.admin_user_ids

    def _now_seconds(self) -> int:
        return self._now_ms() // 1000


def _platform(number: int) -> Platform:
    try:
        return Platform(number)
    except ValueError:
        raise errors.ArgsError("platformID is not in 1..11") from None
