"""
Presence: on which platforms users are online, for the gateways whose clients watch them (OpenIM wire, §1.7, §3.9).

An inbox knows which gateways watch its user; each of them knows by which connections (`core/gateway/watches.py`). Promises: a gateway
that watches is told every change that lasts, in order; after a crash of either side it hears the truth again. Who is watched costs an entry
here and no inbox, so that watching people who are not there reads nothing.

Coming online is told with the next tick. Going offline is told a little later, and not at all if the user is back by then: clients that
change networks, or whose gateway or inbox has died, would otherwise seem to go and come for each who watches them.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.placement import log_partition, user_partition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openim_ray.core.inboxes.inbox import DeviceSession
    from openim_ray.core.shard_outbox import Outbox

LINGER_SECONDS = 1.0
"""A platform whose last connection ended is shown for so long."""

SETTLE_SECONDS = 4.0
"""Where connections are registered again, after a start of this process or a break with a gateway, they have so long to come."""

STATES_PER_ITEM = 500
"""So many users go into one item; more make more items."""

Platforms = tuple[int, ...]


class _Watched:
    __slots__ = ("leaving", "present", "told")

    def __init__(self, present: Platforms) -> None:
        self.present = present
        self.leaving: dict[int, float] = {}
        """Platform that is there no more -> until when it is shown."""

        self.told: dict[str, Platforms | None] = {}
        """Gateway -> what it was told; None: nothing yet."""

    def shown(self) -> Platforms:
        """Return what is to be told: who leaves is there until her time is over."""
        return tuple(sorted({*self.present, *self.leaving})) if self.leaving else self.present


class Presence:
    """
    Who is watched by which gateways, and what those were told.

    Limit: as many entries as gateways have watched users (`core/gateway/watches.py` bounds each of them).

    Args:
        sessions_of: returns a user's connections.
        now: when this process began; until `SETTLE_SECONDS` later it says of nobody that she is offline.
    """

    def __init__(self, outbox: Outbox, sessions_of: Callable[[str], Iterable[DeviceSession]], now: float) -> None:
        self._outbox = outbox
        self._sessions_of = sessions_of
        self._settled_at = now + SETTLE_SECONDS
        self._settling: dict[str, float] = {}
        """Partition that came from another owner -> until when the connections of its users are waited for."""

        self._watched: dict[str, _Watched] = {}
        self._changed: dict[str, float] = {}
        """User whose connections are others now -> for how long a platform that is gone is shown."""

        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        """Return how many users are watched."""
        return len(self._watched)

    def unsettle(self, partitions: Iterable[str], now: float) -> None:
        """Note that connections are to come: those of users whose partitions were given to this shard."""
        self._settling.update(dict.fromkeys(partitions, now + SETTLE_SECONDS))

    # --- what gateways say

    def watch(self, gateway: str, users: Sequence[tuple[str, list[int] | None]], now: float) -> None:
        """Let a gateway watch users, and tell it where they are."""
        states: list[tuple[str, list[int]]] = []
        for user_id, shown in users:
            watched = self._watched.get(user_id)
            if watched is None:
                watched = self._watched[user_id] = _Watched(self._platforms_of(user_id))
            elif user_id in self._changed:
                self._look(user_id, watched, self._changed.pop(user_id), now)
                # This gateway is answered with it, the others are to hear it, too.
                heappush(self._due, (now, user_id))
            self._take_over(user_id, watched, shown, now)
            settled_at = self._settled_at_of(user_id)
            if shown is None and not watched.shown() and now < settled_at:
                watched.told[gateway] = None
                heappush(self._due, (settled_at, user_id))
                continue
            watched.told[gateway] = watched.shown()
            states.append((user_id, list(watched.shown())))
        self._tell(gateway, states)

    def unwatch(self, gateway: str, user_ids: Iterable[str]) -> None:
        """Forget that a gateway watches users."""
        for user_id in user_ids:
            if (watched := self._watched.get(user_id)) is not None:
                watched.told.pop(gateway, None)
                self._forget_unwatched(user_id, watched)

    def drop_gateway(self, gateway: str) -> bool:
        """Forget what a gateway watches; True if there was anything."""
        concerned = [user_id for user_id, watched in self._watched.items() if gateway in watched.told]
        self.unwatch(gateway, concerned)
        return bool(concerned)

    def drop_foreign(self, owned: Callable[[str], bool], placement_epoch: int) -> None:
        """Forget users whose inboxes are placed elsewhere, and tell who watches them."""
        ended: dict[str, list[str]] = {}
        for user_id in [one for one in self._watched if not owned(one)]:
            for gateway in self._watched.pop(user_id).told:
                ended.setdefault(gateway, []).append(user_id)
        for gateway, user_ids in ended.items():
            self._outbox.send(gateway, items.WatchEnded(user_ids, placement_epoch))

    def answer(self, user_ids: Iterable[str], now: float) -> dict[str, list[items.PresentDevice]]:
        """Return the devices of users; who seems to be offline only because nobody was heard of yet is left out."""
        found = {user_id: [_device(one) for one in self._sessions_of(user_id)] for user_id in user_ids}
        return {
            user_id: devices for user_id, devices in found.items() if devices or now >= self._settled_at_of(user_id)
        }

    # --- what happens to users

    def changed(self, user_id: str, linger_seconds: float = LINGER_SECONDS) -> None:
        """Note that a user's connections may be others than before."""
        if user_id in self._watched:
            self._changed[user_id] = max(linger_seconds, self._changed.get(user_id, 0.0))

    def tick(self, now: float) -> None:
        """Tell what has changed: one item per gateway, whatever happened to a user since the last time."""
        if self._settling:
            self._settling = {one: until for one, until in self._settling.items() if until > now}
        if not self._changed and not self._due:
            return
        looked_at: dict[str, None] = {}
        changed, self._changed = self._changed, {}
        for user_id, linger_seconds in changed.items():
            if (watched := self._watched.get(user_id)) is not None:
                self._look(user_id, watched, linger_seconds, now)
                looked_at[user_id] = None
        while self._due and self._due[0][0] <= now:
            looked_at[heappop(self._due)[1]] = None
        news: dict[str, list[tuple[str, list[int]]]] = {}
        for user_id in looked_at:
            if (watched := self._watched.get(user_id)) is not None:
                self._collect(user_id, watched, now, news)
        for gateway, states in news.items():
            self._tell(gateway, states)

    # --- parts

    def _collect(
        self, user_id: str, watched: _Watched, now: float, news: dict[str, list[tuple[str, list[int]]]]
    ) -> None:
        for platform_id in [one for one, until in watched.leaving.items() if until <= now]:
            del watched.leaving[platform_id]
        shown = watched.shown()
        for gateway, told in watched.told.items():
            if told != shown and (told is not None or shown or now >= self._settled_at_of(user_id)):
                watched.told[gateway] = shown
                news.setdefault(gateway, []).append((user_id, list(shown)))

    def _look(self, user_id: str, watched: _Watched, linger_seconds: float, now: float) -> None:
        """Take over where a user is now."""
        present = self._platforms_of(user_id)
        gone = [one for one in watched.present if one not in present]
        watched.present = present
        self._let_leave(user_id, watched, gone, max(now + linger_seconds, self._settled_at_of(user_id)))
        for platform_id in present:
            watched.leaving.pop(platform_id, None)

    def _take_over(self, user_id: str, watched: _Watched, shown: list[int] | None, now: float) -> None:
        """Go on from what a gateway was told by an earlier owner: where the user was, she may be registered again in a moment."""
        settled_at = self._settled_at_of(user_id)
        if shown and now < settled_at:
            gone = [one for one in shown if one not in watched.present and one not in watched.leaving]
            self._let_leave(user_id, watched, gone, settled_at)
            if gone:
                # Other gateways may have heard less.
                heappush(self._due, (now, user_id))

    def _let_leave(self, user_id: str, watched: _Watched, platform_ids: Iterable[int], until: float) -> None:
        for platform_id in platform_ids:
            watched.leaving[platform_id] = until
            heappush(self._due, (until, user_id))

    def _settled_at_of(self, user_id: str) -> float:
        if not self._settling:
            return self._settled_at
        partitions = (user_partition(user_id), log_partition(user_id))
        return max(self._settled_at, *(self._settling.get(one, 0.0) for one in partitions))

    def _forget_unwatched(self, user_id: str, watched: _Watched) -> None:
        if not watched.told:
            del self._watched[user_id]
            self._changed.pop(user_id, None)

    def _platforms_of(self, user_id: str) -> Platforms:
        return tuple(sorted({session.platform_id for session in self._sessions_of(user_id)}))

    def _tell(self, gateway: str, states: Sequence[tuple[str, list[int]]]) -> None:
        for first in range(0, len(states), STATES_PER_ITEM):
            self._outbox.send(gateway, items.Presences(list(states[first : first + STATES_PER_ITEM])))


def _device(session: DeviceSession) -> items.PresentDevice:
    return items.PresentDevice(
        session.platform_id, session.gateway, session.connection, session.background, session.token_digest
    )
