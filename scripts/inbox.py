#!/usr/bin/env python3
"""
Ask a user's live inbox: `scripts/inbox.py alice [--json] [--data-dir DIR] [--timeout SECONDS]`.

Exit status: 0 answered, 2 no server, no such user, or no answer in time; the reason is one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Any, NoReturn

from openim_ray.actors import ClusterError, connect, inbox
from openim_ray.actors.cluster import answer_of
from openim_ray.domain.errors import OpenIMError

ANSWER_SECONDS = 2.0


def main() -> int:
    """Ask and print."""
    options = _parser().parse_args()
    giving_up = _give_up_after(options.timeout)
    try:
        connect(options.data_dir)
        described: dict[str, Any] = answer_of(inbox(options.user_id).describe.remote(), options.timeout)
    except ClusterError as error:
        return _fail(str(error))
    except OpenIMError as error:
        return _fail(error.detail or str(error))
    finally:
        giving_up.cancel()
    if options.json:
        sys.stdout.write(json.dumps(described, ensure_ascii=False) + "\n")
    else:
        _print(described)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Ask a user's live inbox actor.")
    parser.add_argument("user_id", metavar="USER")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="the server's data directory (or OPENIM_DATA_DIR; default ./data)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=ANSWER_SECONDS,
        metavar="SECONDS",
        help=f"how long the server may take to answer (default {ANSWER_SECONDS:g})",
    )
    return parser


def _give_up_after(seconds: float) -> threading.Timer:
    """End the script when time is up, wherever it is."""
    terminal = os.dup(2)

    def give_up() -> None:
        text = f"no answer from the server in {seconds:g} s: it is overloaded or hangs (--timeout gives it more time)"
        os.write(terminal, f"inbox: {text}\n".encode())
        os._exit(2)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    return timer


def _fail(text: str) -> int:
    sys.stderr.write(f"inbox: {text}\n")
    return 2


def _print(described: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    position, buffer = described["position"], described["buffer"]
    console.print(
        f"inbox of {described['user_id']} on {described['actor']}: position {position['epoch']}.{position['seq']}, "
        f"{buffer['deliveries']} of {buffer['limit']} deliveries in the buffer"
    )
    devices = [
        (one["gateway"], one["connection"], one["platform"], one["client"], _time(one["connected_at_ms"]))
        for one in described["devices"]
    ]
    conversations = [
        (one["conversation_id"], one["max_seq"], one["read_seq"], one["unread"], _time(one["newest_at_ms"]))
        for one in described["conversations"]
    ]
    if devices:
        console.print(_table("devices", ("gateway", "connection", "platform", "client", "since"), devices))
    else:
        console.print("no device is connected")
    if conversations:
        console.print(_table("conversations", ("conversation", "max", "read", "unread", "newest"), conversations))
    else:
        console.print("no conversation yet")


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if ms else ""


def _leave(status: int) -> NoReturn:
    """End at once: taking leave of Ray takes three quarters of a second, and it can do without."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _leave(main())
