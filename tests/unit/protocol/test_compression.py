from __future__ import annotations

import gzip
import random
import zlib

import pytest

from openim_ray.protocol.compression import STORED_BELOW_BYTES, compress, decompress
from openim_ray.protocol.malformed import ProtocolError

LIMIT = 100_000
SIZES = [0, 1, 10, 127, 128, 500, STORED_BELOW_BYTES - 1, STORED_BELOW_BYTES, STORED_BELOW_BYTES + 1, 5000, 90_000]


def payload(size: int) -> bytes:
    """Return text-like bytes."""
    return random.Random(size).choices(b'abcdefgh {}:,"', k=size).__str__().encode()[:size]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_one_valid_gzip_stream(size: int) -> None:
    """Python's gzip module and zlib, which check header, CRC and length, read what we write to the last byte."""
    data = payload(size)

    stream = compress(data)

    assert data == gzip.decompress(stream)
    reader = zlib.decompressobj(31)
    assert data == reader.decompress(stream)
    assert reader.eof
    assert reader.unused_data == b""


@pytest.mark.parametrize("size", SIZES)
def test_header_and_trailer_are_those_of_the_standard(size: int) -> None:
    """Magic, method, no flags; then CRC-32 and length of the data, little-endian (RFC 1952)."""
    data = payload(size)

    stream = compress(data)

    assert stream[:4] == b"\x1f\x8b\x08\x00"
    assert stream[-8:-4] == zlib.crc32(data).to_bytes(4, "little")
    assert stream[-4:] == size.to_bytes(4, "little")


def test_the_same_bytes_give_the_same_stream() -> None:
    """No clock goes into the header."""
    assert compress(payload(5000)) == compress(payload(5000))


def test_small_messages_grow_by_a_fixed_amount_and_large_ones_shrink() -> None:
    """A stored block costs 23 bytes; from the threshold on, text gets smaller."""
    assert len(compress(payload(500))) == 523
    assert len(compress(b"a" * STORED_BELOW_BYTES)) < 100


@pytest.mark.parametrize("size", SIZES)
def test_round_trip(size: int) -> None:
    """What is compressed is read back."""
    assert payload(size) == decompress(compress(payload(size)), LIMIT)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_other_writers_are_read(level: int) -> None:
    """Streams with a name, a time and any level are read."""
    assert payload(3000) == decompress(gzip.compress(payload(3000), level, mtime=12345), LIMIT)


def test_the_limit_is_exact() -> None:
    """As many bytes as allowed pass, one more doesn't."""
    assert len(decompress(compress(b"a" * LIMIT), LIMIT)) == LIMIT

    with pytest.raises(ProtocolError, match="larger"):
        decompress(compress(b"a" * (LIMIT + 1)), LIMIT)


def test_a_bomb_is_refused() -> None:
    """Two hundred megabytes in two hundred kilobytes are refused; zlib is told to stop at the limit."""
    bomb = zlib.compressobj(9, wbits=31)
    stream = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(50)) + bomb.flush()

    with pytest.raises(ProtocolError, match="larger"):
        decompress(stream, LIMIT)


def test_a_bomb_of_empty_blocks_is_refused_in_one_pass() -> None:
    """A stream that never produces anything ends with its input."""
    stream = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * 10_000

    with pytest.raises(ProtocolError, match="truncated"):
        decompress(stream, LIMIT)


@pytest.mark.parametrize("data", [payload(20), payload(4000)], ids=["stored", "deflated"])
def test_every_truncation_is_refused(data: bytes) -> None:
    """No prefix of a stream is a stream."""
    stream = compress(data)

    for length in range(len(stream)):
        with pytest.raises(ProtocolError, match="truncated"):
            decompress(stream[:length], LIMIT)


@pytest.mark.parametrize("tail", [b"\0", b"tail", compress(b"second member"), compress(b"")])
def test_anything_after_the_stream_is_refused(tail: bytes) -> None:
    """A message is one stream: neither rubbish nor a second member may follow."""
    with pytest.raises(ProtocolError, match="after the stream"):
        decompress(compress(b"first") + tail, LIMIT)


@pytest.mark.parametrize("data", [b"", b"plain text", b"\x1f\x8b", b"\x1f\x8b\x07" + bytes(20), b"\x78\x9c" + bytes(9)])
def test_what_is_no_gzip_is_refused(data: bytes) -> None:
    """Plain bytes, other methods and bare zlib streams raise ProtocolError."""
    with pytest.raises(ProtocolError, match="gzip"):
        decompress(data, LIMIT)


def test_damaged_streams_never_give_other_data() -> None:
    """One changed bit is refused or harmless (in the header's time or system), never read as something else."""
    data = payload(1500)
    stream = compress(data)
    dice = random.Random(3)

    for _ in range(1500):
        damaged = bytearray(stream)
        damaged[dice.randrange(len(stream))] ^= 1 << dice.randrange(8)
        try:
            assert data == decompress(bytes(damaged), LIMIT)
        except ProtocolError:
            continue
