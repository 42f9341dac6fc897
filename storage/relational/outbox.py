"""
The outbox: effects that wait for the owners of logs, numbered per log.

The number is raised in the transaction that puts the effect, in the log's row of `outbox_logs`: who puts another one has to wait for that
row, so numbers ascend in the order of the commits. That row stays for ever; a log has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, delete, func, insert, select, update

from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert
from openim_ray.storage.relational.directory_tables import OUTBOX, OUTBOX_LOGS
from openim_ray.transactions import WaitingEffect

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import Insert

_LOGS = OUTBOX_LOGS.c
_KEY = bindparam("key", type_=TEXT)
_LIMIT = bindparam("size", type_=INTEGER)


def _next_number(new: Any) -> Insert:
    statement: Insert = new.on_conflict_do_update(
        index_elements=["home_key"],
        set_={
            "number": _LOGS.number + 1,
            "waiting_since": func.coalesce(_LOGS.waiting_since, new.excluded.waiting_since),
        },
    ).returning(_LOGS.number)
    return statement


_RAISE = Upsert(OUTBOX_LOGS, _next_number)
_PUT = insert(OUTBOX)
_WAITING = (
    select(OUTBOX.c.number, OUTBOX.c.payload, OUTBOX.c.created_ms)
    .where(OUTBOX.c.home_key == _KEY)
    .order_by(OUTBOX.c.number)
    .limit(_LIMIT)
)
_LOGS_WAITING = (
    select(_LOGS.home_key)
    .where(_LOGS.waiting_since.is_not(None))
    .order_by(_LOGS.waiting_since, _LOGS.home_key)
    .limit(_LIMIT)
)
_REPLACE = (
    update(OUTBOX)
    .where(
        OUTBOX.c.home_key == _KEY,
        OUTBOX.c.number == bindparam("which", type_=BigInteger),
        OUTBOX.c.payload == bindparam("before", type_=OUTBOX.c.payload.type),
    )
    .values(payload=bindparam("after", type_=OUTBOX.c.payload.type))
)
_DELETE = delete(OUTBOX).where(OUTBOX.c.home_key == _KEY, OUTBOX.c.number <= bindparam("through", type_=BigInteger))
_FIRST_LEFT = select(OUTBOX.c.created_ms).where(OUTBOX.c.home_key == _KEY).order_by(OUTBOX.c.number).limit(1)
_WAIT_SINCE = update(OUTBOX_LOGS).where(_LOGS.home_key == _KEY).values(waiting_since=_FIRST_LEFT.scalar_subquery())


def put(connection: Connection, home_key: str, payload: bytes, created_ms: int) -> None:
    """
    Put an effect behind what waits for this log.
    """
    first = {"home_key": home_key, "number": 1, "waiting_since": created_ms}
    number = connection.execute(_RAISE.on(connection), first).scalar_one()
    row = {"home_key": home_key, "number": number, "payload": payload, "created_ms": created_ms}
    connection.execute(_PUT, row)


def waiting(connection: Connection, home_key: str, limit: int) -> list[WaitingEffect]:
    """
    Return what waits for a log, in order.
    """
    rows = connection.execute(_WAITING, {"key": home_key, "size": max(0, limit)})
    return [WaitingEffect(number, bytes(payload), created_ms) for number, payload, created_ms in rows]


def logs(connection: Connection, limit: int) -> list[str]:
    """
    Return the logs for which something waits, longest first.
    """
    return list(connection.scalars(_LOGS_WAITING, {"size": max(0, limit)}))


def replace(connection: Connection, home_key: str, number: int, before: bytes, after: bytes) -> bool:
    """
    Let what waits under a number read otherwise; False if it does not read like `before`, or waits no more.
    """
    values = {"key": home_key, "which": number, "before": before, "after": after}
    return connection.execute(_REPLACE, values).rowcount == 1


def forget(connection: Connection, home_key: str, through: int) -> None:
    """
    Delete what was applied.
    """
    if connection.execute(_DELETE, {"key": home_key, "through": through}).rowcount:
        connection.execute(_WAIT_SINCE, {"key": home_key})
