"""
Ask the fork server for a process: `python -IS fork_request.py PLACE COMMAND …`, and live as long as it lives, for this is what Ray knows of it.

Where nobody answers, this process becomes the command itself. It is started once for every process of an actor, and so loads next to nothing: what it
could take from the standard library takes three times as long to import as Python to start.
"""

from __future__ import annotations

import _socket
import os
import sys
import time

WAIT_SECONDS = 30.0
"""Until the fork server must have imported everything; half of what Ray gives a process until it must be there."""

STEP_SECONDS = 0.02
STANDARD_INPUT = 0


def main() -> None:
    """
    Become the command, or something small that ends with the forked process, whose connection is its standard input.
    """
    _, place, *command = sys.argv
    forked = ask(place, command)
    if forked is None:
        os.execv(command[0], command)  # noqa: S606 - the command that Ray gave
    os.dup2(forked.fileno(), STANDARD_INPUT)
    os.execv("/bin/sh", ["/bin/sh", "-c", "exec cat"])  # noqa: S606 - nothing of this program is kept


def ask(place: str, command: list[str]) -> _socket.socket | None:
    """
    Ask for a process at the socket of the fork server; returns a connection that ends with it, None if there is none.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        connection = _connection(place, deadline)
        connection.settimeout(max(deadline - time.monotonic(), STEP_SECONDS))
        connection.sendall(request(command[1:], os.environ))
        connection.shutdown(_socket.SHUT_WR)
        if connection.recv(1):
            connection.settimeout(None)
            return connection
        connection.close()
    except OSError:
        pass
    return None


def request(arguments: list[str], environment: os._Environ[str]) -> bytes:
    """
    Return what is said to the fork server: how many arguments there are, they, and the environment, with a NUL, which none of them can hold, between.
    """
    variables = (f"{name}={value}" for name, value in environment.items())
    return os.fsencode("\0".join([str(len(arguments)), *arguments, *variables]))


def _connection(place: str, deadline: float) -> _socket.socket:
    """Connect to a socket that may still have to be made."""
    while True:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.connect(place)
        except FileNotFoundError:
            connection.close()
            if time.monotonic() >= deadline:
                raise
        else:
            return connection
        time.sleep(STEP_SECONDS)


if __name__ == "__main__":
    main()
