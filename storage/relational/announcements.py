"""
What is still to be told of accounts that changed: `transactions`, profile announcements.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from openim_ray.domain.people import ProfileAnnouncement
from openim_ray.storage.relational.dialects import TEXT, Upsert, replacing
from openim_ray.storage.relational.directory_tables import PROFILE_ANNOUNCEMENTS

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TABLE = PROFILE_ANNOUNCEMENTS
_IS_OF_USER = _TABLE.c.user_id == bindparam("user", type_=TEXT)

_OF_USER = select(_TABLE).where(_IS_OF_USER)
_NEXT = select(_TABLE).order_by(_TABLE.c.moved_ms, _TABLE.c.user_id).limit(1)
_PUT = Upsert(_TABLE, replacing(_TABLE, "user_id"))
_DELETE = delete(_TABLE).where(_IS_OF_USER)


def of_user(connection: Connection, user_id: str) -> ProfileAnnouncement | None:
    """
    Return what is still to be told of a user.
    """
    row = connection.execute(_OF_USER, {"user": user_id}).mappings().first()
    return ProfileAnnouncement(**row) if row else None


def next_one(connection: Connection) -> ProfileAnnouncement | None:
    """
    Return the announcement that was moved on longest ago.
    """
    row = connection.execute(_NEXT).mappings().first()
    return ProfileAnnouncement(**row) if row else None


def put(connection: Connection, announcement: ProfileAnnouncement) -> None:
    """
    Add an announcement, or replace the user's.
    """
    connection.execute(_PUT.on(connection), asdict(announcement))


def forget(connection: Connection, user_id: str) -> None:
    """
    Delete a user's announcement.
    """
    connection.execute(_DELETE, {"user": user_id})
