"""
Drives one client of the PyPI package `openim-sdk-core`, in a process without this project's packages.

Speaks the same lines as `channel.mjs`. The package prints nothing and calls back on threads of its own.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
import time
import urllib.parse
import urllib.request
from typing import Any

CLOCK_SHIFT_SECONDS = int(os.environ.get("CLOCK_SHIFT_MS", "0")) / 1000
if CLOCK_SHIFT_SECONDS:
    real_time, real_time_ns = time.time, time.time_ns
    time.time = lambda: real_time() + CLOCK_SHIFT_SECONDS
    time.time_ns = lambda: real_time_ns() + int(CLOCK_SHIFT_SECONDS * 1_000_000_000)

from openim_sdk import OpenIMWSSDK, WSConfig  # noqa: E402 - the clock first

write_lock = threading.Lock()


def write(message: dict[str, Any]) -> None:
    """Write one line of the channel, from any thread."""
    with write_lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def emit(event: str, data: Any = None) -> None:
    """Tell the parent that something happened."""
    write({"event": event, "source": "pypi", "data": data})


def record_answers() -> None:
    """Report every HTTP answer that the package reads."""
    plain = urllib.request.urlopen

    def urlopen(*args: Any, **options: Any) -> Any:
        response = plain(*args, **options)
        read = response.read

        def read_and_report(*sizes: int) -> bytes:
            body: bytes = read(*sizes)
            text = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
            path = urllib.parse.urlparse(response.url).path
            emit("http", {"path": path, "status": response.status, "body": text.decode()})
            return body

        response.read = read_and_report
        return response

    urllib.request.urlopen = urlopen


class Driver:
    """The calls that the parent may make."""

    sdk: OpenIMWSSDK

    def login(self, user_id: str, token: str, ws_addr: str, api_addr: str, data_dir: str, platform_id: int) -> None:
        """Connect and pull what is missing."""
        config = WSConfig(ws_addr, api_addr, data_dir, platform_id, timeout_seconds=15.0, auto_sync_on_connect=True)
        self.sdk = OpenIMWSSDK(
            config,
            on_recv_new_message=lambda message: emit("OnRecvNewMessage", message.raw),
            on_recv_offline_new_message=lambda message: emit("OnRecvOfflineNewMessage", message.raw),
            on_connect_success=lambda: emit("OnConnectSuccess"),
            on_connect_failed=lambda error: emit("OnConnectFailed", str(error)),
            on_kicked_offline=lambda: emit("OnKickedOffline"),
            on_error=lambda error: emit("OnError", str(error)),
            logger=lambda text: sys.stderr.write(text + "\n"),
        )
        self.sdk.login(user_id, token)
        self.sdk.start()

    def send_text(self, text: str, peer: str) -> dict[str, Any]:
        """Send a text; the package doesn't wait for the server's answer."""
        return dict(self.sdk.send_text(text, recv_id=peer))

    def last_seq(self, conversation_id: str) -> int:
        """Return the position that the package keeps."""
        return int(self.sdk._storage.get_last_seq(conversation_id))

    def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return the messages that the package keeps."""
        return list(self.sdk._storage.list_messages([conversation_id], limit=1_000_000))

    def logout(self) -> None:
        """Log out, which here closes the connection only."""
        self.sdk.logout()


def main() -> None:
    """Answer the parent's calls until it closes the channel."""
    record_answers()
    driver = Driver()
    for line in sys.stdin:
        call = json.loads(line)
        try:
            write({"id": call["id"], "result": getattr(driver, call["method"])(*call["params"])})
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
            write({"id": call["id"], "error": {"code": getattr(error, "err_code", 0), "message": str(error)}})


main()
