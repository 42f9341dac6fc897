from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.simulation.sweep import HASH_SEED
from tests.simulation.test_delivery import SEEDS as WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MUTANTS = sorted((Path(__file__).parent / "mutants").glob("*.patch"))
COPIED = ("openim_ray", "storage", "tests/simulation")
SEEDS = {
    "answer_before_durable": 20,
    "batches_in_order_of_arrival": 20,
    "cut_not_written": 20,
    "deduplication_lost_on_restart": 50,
    "deleted_before_floor_raised": 20,
    "effect_deleted_before_applied": 20,
    "expired_before_confirmed": 50,
    "fanout_before_cut": 200,
    "gap_not_filled": 50,
    "logout_undone": 150,
    "placeholder_for_history_row": 100,
    "push_before_durable": 20,
    "push_lost_on_shard_restart": 100,
    "receipt_before_durable": 20,
    "retry_renumbers": 20,
    "rows_ensured_after_append": 20,
    "sender_is_marked": 20,
    "seq_reused_after_crash": 20,
    "stale_owner_answers": 600,
}
"""Mutant -> in how many of the first worlds of `test_delivery` it is found."""

FOUND_IN = {
    "answer_before_durable": 0,
    "batches_in_order_of_arrival": 2,
    "cut_not_written": 1,
    "deduplication_lost_on_restart": 8,
    "deleted_before_floor_raised": 0,
    "effect_deleted_before_applied": 1,
    "expired_before_confirmed": 3,
    "fanout_before_cut": 161,
    "gap_not_filled": 26,
    "logout_undone": 89,
    "placeholder_for_history_row": 49,
    "push_before_durable": 0,
    "push_lost_on_shard_restart": 5,
    "receipt_before_durable": 6,
    "retry_renumbers": 4,
    "rows_ensured_after_append": 0,
    "sender_is_marked": 5,
    "seq_reused_after_crash": 0,
    "stale_owner_answers": 501,
}
"""Mutant -> the first world in which it was found. That one is tried before all of them are: nothing but time depends on it."""


class _Run(NamedTuple):
    """
    What came of worlds: 0 if every promise was kept.
    """

    code: int
    output: str


class _Copy:
    """
    A copy of what runs, changed for one mutant after the other, and an interpreter that lives through its worlds in forks.
    """

    def __init__(self, tree: Path, warm: subprocess.Popen[str]) -> None:
        self.tree = tree
        self._warm = warm

    def run(self, *arguments: str) -> _Run:
        """Live through worlds with what the files say at this moment."""
        output = self.tree / "output"
        assert self._warm.stdin is not None
        assert self._warm.stdout is not None
        print(json.dumps([str(output), *arguments]), file=self._warm.stdin, flush=True)
        code = int(self._warm.stdout.readline())
        return _Run(code, output.read_text(encoding="utf-8"))

    def seed_that_finds(self, first: int, count: int) -> int | None:
        """Return the first of so many worlds that a server breaks a promise in; None if it keeps them."""
        run = self.run("--seed", str(first), "--count", str(count))
        if run.code == 0:
            return None
        assert ": Violation: " in run.output, run.output
        return int(run.output.split()[1].rstrip(":"))

    @contextmanager
    def patched(self, patch: Path) -> Iterator[None]:
        """Apply a patch for a while."""
        lines = patch.read_text(encoding="utf-8").splitlines()
        files = [line.removeprefix("+++ b/").split("\t")[0] for line in lines if line.startswith("+++ b/")]
        command = ["git", "apply", "-C1", str(patch)]
        try:
            applied = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)
            assert applied.returncode == 0, f"{patch.name} no longer applies; make it anew: {applied.stderr}"
            yield
        finally:
            self.restore(*files)

    def restore(self, *files: str) -> None:
        """Let files be as they are in the tree."""
        for name in files:
            shutil.copy2(ROOT / name, self.tree / name)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Copy]:
    """Of a file that a mutant changes Python sees that it is newer than what was compiled of it."""
    tree = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        shutil.copytree(ROOT / name, tree / name, symlinks=True)
    compileall.compile_dir(tree, quiet=2)
    command = [sys.executable, "-m", "tests.simulation.warm"]
    environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tree, env=environment, stdin=pipe, stdout=pipe, text=True) as warm:
        yield _Copy(tree, warm)


def test_no_mutant_is_gone() -> None:
    """A mutant that is gone is missed."""
    assert {patch.stem for patch in MUTANTS} == set(SEEDS) == set(FOUND_IN)
    assert len(SEEDS) == 19


@pytest.mark.timeout(600)
@pytest.mark.parametrize("patch", MUTANTS, ids=lambda patch: patch.stem)
def test_a_mutant_is_found(patch: Path, copy: _Copy) -> None:
    """
    A server with this fault breaks a promise in one of the worlds of `test_delivery`, in all of which the server without it keeps them:
    so it is the fault that is found, and not a world that nobody could live in.
    """
    count = SEEDS[patch.stem]
    assert count <= WORLDS

    with copy.patched(patch):
        seed = copy.seed_that_finds(FOUND_IN[patch.stem], 1)
        if seed is None:
            seed = copy.seed_that_finds(0, count)

    assert seed is not None, f"not found in {count} worlds"
    assert seed in range(count)


def test_the_copy_is_what_runs(copy: _Copy) -> None:
    """A tree in which the core cannot be imported fails, and one that is as it was keeps its promises: what is tested is the copy."""
    hub = "openim_ray/core/gateway/hub.py"
    (copy.tree / hub).write_text("raise ImportError('the copy')\n", encoding="utf-8")
    broken = copy.run("--seed", "0")
    copy.restore(hub)

    assert "the copy" in broken.output
    assert copy.run("--seed", "0").code == 0
