"""
Run worlds by hand: `python -m tests.simulation --seed N --trace`, or many: `--from N --count M`.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback

from tests.simulation.scenario import random_world
from tests.simulation.sweep import HASH_SEED, collect_seldom


def main() -> int:
    """
    Live through the worlds that are asked for; 1 if one broke.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--go-on", action="store_true", help="don't stop at the first failure")
    arguments = parser.parse_args()
    if "PYTHONHASHSEED" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": HASH_SEED})
    collect_seldom()
    broken = 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        try:
            random_world(seed, print if arguments.trace else None)
        except Exception as error:  # noqa: BLE001 - any error is a finding
            broken += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            print(f"seed {seed}: {type(error).__name__}: {error} [{place.filename.rpartition('/')[2]}:{place.lineno}]")
            if arguments.count == 1:
                traceback.print_exc()
            if not arguments.go_on:
                return 1
    print(f"{arguments.count} worlds, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
