"""Our frames against Go's own gob and gzip (standard library only; needs the Go tool chain, no network)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openim_ray.protocol.encoding import GOB, GOB_GZIP, Encoding
from openim_ray.protocol.frames import Response
from tests.compat import recorded

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="the Go tool chain is not installed")

Ask = Callable[[dict[str, Any]], dict[str, Any]]

RESPONSES = [
    *(recorded.response_of(row) for row in recorded.responses()),
    Response(2001, "", "operation", 0, "", bytes(range(256)) * 3000),
    Response(-1, "é😀", "o" * 70_000, -(1 << 31), "e", b"x" * 999),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Build the peer, start it, and give a function that asks it one thing."""
    binary = tmp_path_factory.mktemp("go") / "peer"
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    source = Path(__file__).parent / "go_peer"
    subprocess.run(["go", "build", "-o", str(binary), "."], cwd=source, env=environment, check=True)
    with subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        stdin, stdout = peer.stdin, peer.stdout

        def ask_peer(command: dict[str, Any]) -> dict[str, Any]:
            stdin.write(json.dumps(command) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield ask_peer
        stdin.close()


@pytest.mark.parametrize("encoding", [GOB, GOB_GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize("response", RESPONSES, ids=range(len(RESPONSES)))
def test_go_reads_our_responses(ask: Ask, encoding: Encoding, response: Response) -> None:
    """Go's decoders read every recorded and every odd response as it was meant."""
    frame = b64encode(encoding.encode_response(response)).decode()

    answer = ask({"do": "read", "gzip": encoding.gzip, "frame": frame})

    assert answer == {
        "resp": {
            "reqIdentifier": response.req_identifier,
            "errCode": response.err_code,
            "errMsg": response.err_msg,
            "msgIncr": response.msg_incr,
            "operationID": response.operation_id,
            "data": b64encode(response.data).decode() if response.data else None,
        }
    }


@pytest.mark.parametrize("encoding", [GOB, GOB_GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize("variant", ["plain", "newer"])
@pytest.mark.parametrize("row", recorded.requests()[:8], ids=lambda row: row["msgIncr"][-6:])
def test_we_read_what_go_writes(ask: Ask, encoding: Encoding, variant: str, row: dict[str, Any]) -> None:
    """Requests of Go's encoders are read, also with other type ids, another order and unknown fields."""
    request = recorded.request_of(row)
    fields = {key: row[key] for key in ("reqIdentifier", "sendID", "operationID", "msgIncr")}

    answer = ask(
        {
            "do": "write",
            "gzip": encoding.gzip,
            "variant": variant,
            **fields,
            "data": b64encode(request.data).decode(),
        }
    )

    assert request == encoding.decode_request(b64decode(answer["frame"]))


def test_go_refuses_what_is_cut(ask: Ask) -> None:
    """The check above would notice a damaged frame."""
    frame = GOB_GZIP.encode_response(RESPONSES[0])

    assert "error" in ask({"do": "read", "gzip": True, "frame": b64encode(frame[:-1]).decode()})
