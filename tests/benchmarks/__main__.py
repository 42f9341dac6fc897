"""
Measure the whole server with the load generator: prints JSON, compares with another checkout in the same run.

Run: make bench [ARGS="--against ../other --seconds 10 --databases --groups"]; without the generator only start, idle and memory are measured. The machine
should do nothing else meanwhile. Every load must be accounted `exact`; a run that isn't is printed as such and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.server import Server
from tests.servers.databases import database_servers

GENERATOR = Path("results/load")
RAY_PROGRAMS = (
    "gcs_server",
    "raylet",
    "monitor",
    "log_monitor",
    "dashboard",
    "ray::DashboardAgent",
    "ray::RuntimeEnvAgent",
    "cat",
)


class CheckoutServer(Server):
    """
    A server of a given checkout, run by that checkout's own environment.
    """

    def __init__(self, checkout: Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, environment=environment)
        self._checkout = checkout

    def command(self, *arguments: str) -> list[str]:
        """Return a command line of that checkout."""
        _, *rest = super().command(*arguments)
        return [str(self._checkout / ".venv/bin/python"), *rest]


def main() -> int:
    """Measure, print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turn with this one")
    parser.add_argument("--seconds", type=int, default=10, help="length of each load")
    parser.add_argument("--connections", type=int, default=1000, help="idle connections for the memory figure")
    parser.add_argument("--databases", action="store_true", help="measure on database servers, too")
    parser.add_argument(
        "--groups", action="store_true", help="send to groups with 100, 500 and 1,000 members online, too"
    )
    options = parser.parse_args()
    checkouts = {"this": Path.cwd()} | ({"other": options.against.resolve()} if options.against else {})
    result: dict[str, Any] = {"machine": _machine(), "servers": {}}
    for name, checkout in checkouts.items():
        with tempfile.TemporaryDirectory() as folder:
            result["servers"][name] = _measure(CheckoutServer(checkout, Path(folder)), options)
        if options.databases:
            with _on_databases(checkout) as server:
                result["servers"][f"{name}, database servers"] = _measure(server, options)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    loads = [load for server in result["servers"].values() for load in server["loads"].values()]
    return 0 if all(load["exact"] for load in loads) else 1


@contextmanager
def _on_databases(checkout: Path) -> Iterator[CheckoutServer]:
    with (
        tempfile.TemporaryDirectory() as stores,
        tempfile.TemporaryDirectory() as folder,
        database_servers(Path(stores)) as databases,
    ):
        yield CheckoutServer(checkout, Path(folder), databases.environment)


def _measure(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    server.start()
    figures: dict[str, Any] = {"start_to_ready_s": round(time.monotonic() - began, 2)}
    try:
        time.sleep(10)
        figures["memory_idle_mb"] = _memory(server)
        figures["loads"] = _loads(server, options.seconds) if GENERATOR.exists() else {}
        if options.groups and GENERATOR.exists():
            figures["loads"] |= _group_loads(server, options.seconds)
        if GENERATOR.exists():
            figures["idle_connections"] = _generate(
                server, "-mode", "idle", "-c", str(options.connections), "-settle", "5"
            ).get("idle")
        figures["memory_after_mb"] = _memory(server)
        began = time.monotonic()
    finally:
        server.stop()
    figures["stop_s"] = round(time.monotonic() - began, 2)
    return figures


def _loads(server: Server, seconds: int) -> dict[str, Any]:
    length = ("-t", f"{seconds}s")
    modes = {
        "500/s": ("-c", "100", "-rate", "500"),
        "1000/s": ("-c", "100", "-rate", "1000"),
        "closed loop, 100 clients, window 1": ("-c", "100", "-w", "1"),
        "closed loop, 100 clients, window 4": ("-c", "100", "-w", "4"),
    }
    return {
        name: _figures(_generate(server, "-mode", "chat", *flags, *length)["chat"]) for name, flags in modes.items()
    }


def _group_loads(server: Server, seconds: int) -> dict[str, Any]:
    """Measure one group at a time, ten members of which send with one message under way each."""
    return {
        f"group of {online}": _group_figures(
            _generate(server, "-mode", "group", "-c", str(online), "-senders", "10", "-w", "1", "-t", f"{seconds}s")[
                "group"
            ]
        )
        for online in (100, 500, 1000)
    }


def _group_figures(load: dict[str, Any]) -> dict[str, Any]:
    deliveries = load["accounting"]["acked"] * (load["connections"] - 1)
    return {
        **_figures(load),
        "deliveries_per_s": load["deliveries_per_s"],
        "server_cpu_ms_per_delivery": round(load["cpu"]["server_s"] * 1000 / deliveries, 4) if deliveries else None,
    }


def _figures(load: dict[str, Any]) -> dict[str, Any]:
    return {
        "acked_per_s": load["acked_per_s"],
        "sustained_per_s": round(load["accounting"]["acked"] / load["cpu"]["wall_s"], 1),
        "ack_ms": {key: load["ack"][key] for key in ("p50_ms", "p99_ms", "max_ms")},
        "delivery_ms": {key: load["delivery"][key] for key in ("p50_ms", "p99_ms", "max_ms")},
        "server_cpu_ms_per_message": load["cpu"]["server_ms_per_msg"],
        "generator_cpu_ms_per_message": load["cpu"]["load_ms_per_msg"],
        "cpu_by_program_s": load["cpu"]["by_program_s"],
        "exact": load["accounting"]["exact"],
    }


def _generate(server: Server, *flags: str) -> dict[str, Any]:
    command = [
        str(GENERATOR),
        *("-ws", server.ws_url, "-api", server.api_url, "-secret", server.admin_secret),
        *("-tree", "-pids", str(server.pid), *flags),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _memory(server: Server) -> dict[str, float]:
    """Return PSS in MB: all processes, and what of it is Ray's own."""
    total = ray = 0.0
    for pid in [server.pid, *server.processes()]:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
        total += pss
        ray += pss if any(name in command for name in RAY_PROGRAMS) else 0
    return {"pss_total": round(total), "pss_of_ray": round(ray)}


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}


if __name__ == "__main__":
    sys.exit(main())
