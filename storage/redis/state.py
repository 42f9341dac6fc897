"""
Token states and read positions: the relational copy counts, one in Redis spares it questions.

Guarantee: what `save` has returned for is what every later read of any process returns, whatever becomes of Redis: emptied, paused, killed,
put back to an older state, replaced by a replica that lags. `lease` says why.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from openim_ray.domain.errors import ArgsError, Unavailable
from openim_ray.storage.redis.connection import RedisConnection, Refused, Reply
from openim_ray.storage.redis.copies import position_fields, positions_in, token_state_in
from openim_ray.storage.redis.lease import RENEW_SECONDS, WriterLease
from openim_ray.storage.redis.scripts import POSITIONS_MAX, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openim_ray.domain.ids import ConversationID, UserID
    from openim_ray.domain.read_position import ReadPosition
    from openim_ray.ports import TokenRecord
    from openim_ray.storage.redis.keys import Keys
    from openim_ray.storage.stores import OpenStateReader, OpenStateStore

FORGOTTEN_AT_ONCE = 1_000
"""Copies that one call removes."""

CHANGED_AT_ONCE = 200
ARGUMENTS_MAX = 4_000
"""Users whose positions one call changes, and about how many fields and values: other calls wait meanwhile."""

CHANGE_SECONDS = 1.0
"""How long changing copies may take, however many there are; then they count as unchanged."""

WAIT_SECONDS = 0.1
"""How often a save that waits for the lease's end looks again: a new lease ends the old one, too."""

log = structlog.get_logger(__name__)


class HotStateReader:
    """
    Looks up in Redis, then in the relational copy; any process may hold one.

    Args:
        relational: what counts; closed with this.
        url: of the Redis.
        keys: the names there.
    """

    def __init__(self, relational: OpenStateReader, url: str, keys: Keys) -> None:
        self._relational = relational
        self._redis = RedisConnection(url, SCRIPTS)
        self._keys = keys
        self._process = uuid.uuid4().hex
        self._claims = 0
        self._hits = 0
        self._misses = 0

    async def aclose(self) -> None:
        """Close both."""
        await self._redis.aclose()
        await self._relational.aclose()

    def counters(self) -> dict[str, int]:
        """See `stores.Counting`."""
        return {"hot_copy_hits": self._hits, "hot_copy_misses": self._misses}

    async def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """See `ports.TokenReader`; asked at logins only, so there is no copy."""
        return await self._relational.tokens(user_id, platform_id)

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """See `ports.TokenReader`."""
        key, claim = self._keys.token(user_id, platform_id, digest), self._claim()
        lease, copy = await self._look_up("token", user_id, key, claim)
        state = token_state_in(copy) if copy is not None else None
        if state is not None:
            self._hits += 1
            return state
        self._misses += 1
        state = await self._relational.token_state(user_id, platform_id, digest)
        if lease and state is not None:  # what was never issued is not kept: anybody could ask for any number of those
            await self._fill("fill_token", key, claim, f"{lease} {state}")
        return state

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """See `ports.PositionReader`."""
        key, claim = self._keys.positions(user_id), self._claim()
        lease, copy = await self._look_up("positions", user_id, key, claim)
        positions = positions_in(copy) if copy is not None else None
        if positions is not None:
            self._hits += 1
            return positions
        self._misses += 1
        positions = await self._relational.read_positions(user_id)
        if lease and len(positions) <= POSITIONS_MAX:
            await self._fill("fill_positions", key, claim, lease, *position_fields(positions))
        return positions

    async def _look_up(self, script: str, user_id: str, key: bytes, claim: str) -> tuple[str, Any]:
        """Return the lease under which a copy may be filled (empty: none may) and the copy, if there is one to be believed."""
        try:
            reply = await self._redis.run(script, [self._keys.lease_of(user_id), key], claim)
            lease = reply.value[0].decode() if reply.value else ""
            if not lease:
                return "", None
            if not lease.endswith(f"@{reply.server}"):
                # It was taken in other data: of a server that this one has replaced, or was replaced by.
                await self._redis.verify()
                return "", None
        except Unavailable:
            return "", None
        return lease, reply.value[1] if len(reply.value) > 1 else None

    async def _fill(self, script: str, key: bytes, claim: str, *values: str) -> None:
        with suppress(Unavailable):
            await self._redis.run(script, [key], claim, *values)

    def _claim(self) -> str:
        self._claims += 1
        return f"claim {self._process}.{self._claims}"


class HotStateStore:
    """
    Saves to the relational copy, then changes the copies in Redis; held by the persistence actor `writer`.

    A save takes `LEASE_SECONDS` longer if Redis has gone away since the last renewal, and no longer than ever while it stays away.
    """

    def __init__(self, relational: OpenStateStore, url: str, keys: Keys, writer: str) -> None:
        self._relational = relational
        self._redis = RedisConnection(url, SCRIPTS)
        self._keys = keys
        self._key = keys.lease(writer)
        self._lease = WriterLease(time.monotonic())
        self._was_connected = True
        self._waits = 0
        self._renewing = asyncio.create_task(self._renew_forever())

    async def aclose(self) -> None:
        """Renew no more, and close both."""
        self._renewing.cancel()
        await asyncio.wait([self._renewing])
        await self._redis.aclose()
        await self._relational.aclose()

    def counters(self) -> dict[str, int]:
        """See `stores.Counting`."""
        return {"hot_copy_lease_held": int(self._lease.name != ""), "hot_copy_waits": self._waits}

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """See `ports.TokenReader`."""
        return await self._relational.token_state(user_id, platform_id, digest)

    async def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """See `ports.TokenReader`."""
        return await self._relational.tokens(user_id, platform_id)

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """See `ports.PositionReader`."""
        return await self._relational.read_positions(user_id)

    async def save(
        self,
        tokens: Sequence[TokenRecord] = (),
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]] = (),
    ) -> None:
        """See `ports.StateStore`."""
        try:
            await self._relational.save(tokens, positions)
        except (ArgsError, asyncio.CancelledError):
            raise  # nothing was saved, or nobody hears whether
        except Exception:
            # It may be saved all the same, even later: what is believed now is not believed for long.
            self._lease.let_go(time.monotonic())
            raise
        if tokens or positions:
            await self._change_copies(tokens, positions)

    # --- copies

    async def _change_copies(
        self,
        tokens: Sequence[TokenRecord],
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]],
    ) -> None:
        if self._lease.seconds_left(time.monotonic()) == 0 and not self._redis.connected:
            return  # nobody believes a copy, unless we stood still for so long that another writer has begun
        try:
            async with asyncio.timeout(CHANGE_SECONDS):
                await self._forget([self._keys.token(one.user_id, one.platform_id, one.digest) for one in tokens])
                await self._save_positions(positions)
        except (Unavailable, TimeoutError):
            log.warning("a copy could not be changed: none is used for a while", place=self._redis.place)
            self._waits += 1
            await self._until_nobody_believes()

    async def _forget(self, keys: Sequence[bytes]) -> None:
        for start in range(0, len(keys), FORGOTTEN_AT_ONCE):
            await self._redis.run("forget", keys[start : start + FORGOTTEN_AT_ONCE], seconds=CHANGE_SECONDS)

    async def _save_positions(self, positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]]) -> None:
        await self._forget(
            [self._keys.positions(user_id) for user_id, changed in positions if len(changed) > POSITIONS_MAX]
        )
        keys: list[bytes] = []
        arguments: list[str | int] = []
        for user_id, changed in positions:
            if not 0 < len(changed) <= POSITIONS_MAX:
                continue
            if len(keys) == CHANGED_AT_ONCE or len(arguments) > ARGUMENTS_MAX:
                await self._change_positions(keys, arguments)
                keys, arguments = [], []
            keys.append(self._keys.positions(user_id))
            arguments += (2 * len(changed), *position_fields(changed))
        if keys:
            await self._change_positions(keys, arguments)

    async def _change_positions(self, keys: Sequence[bytes], arguments: Sequence[str | int]) -> None:
        await self._redis.run("save_positions", keys, self._lease.name, *arguments, seconds=CHANGE_SECONDS)

    # --- the lease

    async def _until_nobody_believes(self) -> None:
        """Let the lease go and wait for its end, or for another one: under that, readers read what is saved now."""
        now = time.monotonic()
        end = now + self._lease.seconds_left(now)
        self._lease.let_go(now)
        while now < end and not self._lease.name:
            await asyncio.sleep(min(end - now, WAIT_SECONDS))
            now = time.monotonic()

    async def _renew_forever(self) -> None:
        while True:
            try:
                await self._take_or_renew()
            except Unavailable as error:
                self._tell(error.detail)
            else:
                self._tell("")
            await asyncio.sleep(RENEW_SECONDS)

    async def _take_or_renew(self) -> None:
        await self._redis.verify()
        # Asked for first: while nothing answers, nothing is sent that could make a lease last longer.
        clock = await self._redis.run("clock", [])
        self._note_clock(clock)
        if self._lease.name:
            await self._renew()
        if not self._lease.name and self._lease.may_be_taken(time.monotonic()):
            await self._take(clock.server)

    async def _renew(self) -> None:
        name = self._lease.name
        reply = await self._ask("renew", name)
        if self._lease.name != name:
            return  # let go meanwhile
        if reply.value and name.endswith(f"@{reply.server}"):
            self._note_clock(reply)
            self._lease.renewed()
        else:
            self._lease.lost()

    async def _take(self, server: str) -> None:
        name = f"{uuid.uuid4().hex}@{server}"
        reply = await self._ask("take", name)
        if reply.server == server:
            self._note_clock(reply)
            self._lease.taken(name, time.monotonic())

    async def _ask(self, script: str, name: str) -> Reply:
        try:
            return await self._redis.run(script, [self._key], name, self._lease.asked(time.monotonic()))
        except Refused:
            self._lease.refused()
            raise

    def _note_clock(self, reply: Reply) -> None:
        seconds, microseconds = reply.value
        self._lease.clock_read(int(seconds) * 1000 + int(microseconds) // 1000, time.monotonic())

    def _tell(self, reason: str) -> None:
        is_connected = not reason
        if is_connected != self._was_connected:
            if is_connected:
                log.info("Redis is back", place=self._redis.place)
            else:
                log.warning("Redis is away: tokens and positions are read from the database", reason=reason)
        self._was_connected = is_connected
