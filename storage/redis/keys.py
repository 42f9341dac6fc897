"""
Names in Redis.
"""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain.ids import partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.storage.places import Places

_NAME_CHARACTERS = 16


class Keys(NamedTuple):
    """
    Names of what a server keeps in Redis; servers with different relational copies may share one.

    Args:
        prefix: of all names.
        writers: the persistence actors; each user's rows have one writer, the same as in `core.shard_saves`.
    """

    prefix: str
    writers: Sequence[str]

    @classmethod
    def of(cls, places: Places, writers: Sequence[str]) -> Keys:
        """Return the names of a server whose relational copy is at these places."""
        location = places.directory.rpartition("@")[2] or f"{socket.gethostname()}:{places.data_dir}"
        return cls(f"openim:{hashlib.sha256(location.encode()).hexdigest()[:_NAME_CHARACTERS]}", writers)

    def lease(self, writer: str) -> str:
        """Return the name of a writer's lease."""
        return f"{self.prefix}:lease:{writer}"

    def lease_of(self, user_id: str) -> str:
        """Return the name of the lease of the user's writer."""
        return self.lease(self.writers[partition_of(user_id) % len(self.writers)])

    def token(self, user_id: str, platform_id: int, digest: str) -> bytes:
        """Return the name of the copy of a token's state; a digest alone says nothing of whose it is."""
        return _bytes(f"{self.prefix}:token:{digest}:{platform_id}:{user_id}")

    def positions(self, user_id: str) -> bytes:
        """Return the name of the copy of a user's read positions."""
        return _bytes(f"{self.prefix}:positions:{user_id}")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")  # no such user exists, but who asks for one must not fail here
