#!/usr/bin/env python3
"""
Ask a user's live inbox: `scripts/inbox.py alice [--json] [--data-dir DIR]`.

Exit status: 0 answered, 2 no server, no such user, or no answer in time; the reason is one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from openim_ray.actors import ClusterError, connect, inbox
from openim_ray.actors.cluster import answer_of
from openim_ray.domain.errors import OpenIMError

ANSWER_SECONDS = 5.0


def main() -> int:
    """Ask and print."""
    parser = argparse.ArgumentParser(description="Ask a user's live inbox actor.")
    parser.add_argument("user_id", metavar="USER")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="the server's data directory (or OPENIM_DATA_DIR; default ./data)"
    )
    options = parser.parse_args()
    try:
        connect(options.data_dir)
        described: dict[str, Any] = answer_of(inbox(options.user_id).describe.remote(), ANSWER_SECONDS)
    except ClusterError as error:
        return _fail(str(error))
    except OpenIMError as error:
        return _fail(error.detail)
    if options.json:
        sys.stdout.write(json.dumps(described, ensure_ascii=False) + "\n")
    else:
        _print(described)
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(f"inbox: {text}\n")
    return 2


def _print(described: dict[str, Any]) -> None:
    console = Console()
    position, buffer = described["position"], described["buffer"]
    console.print(
        f"inbox of [bold]{described['user_id']}[/] on {described['actor']}: position {position['epoch']}.{position['seq']}, "
        f"{buffer['deliveries']} of {buffer['limit']} deliveries in the buffer"
    )
    devices = Table("gateway", "connection", "platform", "client", "since", title="devices", title_justify="left")
    for one in described["devices"]:
        devices.add_row(
            one["gateway"], str(one["connection"]), str(one["platform"]), one["client"], _time(one["connected_at_ms"])
        )
    console.print(devices if described["devices"] else "no device is connected")
    conversations = Table(
        "conversation", "max", "read", "unread", "newest", title="conversations", title_justify="left"
    )
    for one in described["conversations"]:
        conversations.add_row(
            one["conversation_id"],
            str(one["max_seq"]),
            str(one["read_seq"]),
            str(one["unread"]),
            _time(one["newest_at_ms"]),
        )
    console.print(conversations if described["conversations"] else "no conversation yet")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if ms else ""


if __name__ == "__main__":
    sys.exit(main())
