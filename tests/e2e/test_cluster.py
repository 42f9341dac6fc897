"""`ray up cluster.yaml` against a real sshd starts the same server, and nothing else is touched when it ends."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.install import Unavailable, debian
from tests.e2e.ports import free_ports
from tests.e2e.program import ROOT, refusal, run
from tests.e2e.server import Server
from tests.e2e.sshd import Sshd
from tests.integration.people import People

LAUNCH_SECONDS = 240.0
BIN = Path(sys.executable).parent


class Launched:
    """A server started by the launcher from a copy of cluster.yaml in which paths, ports and names are this test's own."""

    def __init__(self, folder: Path) -> None:
        debian("rsync", "rsync")
        ssh_port, *ports = free_ports(6)
        self.server = Server(folder)
        self.sshd = Sshd(folder, ssh_port)
        self.name = f"openim-test-{os.getpid()}"
        self._ray_folder = Path(f"/tmp/{self.name}")
        self._file = folder / "cluster.yaml"
        self._file.write_text(self._filled_in(ports))

    def _filled_in(self, ports: list[int]) -> str:
        text = (ROOT / "cluster.yaml").read_text()
        replaced = {
            "cluster_name: openim\n": f"cluster_name: {self.name}\n",
            "ssh_user: root": f"ssh_user: {getpass.getuser()}",
            "~/.ssh/openim-cluster": str(self.sshd.key),
            "# ssh_proxy_command: nc bastion.example.org 22 #": f"ssh_proxy_command: {self.sshd.proxy_command} #",
            "/opt/openim/.venv/bin": str(BIN),
            "/var/lib/openim": str(self.server.data_dir),
            "/tmp/openim-cluster": str(self._ray_folder),
            "WS_PORT=10001": f"WS_PORT={self.server.ws_port}",
            "API_PORT=10002": f"API_PORT={self.server.api_port}",
            "6479": str(ports[0]),
            "6480": str(ports[1]),
            "6481": str(ports[2]),
            # Any free ones: others may run Ray on this machine.
            "--min-worker-port=6500 --max-worker-port=6599": "--min-worker-port=0 --max-worker-port=0",
        }
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def up(self) -> None:
        """Launch it."""
        self.sshd.start()
        done = subprocess.run(
            [str(BIN / "ray"), "up", "--yes", "--no-config-cache", str(self._file)],
            env=self.server.variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LAUNCH_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    @property
    def folder_mode(self) -> int:
        """Who gets into Ray's folder."""
        return stat.S_IMODE(self._ray_folder.stat().st_mode)

    def processes(self) -> list[int]:
        """Return the processes of this cluster: those that know its token."""
        wanted = f"RAY_AUTH_TOKEN_PATH={self.server.data_dir / 'ray-token'}".encode()
        found = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and wanted in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return [pid for pid in found if pid != os.getpid()]

    def titles(self) -> list[bytes]:
        """Return the command lines of its processes."""
        return [Path("/proc", str(pid), "cmdline").read_bytes() for pid in self.processes()]

    def end(self) -> None:
        """End Ray's processes, and remove what the launcher left."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], 10.0)
                os.close(descriptor)
        self.sshd.stop()
        subprocess.run(["rm", "-rf", str(self._ray_folder)], check=True)
        for file in [*Path("/tmp/ray").glob(f"cluster-{self.name}*"), Path.home() / "ray_bootstrap_config.yaml"]:
            file.unlink(missing_ok=True)
        (Path.home() / "ray_bootstrap_key.pem").unlink(missing_ok=True)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    """A launched server; the test is skipped where ssh or rsync can't be had."""
    try:
        launched = Launched(tmp_path)
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        launched.up()
        yield launched
    finally:
        launched.end()


async def test_the_launcher_starts_the_same_server(launched: Launched, tmp_path: Path) -> None:
    """
    Clients chat through it; a second server in the same Ray must have a name of its own; `down` ends it and leaves Ray, which is the
    launcher's; other servers on the machine don't notice.
    """
    server = launched.server
    people = People(server)
    alice, bob = await people.connect("alice"), await people.connect("bob")
    await alice.send_text(bob.user_id, "through the cluster")
    (push,) = await bob.pushed(1)
    assert push.text == "through the cluster"
    await people.close()

    other = Server(tmp_path / "other")
    other.data_dir.mkdir()
    shutil.copy2(server.data_dir / "ray-token", other.data_dir)
    address = json.loads((server.data_dir / "run.json").read_text())["address"]
    line = refusal(run(other, "up", "--detach", "--cluster-address", address, "--ws-port", "0", "--api-port", "0"))
    assert f"a server with namespace openim and data directory {server.data_dir} already" in line

    assert launched.folder_mode == 0o700, "what Ray makes there is open to all"
    assert run(server, "status").status == 0
    assert run(server, "down") == (0, "the server has stopped\n", "")
    assert run(server, "status").status == 2
    titles = launched.titles()
    assert any(b"gcs_server" in title for title in titles), "Ray was not ours to end"
    assert not [title for title in titles if title.startswith(b"ray::Gateway")]
