"""
Many rows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.storage.postgres.connection import DeadlineConnection
from openim_ray.storage.relational.history_tables import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

_NAMES = tuple(column.name for column in MESSAGES.columns)
_COLUMNS = ", ".join(_NAMES)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _NAMES if not MESSAGES.c[name].primary_key)

# Of the session, so it is made once; emptied by every commit.
_STAGE = "CREATE TEMPORARY TABLE IF NOT EXISTS history_stage (LIKE history_messages) ON COMMIT DELETE ROWS"
_FILL = f"COPY history_stage ({_COLUMNS}) FROM STDIN"
_MOVE = (
    f"INSERT INTO history_messages AS there ({_COLUMNS}) SELECT {_COLUMNS} FROM history_stage"  # noqa: S608 - names of columns
    f" ON CONFLICT (conversation_id, seq) DO UPDATE SET {_REPLACED} WHERE there.rev < excluded.rev"
)


def copy_history_rows(connection: Connection, rows: Sequence[Mapping[str, str | int | bytes]]) -> None:
    """
    Insert rows of the history, or replace those with a lower `rev`, by COPY into a table of the session.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, DeadlineConnection)
    driver.execute("SET LOCAL client_min_messages = error")  # that the table is there already
    driver.execute(_STAGE)
    with driver.cursor().copy(_FILL) as stage:
        for row in rows:
            stage.write_row([row[name] for name in _NAMES])
    driver.execute(_MOVE)
