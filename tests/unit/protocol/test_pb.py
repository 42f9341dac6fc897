from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from google.protobuf.internal import api_implementation

ROOT = Path(__file__).resolve().parents[3]


def test_the_protobuf_library_is_the_compiled_one() -> None:
    """The pure Python implementation would be tens of times slower on every message."""
    assert api_implementation.Type() == "upb"


def test_the_generated_modules_are_those_of_the_proto_files() -> None:
    """Nobody edits generated code, and nobody forgets to generate it."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools generates the modules; it is in the extra `test`")
    path = ROOT / "scripts" / "generate_protobuf.py"
    spec = importlib.util.spec_from_file_location("generate_protobuf", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)

    assert script.differences() == []
