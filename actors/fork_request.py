"""
Ask the fork server for a process: `python -IS fork_request.py PLACE COMMAND …`, and live as long as it lives, for this is what Ray knows of it.

Where nobody answers, this process becomes the command itself. It knows the standard library only, of which it loads little: it is started once for every process of an actor.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time

WAIT_SECONDS = 30.0
"""Until the fork server must have imported everything; half of what Ray gives a process until it must be there."""

STEP_SECONDS = 0.02


def main() -> None:
    """
    Become the command, or something small that ends with the forked process, whose connection is its standard input.
    """
    _, place, *command = sys.argv
    forked = ask(place, command)
    if forked is None:
        os.execv(command[0], command)  # noqa: S606 - the command that Ray gave
    os.dup2(forked.fileno(), sys.stdin.fileno())
    os.execv("/bin/sh", ["/bin/sh", "-c", "exec cat"])  # noqa: S606 - nothing of this program is kept


def ask(place: str, command: list[str]) -> socket.socket | None:
    """
    Ask for a process at the socket of the fork server; returns a connection that ends with it, None if there is none.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    request = {"arguments": command[1:], "environment": dict(os.environ)}
    with contextlib.suppress(OSError):
        connection = _connection(place, deadline)
        connection.settimeout(max(deadline - time.monotonic(), STEP_SECONDS))
        connection.sendall(json.dumps(request).encode())
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            connection.settimeout(None)
            return connection
        connection.close()
    return None


def _connection(place: str, deadline: float) -> socket.socket:
    """Connect to a socket that may still have to be made."""
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(place)
            return connection
        except FileNotFoundError:
            connection.close()
            if time.monotonic() >= deadline:
                raise
        time.sleep(STEP_SECONDS)


if __name__ == "__main__":
    main()
