"""
Settings that change while a server runs (`config/reloading.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from openim_ray.config import Config, LiveConfig, from_payload, load_config, to_payload


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lend the file of a configuration, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "openim.toml"


def write(file: Path, text: str) -> None:
    """Replace a file as an editor does; two of them never look the same."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def live(file: Path, **environ: str) -> LiveConfig:
    """Return the configuration as an actor has it, somewhere else."""
    named = file.relative_to(file.parent)  # as somebody types it
    return LiveConfig(from_payload(to_payload(load_config(named, environ, {}))))


def days(config: LiveConfig) -> int:
    """Return what can change."""
    return config.now().storage.retention_days


@pytest.mark.parametrize("before", ["", "[storage]\nretention_days = 30\n"])
def test_a_changed_file_is_taken(file: Path, before: str) -> None:
    """Whether or not the setting stood there before; and when it is taken out again, the default holds."""
    write(file, before)
    config = live(file)
    assert days(config) == (30 if before else 14)

    write(file, "[storage]\nretention_days = 7\n")
    with capture_logs() as logged:
        assert [days(config), days(config)] == [7, 7]
    assert [line["event"] for line in logged] == ["setting changed"]

    write(file, "")
    assert days(config) == 14


def test_a_process_that_is_started_again_takes_what_changed_before(file: Path) -> None:
    """It is made with the configuration of the server's start, and must not go back to it."""
    write(file, "[storage]\nretention_days = 7\n")
    payload = to_payload(load_config(file, {}, {}))
    write(file, "[storage]\nretention_days = 300\n")
    assert days(LiveConfig(from_payload(payload))) == 300


@pytest.mark.parametrize("named", ["openim.toml", "./openim.toml", "sub/../openim.toml"])
def test_the_working_directory_of_the_process_does_not_matter(
    file: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was named where the server was started."""
    (file.parent / "sub").mkdir()
    write(file, "[storage]\nretention_days = 30\n")
    config = from_payload(to_payload(load_config(Path(named), {}, {})))
    monkeypatch.chdir("/")
    live_config = LiveConfig(config)
    write(file, "[storage]\nretention_days = 7\n")
    assert days(live_config) == 7


@pytest.mark.parametrize(
    "text", ["retention_days", "[storage]\nretention_days = 0\n", "[storage]\nretentoin_days = 7\n"]
)
def test_a_wrong_file_changes_nothing(file: Path, text: str) -> None:
    """It is told once, and a right one is taken afterwards."""
    write(file, "[storage]\nretention_days = 30\n")
    config = live(file)
    write(file, text)
    with capture_logs() as logged:
        assert [days(config), days(config)] == [30, 30]
    assert [(line["event"], line["log_level"]) for line in logged] == [("the configuration file is not taken", "error")]

    write(file, "[storage]\nretention_days = 7\n")
    assert days(config) == 7


def test_a_file_that_is_gone_changes_nothing(file: Path) -> None:
    """It may be just being replaced."""
    write(file, "[storage]\nretention_days = 30\n")
    config = live(file)
    file.unlink()
    assert days(config) == 30
    write(file, "[storage]\nretention_days = 7\n")
    assert days(config) == 7


def test_a_variable_is_stronger(file: Path) -> None:
    """What it set stays, whatever the file says."""
    write(file, "")
    config = live(file, OPENIM_STORAGE_RETENTION_DAYS="5")
    write(file, "[storage]\nretention_days = 7\n")
    assert days(config) == 5


def test_what_needs_a_restart_is_told(file: Path) -> None:
    """And does not happen; what was settled by the start (a free port) is no change."""
    write(file, "[server]\nws_port = 0\n")
    config = live(file, OPENIM_API_PORT="1")
    write(file, "[server]\nws_port = 0\napi_port = 7\n[gateway]\nactors = 2\n")
    with capture_logs() as logged:
        now = config.now()
    assert now.gateway.actors == 1
    assert [line["settings"] for line in logged] == [["gateway.actors"]]


def test_without_a_file_nothing_changes(file: Path) -> None:
    """There is nothing to look at."""
    config = LiveConfig(Config())
    write(file, "[storage]\nretention_days = 7\n")
    assert days(config) == 14
