"""
Names of machines that a test may let stand for another address while a server runs.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTS = Path("/etc/hosts")
ADDRESS_WIDTH = 15

# The command takes over the shell's process; only it and its children see the file in place of the machine's own.
_MOUNT = ["sh", "-c", f'mount --bind "$0" {HOSTS} && exec "$@"']


class HostNames:
    """
    A file of names for commands that run in a mount namespace of their own (Linux, as root).

    Args:
        folder: where the file is put.
        names: what stands for 127.0.0.1 until `point`.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._file = folder / "hosts"
        self._addresses = dict.fromkeys(names, "127.0.0.1")
        self._write()

    def point(self, name: str, address: str) -> None:
        """Let a name stand for another address from now on."""
        self._addresses[name] = address
        self._write()

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs another one where the names hold."""
        return ["unshare", "--mount", *_MOUNT, str(self._file), *command]

    def refused(self) -> str:
        """Return why this can't be done on this machine; empty if it can."""
        if shutil.which("unshare") is None:
            return "unshare is not installed"
        name = next(iter(self._addresses))
        try:
            tried = subprocess.run(
                self.wrap(["getent", "hosts", name]), capture_output=True, text=True, timeout=10, check=False
            )
        except OSError as error:
            return str(error)
        return "" if name in tried.stdout else f"no mount namespace: {tried.stderr.strip()}"

    def _write(self) -> None:
        """In place, and always of the same size: who reads meanwhile finds the old address or the new one."""
        lines = [f"{address:<{ADDRESS_WIDTH}} {name}" for name, address in self._addresses.items()]
        text = "\n".join([*lines, HOSTS.read_text() if HOSTS.exists() else ""])
        with self._file.open("r+" if self._file.exists() else "w") as file:
            file.write(text)
