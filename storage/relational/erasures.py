"""
Accounts that are erased: how far that has come, and what goes at once.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, or_, select, text, update

from openim_ray.domain.erasure import Erasure
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, replacing
from openim_ray.storage.relational.directory_tables import (
    CLIENT_CONFIG,
    CONVERSATIONS,
    ERASURES,
    FRIEND_REQUESTS,
    GROUP_REQUESTS,
    MEMBERS,
    USER_COMMANDS,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

_USER = bindparam("erased_user", type_=TEXT)

_ALL = select(*ERASURES.c)
_FIND = _ALL.where(ERASURES.c.user_id == _USER)
_UNFINISHED = (
    _ALL.where(ERASURES.c.finished_ms == text("0"), ERASURES.c.user_id > _USER)
    .order_by(ERASURES.c.user_id)
    .limit(bindparam("size", type_=INTEGER))
)
_PUT = Upsert(ERASURES, replacing(ERASURES, "user_id"))

_REQUESTS, _ASKED = GROUP_REQUESTS.c, FRIEND_REQUESTS.c
_FORGET = (
    delete(USER_COMMANDS).where(USER_COMMANDS.c.user_id == _USER),
    delete(CLIENT_CONFIG).where(CLIENT_CONFIG.c.user_id == _USER),
    delete(FRIEND_REQUESTS).where(or_(_ASKED.from_user_id == _USER, _ASKED.to_user_id == _USER)),
    update(FRIEND_REQUESTS).where(_ASKED.handler_user_id == _USER).values(handle_msg=""),
    delete(GROUP_REQUESTS).where(_REQUESTS.user_id == _USER),
    update(GROUP_REQUESTS).where(_REQUESTS.inviter_user_id == _USER).values(req_msg="", ex=""),
    update(GROUP_REQUESTS).where(_REQUESTS.handle_user_id == _USER).values(handle_msg=""),
    update(MEMBERS).where(MEMBERS.c.user_id == _USER).values(nickname="", face_url="", ex=""),
    update(CONVERSATIONS).where(CONVERSATIONS.c.owner_user_id == _USER).values(ex="", attached_info=""),
)


def find(connection: Connection, user_id: str) -> Erasure | None:
    """
    Return how far an erasure has come.
    """
    row = connection.execute(_FIND, {"erased_user": user_id}).mappings().one_or_none()
    return None if row is None else Erasure(**row)


def unfinished(connection: Connection, after: str, limit: int) -> list[Erasure]:
    """
    Return those that are not done, behind an id.
    """
    rows = connection.execute(_UNFINISHED, {"erased_user": after, "size": limit})
    return [Erasure(**row) for row in rows.mappings()]


def put(connection: Connection, erasure: Erasure) -> None:
    """
    Add or replace an erasure.
    """
    connection.execute(_PUT.on(connection), asdict(erasure))


def forget_texts(connection: Connection, user_id: str) -> None:
    """
    Delete or empty what a user said beside messages.
    """
    for statement in _FORGET:
        connection.execute(statement, {"erased_user": user_id})
