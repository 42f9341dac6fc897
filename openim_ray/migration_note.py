"""
The note that a migration to database servers leaves in the data directory: what went where, and whether it came to its end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

NOTE = "migration.json"


class MigrationNote(msgspec.Struct, frozen=True):
    """
    A migration out of a data directory.

    Args:
        name: tells it from every other one.
        databases: where each database went, without passwords.
        finished_at: ISO 8601, UTC; empty while it is not finished.
    """

    name: str
    databases: dict[str, str]
    finished_at: str = ""


class NoteDamaged(Exception):
    """
    There is a note that can't be read; the text is one line.
    """


def read_note(data_dir: Path) -> MigrationNote | None:
    """
    Return the note of a data directory, None if there is none; NoteDamaged if it can't be read.
    """
    try:
        return msgspec.json.decode((data_dir / NOTE).read_bytes(), type=MigrationNote)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoteDamaged(f"{data_dir / NOTE} can't be read: {error}") from error


def write_note(data_dir: Path, note: MigrationNote) -> None:
    """
    Leave a note, durably and for the owner only.
    """
    partial = data_dir / f".{NOTE}.{os.getpid()}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(note)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(data_dir / NOTE)
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
