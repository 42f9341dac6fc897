"""The configuration as people and other processes read it: listing, default file, changes, payload."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from openim_ray.config.setting_index import catalogue, secret_from_text, sections
from openim_ray.config.settings import Config
from openim_ray.config.values import Secret, show

if TYPE_CHECKING:
    from openim_ray.config.setting_index import Setting

FILE_WIDTH = 100


class Row(NamedTuple):
    """One line of `openim-ray config show`; `value` is fit to be shown."""

    name: str
    value: str
    source: str
    change: str
    doc: str


def describe(config: Config) -> list[Row]:
    """Return every setting with its value and where that came from; secrets and passwords are hidden."""
    return [
        Row(
            setting.name,
            show(value_of(config, setting)),
            config.sources.get(name, "default"),
            "reloadable" if setting.reloadable else "static",
            setting.doc,
        )
        for name, setting in catalogue().items()
    ]


def value_of(config: Config, setting: Setting) -> Any:
    """Return the value that a configuration has for a setting."""
    return getattr(getattr(config, setting.section), setting.key)


def reloadable_changes(old: Config, new: Config) -> dict[str, Any]:
    """Return the new values, by `section.key`, that can take effect without a restart."""
    return {setting.name: value_of(new, setting) for setting in _changed(old, new) if setting.reloadable}


def static_changes(old: Config, new: Config) -> list[str]:
    """Return the names of the changed settings that wait for a restart."""
    return [setting.name for setting in _changed(old, new) if not setting.reloadable]


def _changed(old: Config, new: Config) -> list[Setting]:
    return [setting for setting in catalogue().values() if value_of(old, setting) != value_of(new, setting)]


def default_toml() -> str:
    """Return a file that explains every setting; each stands there with its default, commented out."""
    lines = ["# Configuration of OpenIM on Ray. What is commented out has the value shown.", ""]
    for section, kind in sections().items():
        lines += [f"# {kind.__doc__}", f"[{section}]", ""]
        for setting in catalogue().values():
            if setting.section == section:
                lines += [*_explanation(setting), f"#{setting.key} = {_toml(setting.default)}", ""]
    return "\n".join(lines)


def _explanation(setting: Setting) -> list[str]:
    change = "reloadable" if setting.reloadable else "static"
    text = f"{setting.doc}\nAllowed: {setting.allowed}. {' or '.join(setting.variables)}, {change}."
    return [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, FILE_WIDTH, initial_indent="# ", subsequent_indent="# ")
    ]


def _toml(value: object) -> str:
    # The JSON of texts, numbers, truth values and lists of them is TOML as well.
    return json.dumps(value.reveal() if isinstance(value, Secret) else value, ensure_ascii=False)


def to_payload(config: Config) -> bytes:
    """Return the configuration as JSON for another process of the server; it holds the secrets."""
    return msgspec.json.encode(config, enc_hook=_text_of_secret)


def from_payload(payload: bytes) -> Config:
    """
    Return the configuration that `to_payload` wrote.

    Raises:
        msgspec.ValidationError: it has other settings, as of another version.
    """
    return msgspec.json.decode(payload, type=Config, dec_hook=secret_from_text)


def _text_of_secret(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    msg = f"no JSON for {type(value).__name__}"
    raise NotImplementedError(msg)
