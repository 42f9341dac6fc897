"""
An interpreter that has loaded what no mutant changes, and lives through worlds in a fork for each: `python -m tests.simulation.warm`.

It reads requests, a JSON list of the file for the output and of the arguments of `python -m tests.simulation`, and answers with exit codes.
"""

from __future__ import annotations

import asyncio  # noqa: F401 - what is imported here is loaded once for all
import gzip  # noqa: F401
import hashlib  # noqa: F401
import json
import multiprocessing.pool  # noqa: F401
import os
import runpy
import sys
import traceback
from typing import NoReturn

import google.protobuf.internal.builder
import google.protobuf.wrappers_pb2  # noqa: F401
import msgpack  # noqa: F401
import msgspec  # noqa: F401
import structlog.testing  # noqa: F401


def main() -> None:
    """
    Serve until nobody asks any more.
    """
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        output, *arguments = json.loads(line)
        child = os.fork()
        if not child:
            _live(output, arguments)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(output: str, arguments: list[str]) -> NoReturn:
    with open(output, "wb") as file:  # noqa: PTH123 - nothing more is loaded than needed
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["tests.simulation", *arguments]
    code = 2
    try:
        runpy.run_module("tests.simulation", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - whoever asked reads it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
