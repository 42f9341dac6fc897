"""
How the server of a data directory is, asked from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from openim_ray.actors import bare_ray, cluster  # noqa: F401 - bare_ray is the first to import Ray
from openim_ray.actors.query import ask
from openim_ray.actors.run_file import RunFileDamaged, no_server, read_run_file
from openim_ray.actors.settings import SUPERVISOR, gateway_names
from openim_ray.domain.errors import OpenIMError
from openim_ray.prepare import data_path, is_locked

if TYPE_CHECKING:
    from openim_ray.config import Config


class Status(NamedTuple):
    """
    What was found; `detail` says why it isn't ready, or that nothing runs.
    """

    running: bool
    ready: bool
    detail: str = ""
    ws_urls: tuple[str, ...] = ()
    api_urls: tuple[str, ...] = ()
    actors: tuple[dict[str, Any], ...] = ()

    @property
    def exit_status(self) -> int:
        """0 ready, 1 running but not ready, 2 nothing runs."""
        if not self.running:
            return 2
        return 0 if self.ready else 1

    def as_json(self) -> dict[str, Any]:
        """Return it as an object for programs."""
        return self._asdict()


def look(config: Config, seconds: float) -> Status:
    """
    Ask the server of the configured data directory; each question waits for `seconds` at most.
    """
    data_dir = data_path(config)
    try:
        run = read_run_file(data_dir)
    except RunFileDamaged as error:
        return Status(running=is_locked(data_dir), ready=False, detail=str(error))
    if run is None or not cluster.is_reachable(run.address):
        if is_locked(data_dir):
            return Status(running=True, ready=False, detail="starting or stopping")
        return Status(running=False, ready=False, detail=no_server(data_dir))
    urls = tuple(run.ws_urls), tuple(run.api_urls)
    try:
        cluster.connect(data_dir)
        actors = tuple(ask(SUPERVISOR, "health", seconds))
        ready, parts = ask(gateway_names(config)[0], "ready", seconds)
    except (cluster.ClusterError, OpenIMError) as error:
        return Status(True, False, str(error), *urls)
    failing = ", ".join(f"{part}: {said}" for part, said in parts.items() if said != "ok")
    return Status(True, bool(ready), "" if ready else failing, *urls, actors)


def show(found: Status) -> None:
    """
    Print it for people.
    """
    console = Console()
    console.print("ready" if found.ready else f"not ready: {found.detail}", markup=False)
    for url in (*found.ws_urls, *found.api_urls):
        console.print(f"  {url}", markup=False)
    if not found.actors:
        return
    table = Table("actor", "incarnation", "figures")
    for actor in found.actors:
        figures = {key: value for key, value in actor.items() if key not in ("name", "incarnation")}
        table.add_row(
            str(actor["name"]),
            str(actor.get("incarnation", ""))[:8],
            ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items()),
        )
    console.print(table)
