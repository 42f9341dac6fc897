"""Debian's nginx with the configuration that docs/nginx.conf offers, on free ports and with a folder of its own."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.certificates import Pair
from tests.e2e.install import debian
from tests.e2e.program import ROOT
from tests.e2e.server import Server

START_SECONDS = 20.0

AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 512; }}
http {{
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{site}
}}
"""


class Nginx:
    """A proxy before a server that speaks TLS itself."""

    def __init__(self, folder: Path, port: int, server: Server, pair: Pair) -> None:
        self._binary = debian("nginx", "nginx-light")
        site = (ROOT / "docs" / "nginx.conf").read_text()
        for old, new in {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/certs/chat.example.org.pem": str(pair.certificate),
            "/etc/ssl/private/chat.example.org.key": str(pair.key),
            "/var/log/nginx/openim.log": str(folder / "openim.log"),
            "http://127.0.0.1:10001": f"https://127.0.0.1:{server.ws_port}",
            "http://127.0.0.1:10002": f"https://127.0.0.1:{server.api_port}",
        }.items():
            assert site.count(old) == 1, old
            site = site.replace(old, new)
        self.folder = folder
        folder.mkdir()
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, site=site))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it listens."""
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not (self.folder / "nginx.pid").exists():
            assert self._process.poll() is None, (self.folder / "error.log").read_text()
            assert time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
