"""
A network between a server of ours and its database servers: a proxy in front of each, found under a name.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from openim_ray.storage.places import Places
from tests.e2e.server import Server
from tests.servers.databases import HISTORY, MONGOD, POSTGRES, DatabaseServers
from tests.servers.host_names import HostNames
from tests.servers.proxy import LOOPBACK, Proxy

OTHER_ADDRESS = "127.0.0.2"


class StoreNetwork:
    """
    The proxies by the name of the database server, and how our server is told of them.
    """

    def __init__(self, folder: Path, databases: DatabaseServers) -> None:
        self.databases = databases
        ports = {
            MONGOD: databases.mongod.port,
            POSTGRES: databases.postgres.port,
            HISTORY: databases.history.port,
        }
        self.proxies = {name: Proxy(port) for name, port in ports.items()}
        self.names = HostNames(folder, [_host(name) for name in ports])
        self.names_refused = self.names.refused()
        """Why stores can't be found under names on this machine; empty if they can."""

    @property
    def environment(self) -> dict[str, str]:
        """What tells a server of ours to go through the proxies."""
        return {
            "OPENIM_STORAGE_MESSAGES_URL": f"mongodb://{self._address(MONGOD)}/openim?directConnection=true",
            "OPENIM_STORAGE_DIRECTORY_URL": self._through(POSTGRES, "DIRECTORY"),
            "OPENIM_STORAGE_HISTORY_URL": self._through(HISTORY, "HISTORY"),
        }

    def move(self, name: str) -> None:
        """Let a server be found at another address, under its name, and no longer at the old one."""
        self._move(name, OTHER_ADDRESS)

    def move_back(self, name: str) -> None:
        """Let it be found where it was at first."""
        self._move(name, LOOPBACK)

    def close(self) -> None:
        """End the proxies."""
        for proxy in self.proxies.values():
            proxy.close()

    def _move(self, name: str, address: str) -> None:
        self.proxies[name].move(address)
        self.names.point(_host(name), address)

    def _through(self, name: str, store: str) -> str:
        parts = urlsplit(self.databases.environment[f"OPENIM_STORAGE_{store}_URL"])
        login, _, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{login}@{self._address(name)}"))

    def _address(self, name: str) -> str:
        host = LOOPBACK if self.names_refused else _host(name)
        return f"{host}:{self.proxies[name].port}"


class NetworkedServer(Server):
    """
    A server of ours that reaches its stores through a network, while tests look into them directly.
    """

    def __init__(self, folder: Path, network: StoreNetwork) -> None:
        super().__init__(folder, environment=network.environment)
        self._network = network

    @property
    def places(self) -> Places:
        """Where its stores are without the network."""
        urls = self._network.databases.environment
        return Places(
            self.data_dir, *(urls[f"OPENIM_STORAGE_{store}_URL"] for store in ("MESSAGES", "DIRECTORY", "HISTORY"))
        )

    def command(self, *arguments: str) -> list[str]:
        """Return a command line that finds the stores under their names."""
        command = super().command(*arguments)
        return command if self._network.names_refused else self._network.names.wrap(command)


def _host(name: str) -> str:
    return f"{name}.openim.test"
