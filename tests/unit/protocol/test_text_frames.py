from __future__ import annotations

import pytest

from openim_ray.protocol.malformed import ProtocolError
from openim_ray.protocol.text_frames import TextFrameType, parse_text_frame, pong


@pytest.mark.parametrize(
    ("ping", "answer"),
    [
        ('{"type":"ping"}', '{"type":"pong","body":null}'),
        ('{"type":"ping","body":null}', '{"type":"pong","body":null}'),
        ('{"type":"ping","body":"17954941380"}', '{"type":"pong","body":"17954941380"}'),
        ('{"body":"é \\u0000 😀","type":"ping"}', '{"type":"pong","body":"é \\u0000 😀"}'),
        ('{"type":"ping","body":{"a":[1,2.50]},"x":1}', '{"type":"pong","body":{"a":[1,2.50]}}'),
    ],
)
def test_a_pong_has_the_body_of_its_ping(ping: str, answer: str) -> None:
    """The body comes back as the same JSON, and as null where there was none."""
    assert answer == pong(parse_text_frame(ping))


def test_a_clients_pong_is_told_apart() -> None:
    """A pong is read, not refused, so that it can refresh the deadline."""
    assert TextFrameType.PONG is parse_text_frame('{"type":"pong","body":"x"}').type


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ping",
        "null",
        "[]",
        "{}",
        '{"type":"PING"}',
        '{"type":"other"}',
        '{"type":1}',
        '{"type":"ping","body":}',
        '{"type":"ping"}x',
        '{"type":"ping","body":"\ud800"}',
        '{"type":"ping","body":' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
    ids=range(12),
)
def test_other_text_is_refused(text: str) -> None:
    """Whatever is neither ping nor pong raises ProtocolError."""
    with pytest.raises(ProtocolError, match="text frame"):
        parse_text_frame(text)
