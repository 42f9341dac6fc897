"""
Many worlds, on all processors.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import traceback
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.scenario import random_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


HASH_SEED = "0"


class Broken(NamedTuple):
    """
    A world that broke, and how to see it again.
    """

    seed: int
    what: str

    @property
    def replay(self) -> str:
        """Return the command that replays it exactly."""
        return f"python -m tests.simulation --seed {self.seed} --trace"

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.what}\n  {self.replay}"


def collect_seldom() -> None:
    """
    Let the garbage of worlds be collected seldom, and not what stays anyway be looked at each time.
    """
    gc.freeze()
    gc.set_threshold(500_000, 5, 5)


def run_seed(seed: int) -> Broken | None:
    """
    Live through one world; returns what broke, if something did.
    """
    try:
        random_world(seed)
    except Exception as error:  # noqa: BLE001 - any error is a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        file = place.filename.rpartition("/")[2]
        return Broken(seed, f"{type(error).__name__}: {error} [{file}:{place.lineno}]")
    return None


def broken_worlds(seeds: Iterable[int]) -> Iterator[Broken]:
    """
    Live through the worlds of these seeds and yield those that broke.
    """
    # A set of texts is walked in the order of their hashes: fixed here and in `__main__`, so that a world is the same in both.
    os.environ.setdefault("PYTHONHASHSEED", HASH_SEED)
    processes = len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, collect_seldom) as pool:
        for broken in pool.imap_unordered(run_seed, seeds, chunksize=4):
            if broken is not None:
                yield broken
