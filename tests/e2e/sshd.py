"""A real sshd on loopback, on a free port, with keys of its own, for the user who runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.install import debian

START_SECONDS = 20.0

# Copies between standard input and output and a port: what ssh wants of a proxy command.
RELAY = """
import os, socket, sys, threading
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def pump():
    while data := os.read(0, 65536):
        peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=pump, daemon=True).start()
while data := peer.recv(65536):
    while data:
        data = data[os.write(1, data):]
"""


class Sshd:
    """Lets in whoever has `key`."""

    def __init__(self, folder: Path, port: int) -> None:
        self._binary = debian("sshd", "openssh-server")
        keygen = debian("ssh-keygen", "openssh-client")
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.key = folder / "key"
        for key in (self.key, folder / "host-key"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=START_SECONDS)
        (folder / "relay.py").write_text(RELAY)
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\n"
            f"HostKey {folder / 'host-key'}\n"
            f"AuthorizedKeysFile {folder / 'key.pub'}\n"
            f"PidFile {folder / 'sshd.pid'}\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )

    @property
    def proxy_command(self) -> str:
        """What ssh runs to get here: the launcher has no setting for a port."""
        return f"{sys.executable} {self._folder / 'relay.py'} {self._port}"

    def start(self) -> None:
        """Start it and return when it listens."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = self._folder / "sshd.log"
        self._process = subprocess.Popen(
            [self._binary, "-D", "-f", str(self._folder / "sshd_config"), "-E", str(log)], stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while not (self._folder / "sshd.pid").exists():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "sshd did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
