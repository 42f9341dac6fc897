"""
Whether a write-ahead log holds commits that SQLite does not see, because something before them was damaged.

SQLite reads a log up to the first frame that fails its checksum, and takes the rest for what a crash left. A crash can leave one
transaction like that, the last one, as each is on the disk before the next begins: two commits behind the end are damage.
"""

from __future__ import annotations

import shutil
import struct
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
_SHARED_FRAMES_AT = 16
_SHARED_SALTS_AT = 32


def inspect_wal(path: Path) -> list[str]:
    """
    Return what is wrong with the write-ahead log of a file, to which somebody has a connection; servers may write meanwhile.

    https://sqlite.org/fileformat2.html#walformat, https://sqlite.org/walformat.html
    """
    wal = Path(f"{path}-wal")
    try:
        with wal.open("rb") as file:
            header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return []
        if not _is_whole(header):
            return ["the write-ahead log begins with a damaged header; what it holds is lost"]
        page = _HEADER.unpack(header)[2]
        commits = list(_commits(wal, page, header[16:24]))
        # Read after the frames: each commit is noted here before the next one begins.
        shared = Path(f"{path}-shm").read_bytes()
    except FileNotFoundError:
        return []
    (seen,) = struct.unpack_from("=I", shared, _SHARED_FRAMES_AT)
    if shared[_SHARED_SALTS_AT : _SHARED_SALTS_AT + 8] != header[16:24] and seen:
        return []  # begun anew meanwhile
    lost = [frame for frame in commits if frame > seen]
    if len(lost) < 2:
        return []
    return [f"the write-ahead log is damaged at frame {seen + 1}; {len(lost)} transactions behind it are lost"]


def keep_if_damaged(path: Path) -> list[str]:
    """
    Copy a write-ahead log that is damaged aside, and return what is wrong with it: the next who writes begins it anew. Blocks.

    Unavailable if it can't be copied. What is wrong with the file itself is left to who opens it.
    """
    wal = Path(f"{path}-wal")
    if not wal.exists():
        return []
    try:
        with driver_errors(path), closing(connect_reader(path)) as connection:
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            faults = inspect_wal(path)
    except Unavailable:
        return []
    if not faults:
        return []
    copy, number = wal.with_name(f"{wal.name}.damaged"), 0
    while copy.exists():
        number += 1
        copy = wal.with_name(f"{wal.name}.damaged-{number}")
    try:
        shutil.copyfile(wal, copy)
        copy.chmod(0o600)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise Unavailable(f"{wal.name} is damaged and can't be copied: {error.strerror}") from error
    return [f"{path.name}: {fault}; as it is, it is kept in {copy}" for fault in faults]


def _is_whole(header: bytes) -> bool:
    magic = _HEADER.unpack(header)[0]
    if magic not in _MAGIC:
        return False
    one = two = 0
    for first, second in struct.iter_unpack(f"{_MAGIC[magic]}2I", header[:24]):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return (one, two) == _HEADER.unpack(header)[6:8]


def _commits(wal: Path, page: int, salts: bytes) -> Iterator[int]:
    """Yield the numbers (from 1) of frames that end a transaction of this log."""
    with wal.open("rb") as file:
        file.seek(_HEADER.size)
        number = 0
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            number += 1
            if head[8:16] == salts and _FRAME.unpack(head)[1]:
                yield number
            file.seek(page, 1)
