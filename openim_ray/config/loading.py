"""Where values come from: defaults, then one TOML file, then OPENIM_* variables, then flags."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openim_ray.config.setting_index import ALIASES, catalogue, sections
from openim_ray.config.settings import Config
from openim_ray.config.values import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openim_ray.config.setting_index import Setting

FILE_VARIABLE = "OPENIM_CONFIG"
PREFIX = "OPENIM_"
# What tests tell each other sets nothing.
NO_SETTINGS_PREFIX = "OPENIM_TEST_"


class Given(NamedTuple):
    """A raw value and where it was found."""

    name: str
    value: object
    source: str
    lax: bool


def load_config(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]) -> Config:
    """
    Return the configuration of a file, an environment and flags, each stronger than the one before.

    Args:
        path: the TOML file; without one, the file that OPENIM_CONFIG names, if any.
        environ: `os.environ`; an empty variable counts as not set.
        overrides: values of flags by `section.key`; None counts as not given.

    Raises:
        ConfigError: a name is unknown or a value not allowed, in one line.
    """
    if path is None and environ.get(FILE_VARIABLE):
        path = Path(environ[FILE_VARIABLE])
    given = {item.name: item for item in _given(path, environ, overrides)}
    read = {name: _read(setting, given.get(name)) for name, setting in catalogue().items()}
    chosen: dict[str, Any] = {
        section: kind(**{key: read[f"{section}.{key}"] for key in kind.__struct_fields__})
        for section, kind in sections().items()
    }
    config = Config(
        **chosen,
        sources={name: item.source for name, item in given.items()},
        file=str(path.absolute()) if path else "",
    )
    _check_together(config)
    return config


def _read(setting: Setting, given: Given | None) -> Any:
    if given is None:  # read all the same: a relative path becomes absolute
        return setting.read(setting.default, "default", lax=False)
    return setting.read(given.value, given.source, lax=given.lax)


def _given(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]) -> Iterator[Given]:
    if path is not None:
        yield from _given_by_file(path)
    yield from _given_by_environment(environ)
    yield from _given_by_flags(overrides)


def _given_by_file(path: Path) -> Iterator[Given]:
    for section, table in _read_toml(path).items():
        if section not in sections():
            raise ConfigError(f"{path}: unknown section [{section}]{_hint(section, sections())}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} must be a section: [{section}]")
        for key, value in table.items():
            name = f"{section}.{key}"
            if name not in catalogue():
                keys = sections()[section].__struct_fields__
                raise ConfigError(f"{path}: unknown setting {name}{_hint(key, keys, f'{section}.')}")
            yield Given(name, value, str(path), lax=False)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from error


def _given_by_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    names = {setting.variable: setting.name for setting in catalogue().values()} | ALIASES
    seen: dict[str, str] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or not environ[variable] or _sets_nothing(variable):
            continue
        if variable not in names:
            keys = [known.removeprefix(PREFIX) for known in names]
            raise ConfigError(f"unknown variable {variable}{_hint(variable.removeprefix(PREFIX), keys, PREFIX)}")
        name = names[variable]
        other = seen.setdefault(name, variable)
        if environ[other] != environ[variable]:
            raise ConfigError(f"{other} and {variable} both set {name}, to different values: keep one")
        yield Given(name, environ[variable], variable, lax=True)


def _sets_nothing(variable: str) -> bool:
    return variable == FILE_VARIABLE or variable.startswith(NO_SETTINGS_PREFIX)


def _given_by_flags(overrides: Mapping[str, object]) -> Iterator[Given]:
    for name, value in overrides.items():
        if name not in catalogue():
            raise ConfigError(f"unknown setting {name}{_hint(name, catalogue())}")
        if value is not None:
            yield Given(name, value, "command line", lax=True)


def _hint(name: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else "; `openim-ray config default` lists all"


def _check_together(config: Config) -> None:
    server, gateway = config.server, config.gateway
    if server.ws_port == server.api_port != 0:
        raise ConfigError(f"server.ws_port and server.api_port are both {server.ws_port}: must differ")
    if bool(server.tls_certificate) != bool(server.tls_key):
        raise ConfigError("server.tls_certificate and server.tls_key: must be set both or neither")
    if gateway.web_ping_seconds >= gateway.read_deadline_seconds:
        raise ConfigError(
            f"gateway.web_ping_seconds = {gateway.web_ping_seconds}: must be less than "
            f"gateway.read_deadline_seconds ({gateway.read_deadline_seconds})"
        )
