"""
Puts what the tests drive beside `sdk/package.json`: the official SDKs, and Chromium from the system's packages.

Nothing of it is part of the tree. A second run finds everything in place. Where something can't be had, `Unavailable` says why and the tests
that need it are skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SDK_FOLDER = Path(__file__).parent / "sdk"
PYTHON_FOLDER = SDK_FOLDER / ".python"
PYPI_CLIENT = "openim-sdk-core==0.1.11"
PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-input", "--root-user-action=ignore", "--upgrade")
NODE_MAJOR_MIN = 20  # playwright-core's own requirement
INSTALL_SECONDS = 280


class Unavailable(Exception):
    """Something that a test drives can't be had on this machine; the text is the reason."""


@functools.cache
def node() -> str:
    """Return the path of Node; the npm packages stand ready for it."""
    path = shutil.which("node")
    if path is None or shutil.which("npm") is None:
        raise Unavailable("Node with npm is not installed")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < NODE_MAJOR_MIN:
        raise Unavailable(f"Node is {version}, {NODE_MAJOR_MIN} or newer is needed")
    _once(
        SDK_FOLDER / "node_modules" / ".installed",
        (SDK_FOLDER / "package-lock.json").read_text(),
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--prefix", str(SDK_FOLDER)],
    )
    return path


@functools.cache
def chromium() -> str:
    """Return the path of Chromium, installed by the system's package manager if this may be done."""
    return _found_or_installed(("chromium", "chromium-browser", "google-chrome"), "chromium")


@functools.cache
def debian(program: str, package: str) -> str:
    """Return the path of a program of a Debian package, installed if this may be done; no service is started by that."""
    return _found_or_installed((program,), package)


def _found_or_installed(programs: Sequence[str], package: str) -> str:
    with _alone():
        found = _find(programs)
        if found is not None:
            return found
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise Unavailable(
                f"{package} is not installed, and only root on a Debian system may have it installed here"
            )
        _run(["apt-get", "update", "-qq"])
        with _no_services():
            _run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", package])
        found = _find(programs)
        if found is None:
            raise Unavailable(f"apt-get installed {package}, but there is no {programs[0]}")
        return found


def _find(programs: Sequence[str]) -> str | None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return next(filter(None, (shutil.which(program, path=path) for program in programs)), None)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting what they bring, in the way that Debian's policy provides for."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


@functools.cache
def python_client() -> Path:
    """Return the folder of the PyPI client and what it needs, apart from this environment's packages."""
    _once(
        PYTHON_FOLDER / ".installed",
        f"{PYPI_CLIENT} {sys.version}",
        [sys.executable, "-m", "pip", "install", *PIP_OPTIONS, "--target", str(PYTHON_FOLDER), PYPI_CLIENT],
    )
    return PYTHON_FOLDER


def _once(stamp: Path, wanted: str, command: Sequence[str]) -> None:
    with _alone():
        if stamp.exists() and stamp.read_text() == wanted:
            return
        _run(command)
        stamp.write_text(wanted)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep the other processes of this run from installing the same at the same time."""
    with Path(__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str]) -> None:
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from error
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
