"""
Watches: whose presence the clients of a gateway watch (OpenIM wire, §3.9).

The gateway watches a user once, for all of its connections that do, and keeps what it heard of her: who begins to watch somebody who is
watched already is answered at once, and a client that comes back costs the inboxes nothing. Promises: a connection is told every change
that its gateway hears of from the moment it asks on; what was lost with an inbox or a link is asked for again, and differences are told.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core import items
from openim_ray.domain import errors
from openim_ray.domain.ids import user_id_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openim_ray.core.placement import Placement

WATCHED_MAX = 2_000
"""Users that one connection watches."""

WATCHERS_MAX = 10_000
"""Connections of one gateway that watch the same user: each change costs a frame for each of them."""

WATCHES_MAX = 1_000_000
"""Pairs of a connection and a user it watches, of one gateway; each takes about 100 bytes."""

USERS_PER_ITEM = 500
RETRY_SECONDS = 8.0
"""After this time to twice as long what was not answered is said again; longer than an inbox actor may wait before it answers."""

Platforms = tuple[int, ...]
States = tuple[tuple[str, Platforms], ...]


class ShowPresence(NamedTuple):
    """
    Write these states to these connections as a 2005.
    """

    states: States
    connections: list[int]


class StatusChanged(NamedTuple):
    """
    Write that a user came to a platform or left it to these connections, as a notification (1304).
    """

    user_id: str
    platform_id: int
    online: bool
    connections: list[int]


class Known(NamedTuple):
    """
    All that was asked for is known.
    """

    context: object


class Asking:
    """
    A request that waits until users are known.
    """

    __slots__ = ("context", "missing")

    def __init__(self, context: object, missing: set[str]) -> None:
        self.context = context
        self.missing = missing


class _Watched:
    __slots__ = ("askings", "connections", "notified", "owed", "platforms")

    def __init__(self) -> None:
        self.platforms: Platforms | None = None
        self.connections: set[int] = set()
        self.askings: list[Asking] = []
        self.notified: set[int] = set()
        """Those of the connections that are told by notifications, too."""

        self.owed: set[int] = set()
        """Connections whose answer had to leave this user out: told as soon as she is known."""


class Watches:
    """
    Who watches whom at one gateway.

    Limits: `WATCHED_MAX`, `WATCHERS_MAX` and `WATCHES_MAX`; what would go beyond is refused as a whole.

    Args:
        home_of: returns the actor that hosts a user's inbox.
        send: lets an item go to an actor.
        emit: leaves behind what is to be done.
    """

    def __init__(
        self,
        home_of: Callable[[str], str],
        send: Callable[[str, items.AnyItem], None],
        emit: Callable[[ShowPresence | StatusChanged | Known], None],
    ) -> None:
        self._home_of = home_of
        self._send = send
        self._emit = emit
        self._users: dict[str, _Watched] = {}
        self._watched_by: dict[int, set[str]] = {}
        self._count = 0
        self._due: dict[str, None] = {}
        """Users that are to be asked for."""

        self._asked: dict[str, None] = {}
        self._asked_before: dict[str, None] = {}
        self._refused: dict[str, None] = {}
        self._quiet: dict[int, set[str]] = {}
        """Connection to which nothing is written now -> users of whom it has missed something."""

        self._next_retry = 0.0

    def __len__(self) -> int:
        """Return how many pairs of a connection and a user there are."""
        return self._count

    # --- what clients ask

    def change(self, connection: int, subscribe: Iterable[str], unsubscribe: Iterable[str]) -> None:
        """
        Let a connection watch users no more, and then others; repetitions change nothing.

        Raises:
            ArgsError: an id that no user can have, or more users than one may watch, or more watchers than one user may have.
            Overloaded: the gateway keeps as many as it can.
        """
        watched = self._watched_by.get(connection, set())
        wanted = dict.fromkeys(subscribe)
        leaving = {one for one in unsubscribe if one not in wanted} & watched
        added = [user_id for user_id in wanted if user_id not in watched]
        self._check(added, len(watched) - len(leaving) + len(added))
        for user_id in leaving:
            watched.discard(user_id)
        self._unwatch(connection, leaving)
        for user_id in added:
            self._watch(connection, user_id)
        if added:
            self._watched_by.setdefault(connection, watched).update(added)
        elif not watched:
            self._watched_by.pop(connection, None)

    def subscribe(self, connection: int, subscribe: Iterable[str], unsubscribe: Iterable[str]) -> None:
        """
        Let a connection watch users by notifications, too, or watch them no more: the older form of a subscription.

        Nobody waits for an answer: what is refused (see `change`) is not watched.
        """
        wanted = list(subscribe)
        try:
            self.change(connection, wanted, unsubscribe)
        except errors.OpenIMError:
            return
        for user_id in wanted:
            self._users[user_id].notified.add(connection)

    def watched_by(self, connection: int) -> Iterable[str]:
        """Return the users that a connection watches."""
        return self._watched_by.get(connection, ())

    def states(self, user_ids: Iterable[str]) -> States:
        """Return what is known of watched users, each once, in this order."""
        known = ((user_id, self._users.get(user_id)) for user_id in dict.fromkeys(user_ids))
        return tuple(
            (user_id, one.platforms) for user_id, one in known if one is not None and one.platforms is not None
        )

    def wait(self, user_ids: Iterable[str], context: object) -> Asking | None:
        """Have `Known` with this context left behind when all these users are known; None if they are."""
        asking = Asking(
            context, {one for one in user_ids if (there := self._users.get(one)) and there.platforms is None}
        )
        if not asking.missing:
            return None
        for user_id in asking.missing:
            self._users[user_id].askings.append(asking)
        return asking

    def give_up(self, asking: Asking, connection: int) -> None:
        """Wait no more: its answer leaves out who isn't known, and the connection is told later."""
        for user_id in asking.missing:
            watched = self._users.get(user_id)
            if watched is None or asking not in watched.askings:
                continue
            watched.askings.remove(asking)
            if connection in watched.connections:
                watched.owed.add(connection)

    def drop(self, connection: int) -> None:
        """Forget a connection that is gone."""
        self._quiet.pop(connection, None)
        self._unwatch(connection, self._watched_by.pop(connection, ()))

    def pause(self, connection: int) -> None:
        """Write nothing to a connection until `resume`."""
        self._quiet.setdefault(connection, set())

    def resume(self, connection: int) -> None:
        """Write again, and first what it has missed."""
        missed = self._quiet.pop(connection, None)
        if missed:
            self._show({self.states(sorted(missed)): [connection]})

    # --- what inboxes say

    def heard(self, peer: str, item: items.Presences) -> None:
        """Take the states of users from their home."""
        news: dict[int, list[tuple[str, Platforms]]] = {}
        for user_id, platform_ids in item.states:
            watched = self._users.get(user_id)
            if watched is None or self._home_of(user_id) != peer:
                continue
            self._confirmed(user_id)
            platforms = tuple(platform_ids)
            before, watched.platforms = watched.platforms, platforms
            self._answer_askings(user_id, watched)
            concerned = watched.owed if before is None else watched.connections
            if before != platforms:
                for connection in concerned:
                    self._note(connection, (user_id, platforms), news)
                if before is not None and watched.notified:
                    self._notify(user_id, watched, before)
            watched.owed.clear()
        grouped: dict[States, list[int]] = {}
        for connection, states in news.items():
            grouped.setdefault(tuple(states), []).append(connection)
        self._show(grouped)

    def ended(self, item: items.WatchEnded) -> None:
        """Ask again a little later where these users live now."""
        for user_id in item.user_ids:
            if user_id in self._users:
                self._confirmed(user_id)
                self._refused[user_id] = None

    # --- what happens to a gateway

    def lost(self, peer: str) -> None:
        """Ask again for everybody who lives there: something may have been lost, or the watches have ended."""
        self._due.update(dict.fromkeys(user_id for user_id in self._users if self._home_of(user_id) == peer))

    def placed(self, older: Placement, newer: Placement) -> None:
        """Ask again for everybody whose home is another one now."""
        self._due.update(dict.fromkeys(newer.moved_since(older, self._users)))

    def send_due(self, count_max: int) -> None:
        """Say whom this gateway watches, so many at once."""
        if not self._due:
            return
        by_home: dict[str, list[tuple[str, list[int] | None]]] = {}
        for user_id in list(islice(self._due, count_max)):
            self._confirmed(user_id)
            self._asked[user_id] = None
            platforms = self._users[user_id].platforms
            shown = None if platforms is None else list(platforms)
            by_home.setdefault(self._home_of(user_id), []).append((user_id, shown))
        for home, users in by_home.items():
            for first in range(0, len(users), USERS_PER_ITEM):
                self._send(home, items.Watch(users[first : first + USERS_PER_ITEM]))

    def retry(self, now: float) -> None:
        """Let what was refused be said again, and what was not answered for long; to be called a few times a second."""
        self._due.update(self._refused)
        self._refused.clear()
        if now >= self._next_retry:
            self._next_retry = now + RETRY_SECONDS
            self._due.update(self._asked_before)
            self._asked_before, self._asked = self._asked, {}

    # --- parts

    def _check(self, added: Sequence[str], count: int) -> None:
        if not added:
            return
        for user_id in added:
            if (fault := user_id_fault(user_id)) is not None:
                raise errors.ArgsError(f"subscribeUserID: {fault}")
        if count > WATCHED_MAX:
            raise errors.ArgsError(f"subscribeUserID: a connection watches at most {WATCHED_MAX} users")
        for user_id in added:
            if (watched := self._users.get(user_id)) is not None and len(watched.connections) >= WATCHERS_MAX:
                raise errors.ArgsError(f"subscribeUserID: {user_id} is watched by as many as may")
        if self._count + len(added) > WATCHES_MAX:
            raise errors.Overloaded("too many users are watched")

    def _watch(self, connection: int, user_id: str) -> None:
        watched = self._users.get(user_id)
        if watched is None:
            watched = self._users[user_id] = _Watched()
            self._due[user_id] = None
        watched.connections.add(connection)
        self._count += 1

    def _unwatch(self, connection: int, user_ids: Iterable[str]) -> None:
        by_home: dict[str, list[str]] = {}
        missed = self._quiet.get(connection, set())
        for user_id in user_ids:
            watched = self._users[user_id]
            watched.connections.discard(connection)
            watched.owed.discard(connection)
            watched.notified.discard(connection)
            missed.discard(user_id)
            self._count -= 1
            if not watched.connections:
                del self._users[user_id]
                self._answer_askings(user_id, watched)
                self._confirmed(user_id)
                by_home.setdefault(self._home_of(user_id), []).append(user_id)
        for home, unwatched in by_home.items():
            self._send(home, items.Unwatch(unwatched))

    def _answer_askings(self, user_id: str, watched: _Watched) -> None:
        for asking in watched.askings:
            asking.missing.discard(user_id)
            if not asking.missing:
                self._emit(Known(asking.context))
        watched.askings.clear()

    def _confirmed(self, user_id: str) -> None:
        """Forget that a user is to be asked for, or was."""
        for waiting in (self._due, self._asked, self._asked_before, self._refused):
            waiting.pop(user_id, None)

    def _note(
        self, connection: int, state: tuple[str, Platforms], news: dict[int, list[tuple[str, Platforms]]]
    ) -> None:
        missed = self._quiet.get(connection)
        if missed is None:
            news.setdefault(connection, []).append(state)
        else:
            missed.add(state[0])

    def _notify(self, user_id: str, watched: _Watched, before: Platforms) -> None:
        connections = [one for one in watched.notified if one not in self._quiet]
        platforms = watched.platforms or ()
        for platform_id in sorted({*before} ^ {*platforms}):
            if connections:
                self._emit(StatusChanged(user_id, platform_id, platform_id in platforms, connections))

    def _show(self, grouped: dict[States, list[int]]) -> None:
        for states, connections in grouped.items():
            self._emit(ShowPresence(states, connections))
