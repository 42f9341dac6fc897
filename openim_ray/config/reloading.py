"""
Settings that take effect while the server runs: the file is read again when it has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from openim_ray.config.loading import load_config
from openim_ray.config.report import reloadable_changes, static_changes
from openim_ray.config.values import ConfigError, show

if TYPE_CHECKING:
    from openim_ray.config.settings import Config

log = structlog.get_logger(__name__)


class LiveConfig:
    """
    The configuration of a process, with the reloadable settings as the file has them now.

    A setting that a variable or a flag gave stays as it is: those are stronger than the file. A file that is wrong changes nothing, and is
    logged as an error, once for each state of it; so is what waits for a restart, as a warning. What changed before this was made is taken,
    too: a process that is started again has the configuration of the server's start.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seen = _state_of(config.file)
        self._in_file: Config | None = None
        self._take(_read(config.file))

    def now(self) -> Config:
        """Return it."""
        state = _state_of(self._config.file)
        if state != self._seen:
            self._seen = state
            self._take(_read(self._config.file))
        return self._config

    def _take(self, in_file: Config | None) -> None:
        if in_file is None:
            return
        before, self._in_file = self._in_file or in_file, in_file
        overridden = {name for name, source in self._config.sources.items() if not _is_file(source, self._config.file)}
        if waiting := [name for name in static_changes(before, in_file) if name not in overridden]:
            log.warning("settings changed that wait for a restart", settings=waiting)
        for name, value in reloadable_changes(self._config, in_file).items():
            if name not in overridden:
                log.info("setting changed", setting=name, value=show(value))
                self._config = _with(self._config, name, value)


def _is_file(source: str, file: str) -> bool:
    """Tell the file, as it was named then and from another working directory perhaps, from a variable and the command line."""
    named = Path(source).parts
    return Path(file).parts[-len(named) :] == named


def _state_of(file: str) -> tuple[int, int, int]:
    try:
        found = Path(file).stat() if file else None
    except OSError:
        found = None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else (0, 0, 0)


def _read(file: str) -> Config | None:
    """Return what a file alone says; None if there is none, or it is wrong."""
    try:
        return load_config(Path(file), {}, {}) if file else None
    except ConfigError as error:
        log.error("the configuration file is not taken", error=str(error))
        return None


def _with(config: Config, name: str, value: object) -> Config:
    section, _, key = name.partition(".")
    changed = msgspec.structs.replace(getattr(config, section), **{key: value})
    return msgspec.structs.replace(config, **{section: changed})
