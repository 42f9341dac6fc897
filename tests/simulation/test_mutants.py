from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.sweep import run_seed

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


def _copy(target: Path) -> None:
    """Copy what runs, and what Python compiled of it: of a file that a mutant changes Python sees that it is newer."""
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, symlinks=True)


def _run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def _seed_that_finds(tree: Path, first: int, count: int) -> int | None:
    """Return the first of so many worlds that a server breaks a promise in; None if it keeps them."""
    result = _run(tree, "--seed", str(first), "--count", str(count))
    if result.returncode == 0:
        return None
    assert ": Violation: " in result.stdout, f"{result.stdout}{result.stderr}"
    return int(result.stdout.split()[1].rstrip(":"))


def test_no_mutant_is_gone() -> None:
    """A mutant that is gone is missed."""
    assert {patch.stem for patch in MUTANTS} == set(SEEDS) == set(FOUND_IN)
    assert len(SEEDS) == 19


@pytest.mark.timeout(600)
@pytest.mark.parametrize("patch", MUTANTS, ids=lambda patch: patch.stem)
def test_a_mutant_is_found(patch: Path, tmp_path: Path) -> None:
    """
    A server with this fault breaks a promise in one of the worlds of `test_delivery`, in all of which the server without it keeps them:
    so it is the fault that is found, and not a world that nobody could live in.
    """
    _copy(tmp_path)
    applied = subprocess.run(
        ["git", "apply", "-C1", str(patch)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, f"{patch.name} no longer applies; make it anew: {applied.stderr}"

    count = SEEDS[patch.stem]

    seed = _seed_that_finds(tmp_path, FOUND_IN[patch.stem], 1)
    if seed is None:
        seed = _seed_that_finds(tmp_path, 0, count)

    assert seed is not None, f"not found in {count} worlds"
    assert seed in range(count)
    assert run_seed(seed) is None


def test_the_copy_is_what_runs(tmp_path: Path) -> None:
    """A tree in which the core cannot be imported fails: what is tested is the copy."""
    _copy(tmp_path)
    (tmp_path / "openim_ray/core/gateway/hub.py").write_text("raise ImportError('the copy')\n", encoding="utf-8")

    assert "the copy" in _run(tmp_path, "--seed", "0").stderr
