"""
Which inbox actor hosts which inbox and which log.

`partition = crc32(key) % 1024` and a table partition -> actor; a dedicated actor is a partition of its own, named after
its user. The table has an epoch: a request that went to the wrong actor is refused with it, and asked again with a newer table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from openim_ray.domain.ids import PARTITIONS, partition_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


_PARTITION_NAMES = tuple(map(str, range(PARTITIONS)))


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
            owned += _PARTITION_NAMES[index::count]
        return owned

    def returned_since(self, older: Placement, shard: str) -> list[str]:
        """
        Return the partitions of users who had an actor of their own and are back at `shard`.

        They keep them: in the partition that their ids fall into, the epoch may be lower, and an inbox's position never goes backwards.
        """
        back = [user_id for user_id in older.dedicated if user_id not in self.dedicated]
        return [user_partition(user_id) for user_id in back if self.inbox_of(user_id) == shard]

    def moved_since(self, older: Placement, user_ids: Collection[str]) -> list[str]:
        """Return those of some users (looked up by hash) whose inboxes are hosted by another actor than before."""
        same_shards = self.shards == older.shards
        candidates = (self.dedicated.keys() | older.dedicated.keys()) if same_shards else user_ids
        return [one for one in candidates if one in user_ids and self.inbox_of(one) != older.inbox_of(one)]

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


def longest_idle(idle_seconds: Mapping[str, float | None]) -> str | None:
    """
    Return the user whose dedicated actor is given back where the limit is reached: the one longest without use.

    None if every one of them has a device connected (`idle_seconds` None): then who comes next shares.
    """
    idle = {user_id: seconds for user_id, seconds in idle_seconds.items() if seconds is not None}
    return max(idle, key=idle.__getitem__, default=None)
