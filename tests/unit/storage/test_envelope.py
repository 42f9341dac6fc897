from __future__ import annotations

import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openim_ray.domain.message import StoredMessage
from openim_ray.storage import envelope
from openim_ray.storage.envelope import Damaged, seal, unseal

ROW = StoredMessage(
    "si_a_b",  # type: ignore[arg-type]
    1,  # type: ignore[arg-type]
    "a",  # type: ignore[arg-type]
    "client",  # type: ignore[arg-type]
    "server",  # type: ignore[arg-type]
    1_764_000_000_000,
    101,
    sender_sync=True,
    operation_id="op",
    body=b"body",
)

texts = st.text(max_size=20)
numbers = st.integers(0, 1 << 62)
rows = st.builds(
    StoredMessage, texts, numbers, texts, texts, texts, numbers, st.integers(0, 10_000), st.booleans(), texts,
    st.binary(max_size=200), st.integers(0, 1000),
)  # fmt: skip


def columns_of(row: StoredMessage, sealed: bytes) -> envelope.Columns:
    """Return what the table holds of a row."""
    return (row.seq, row.sender_id, row.client_id, row.server_id, row.send_time, row.rev, sealed)


@given(rows)
def test_what_was_sealed_is_unsealed(row: StoredMessage) -> None:
    """Any message survives its envelope."""
    assert unseal(row.conversation_id, columns_of(row, seal(row))) == row


@given(rows, st.data())
def test_a_flipped_bit_is_damage(row: StoredMessage, data: st.DataObject) -> None:
    """Whatever bit changes, the row isn't served."""
    sealed = bytearray(seal(row))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(Damaged):
        unseal(row.conversation_id, columns_of(row, bytes(sealed)))


@given(st.binary(max_size=100))
def test_rubbish_is_damage(rubbish: bytes) -> None:
    """Bytes that nobody sealed raise Damaged and nothing else."""
    with pytest.raises(Damaged):
        unseal(ROW.conversation_id, columns_of(ROW, rubbish))


def test_an_envelope_begins_with_its_version() -> None:
    """The first byte is the version, so that a later format can be told from this one."""
    assert seal(ROW)[0] == envelope.VERSION == 1


def test_a_later_version_is_not_misread() -> None:
    """An envelope of another version is refused, even with a right checksum."""
    with pytest.raises(Damaged, match="version 2"):
        unseal(ROW.conversation_id, columns_of(ROW, b"\x02" + seal(ROW)[1:]))


@pytest.mark.parametrize("content", [b"", b"\xc1", msgpack.packb(7), msgpack.packb([1, 2]), msgpack.packb("abcde")])
def test_a_right_checksum_over_wrong_content(content: bytes) -> None:
    """Content that can't be what was sealed is damage, although its checksum is right."""
    columns = columns_of(ROW, b"")
    checksum = envelope._checksum(ROW.conversation_id, columns[:6], content)
    sealed = bytes([envelope.VERSION]) + checksum.to_bytes(4, "big") + content

    with pytest.raises(Damaged):
        unseal(ROW.conversation_id, columns_of(ROW, sealed))


def test_the_checksum_is_crc32() -> None:
    """The checksum depends on nothing but the stored values: another process finds the same."""
    content = seal(ROW)[5:]
    header = repr((ROW.conversation_id, (1, "a", "client", "server", 1_764_000_000_000, 0))).encode()

    assert zlib.crc32(content, zlib.crc32(header)).to_bytes(4, "big") == seal(ROW)[1:5]
