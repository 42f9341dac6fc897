"""
Which inbox actor hosts which inbox and which log.

`partition = crc32(key) % 1024` and a table partition -> actor; a dedicated actor is a partition of its own, named after
its user. The table has an epoch: a request that went to the wrong actor is refused with it, and asked again with a newer table.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from openim_ray.domain.ids import PARTITIONS, partition_of


class Placement(msgspec.Struct, frozen=True):
    """
    The table: `shards` take the partitions in turn, `dedicated` users have an actor each.
    """

    epoch: int
    shards: tuple[str, ...]
    dedicated: dict[str, str] = {}

    def inbox_of(self, user_id: str) -> str:
        """Return the actor that hosts a user's inbox."""
        return self.dedicated.get(user_id) or self._shard(partition_of(user_id))

    def log_of(self, home_key: str) -> str:
        """Return the actor that hosts a log."""
        return self._shard(partition_of(home_key))

    def actors(self) -> list[str]:
        """Return every actor that hosts something."""
        return list(dict.fromkeys((*self.shards, *self.dedicated.values())))

    def partitions_of(self, shard: str) -> list[str]:
        """Return the names of the partitions that an actor owns."""
        owned = [user_partition(user_id) for user_id, actor in self.dedicated.items() if actor == shard]
        if shard in self.shards:
            index, count = self.shards.index(shard), len(self.shards)
            owned += [str(number) for number in range(PARTITIONS) if number % count == index]
        return owned

    def inbox_partition(self, user_id: str) -> str:
        """Return the name of the partition of a user's inbox."""
        return user_partition(user_id) if user_id in self.dedicated else log_partition(user_id)

    def _shard(self, partition: int) -> str:
        return self.shards[partition % len(self.shards)]


def log_partition(home_key: str) -> str:
    """
    Return the name of the partition of a log.
    """
    return str(partition_of(home_key))


def user_partition(user_id: str) -> str:
    """
    Return the name of the partition that a dedicated inbox is.
    """
    return f"user:{user_id}"


class Dedication(NamedTuple):
    """
    A decision of the per-user policy: give a user an actor of her own, taking one away first where the limit is reached.
    """

    user_id: str
    retired_user_id: str | None


class DedicatedPolicy:
    """
    Placement "per-user": every active user has an actor of her own, up to a limit; the longest idle one is given back.
    """

    def __init__(self, actors_max: int, named_users: tuple[str, ...] = ()) -> None:
        self._actors_max = actors_max
        self._named = frozenset(named_users)
        self._last_active: dict[str, float] = {}

    def touch(self, user_id: str, now: float) -> Dedication | None:
        """Note activity of a user; return what is to be done if she has no actor yet and may have one."""
        retired = None
        if user_id in self._last_active:
            self._last_active[user_id] = now
            return None
        if len(self._last_active) >= self._actors_max:
            retired = self._longest_idle()
            if retired is None:
                return None
            del self._last_active[retired]
        self._last_active[user_id] = now
        return Dedication(user_id, retired)

    def _longest_idle(self) -> str | None:
        candidates = [user_id for user_id in self._last_active if user_id not in self._named]
        return min(candidates, key=self._last_active.__getitem__, default=None)
