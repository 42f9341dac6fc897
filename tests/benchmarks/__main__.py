"""
Measure the whole server with the load generator: prints JSON, compares with another checkout in the same run.

Run: make bench [ARGS="--against ../other --seconds 10"]; without the generator only start, idle and memory are measured. The machine should do nothing
else meanwhile. Every load must be accounted `exact`; a run that isn't is printed as such and exits with 1.
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
from pathlib import Path
from typing import Any

from tests.e2e.server import Server

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

    def __init__(self, checkout: Path, folder: Path) -> None:
        super().__init__(folder)
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
    options = parser.parse_args()
    checkouts = {"this": Path.cwd()} | ({"other": options.against.resolve()} if options.against else {})
    result: dict[str, Any] = {"machine": _machine(), "servers": {}}
    for name, checkout in checkouts.items():
        with tempfile.TemporaryDirectory() as folder:
            result["servers"][name] = _measure(CheckoutServer(checkout, Path(folder)), options)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    loads = [load for server in result["servers"].values() for load in server["loads"].values()]
    return 0 if all(load["exact"] for load in loads) else 1


def _measure(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    server.start()
    figures: dict[str, Any] = {"start_to_ready_s": round(time.monotonic() - began, 2)}
    try:
        time.sleep(10)
        figures["memory_idle_mb"] = _memory(server)
        figures["loads"] = _loads(server, options.seconds) if GENERATOR.exists() else {}
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
