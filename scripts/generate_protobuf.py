"""
Generate the protobuf modules in `openim_ray/protocol/pb/` from the `.proto` files beside them.

    python scripts/generate_protobuf.py [--check]

`--check` writes nothing and exits 1 if the committed modules differ from what would be generated.
Needs grpcio-tools (extra `test`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("openim_ray/protocol/pb")


def generate(into: Path) -> None:
    """
    Write the modules and their stubs below the folder `into`, at the same relative paths as in the tree.

    The root of the tree is the only include path of ours: imports in the generated code are then absolute.

    Raises:
        RuntimeError: the compiler refused a file (it says why on stderr).
    """
    from grpc_tools import protoc

    sources = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.proto"))
    includes = [f"-I{ROOT}", f"-I{resources.files('grpc_tools') / '_proto'}"]
    outputs = [f"--python_out={into}", f"--pyi_out={into}"]
    if protoc.main(["protoc", *includes, *outputs, *sources]) != 0:
        raise RuntimeError("protoc failed")


def differences() -> list[str]:
    """
    Return the names of committed files that differ from what would be generated now, missing and surplus ones included.
    """
    with tempfile.TemporaryDirectory() as temporary:
        generate(Path(temporary))
        fresh = _contents(Path(temporary) / FOLDER)
    committed = _contents(ROOT / FOLDER)
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*_pb2.py*")}


def main() -> int:
    """
    Generate or check, as the command line says; return the exit status.
    """
    parser = argparse.ArgumentParser(description="Generate the protobuf modules.")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 on a difference")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    differing = differences()
    for name in differing:
        print(f"differs: {FOLDER / name}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
