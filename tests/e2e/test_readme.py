"""The README's programs, run as they stand there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.install import SDK_FOLDER, Unavailable, node
from tests.e2e.program import ROOT, run_python
from tests.e2e.server import Server

README = (ROOT / "README.md").read_text()


def program(language: str, mark: str) -> str:
    """Return the one program of the README in a language that holds a mark."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if mark in text]
    return str(found)


def inbox_of(server: Server, user: str) -> dict[str, object]:
    """Return what a user's inbox knows, by the README's own lines of Python."""
    said = run_python(server, "-c", program("python", "describe").replace('"alice"', repr(user)))
    assert said.status == 0, said.err
    return dict(ast.literal_eval(said.out))


def test_the_program_for_node_writes_to_another_user(server: Server, tmp_path: Path) -> None:
    """With nothing changed but addresses and user ids; then the other one's inbox has the message."""
    try:
        path = node()
    except Unavailable as reason:
        pytest.skip(str(reason))
    alice, bob = server.add_user("alice"), server.add_user("bob")
    text = program("js", "binaryType")
    for written, meant in (
        ("ws://127.0.0.1:10001", server.ws_url),
        ("http://127.0.0.1:10002", server.api_url),
        ('"alice"', f'"{alice}"'),
        ('"bob"', f'"{bob}"'),
    ):
        assert written in text
        text = text.replace(written, meant)
    (tmp_path / "chat.mjs").write_text(text)
    (tmp_path / "node_modules").symlink_to(SDK_FOLDER / "node_modules")
    with subprocess.Popen(
        [path, "chat.mjs", server.token(alice)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
    ) as chat:
        assert chat.stdout is not None
        try:
            # The SDK itself prints a lot; the program goes on until it is ended, or pytest's own limit does that.
            assert "sent\n" in iter(chat.stdout.readline, "")
        finally:
            chat.kill()
    (conversation,) = inbox_of(server, bob)["conversations"]  # type: ignore[misc]
    assert (conversation["max_seq"], conversation["unread"]) == (1, 1)
