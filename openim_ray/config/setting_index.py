"""The settings as data: what loading, listing and the default file have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from openim_ray.config.settings import Config, Section
from openim_ray.config.values import ConfigError, Secret, show

if TYPE_CHECKING:
    from openim_ray.config.values import Rule

# Short names of what people set most; the long ones work, too.
ALIASES = {
    "OPENIM_ADMIN_SECRET": "auth.admin_secret",
    "OPENIM_API_PORT": "server.api_port",
    "OPENIM_DATA_DIR": "server.data_dir",
    "OPENIM_WS_PORT": "server.ws_port",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting; `hint` is its type with bounds, as annotated in its section."""

    section: str
    key: str
    hint: Any
    default: Any

    @property
    def name(self) -> str:
        """The name by which errors, flags and listings call it."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"OPENIM_{self.section}_{self.key}".upper()

    @property
    def variables(self) -> list[str]:
        """Every environment variable that sets it, the shortest first."""
        return sorted([self.variable, *(name for name, to in ALIASES.items() if to == self.name)], key=len)

    @property
    def doc(self) -> str:
        """What it means."""
        return self._meta.description or ""

    @property
    def reloadable(self) -> bool:
        """Whether it can change while the server runs."""
        return bool((self._meta.extra or {})["reloadable"])

    @property
    def rule(self) -> Rule | None:
        """What its value has to be beyond its type, if anything."""
        return (self._meta.extra or {}).get("rule")

    @property
    def allowed(self) -> str:
        """What a value has to be, to stand after "must be"."""
        if self.rule is not None:
            return self.rule.allowed
        if get_origin(self._kind) is Literal:
            return "one of " + ", ".join(map(str, get_args(self._kind)))
        if self._kind is bool:
            return "true or false"
        number = "a whole number" if self._kind is int else "a number"
        return f"{number} from {self._meta.ge} to {self._meta.le}"

    def read(self, value: object, source: str, *, lax: bool) -> Any:
        """
        Return a raw value as the setting's type.

        Args:
            value: as TOML or a flag has it, or text.
            source: where it was found, for the error.
            lax: whether text may stand for a number, as it must in the environment.

        Raises:
            ConfigError: it isn't allowed; names setting, value, source and what is allowed.
        """
        raw: object = value
        if isinstance(raw, str) and get_origin(self._kind) is tuple:
            raw = [item.strip() for item in raw.split(",") if item.strip()]
        try:
            read = msgspec.convert(raw, self.hint, strict=not lax, dec_hook=secret_from_text)
        except msgspec.ValidationError:
            raise self._refusal(value, source, lax=lax) from None
        if self.rule is None:
            return read
        if not self.rule.holds(read):
            raise self._refusal(value, source, lax=lax)
        return self.rule.convert(read)

    @property
    def _kind(self) -> Any:
        return get_args(self.hint)[0]

    @property
    def _meta(self) -> msgspec.Meta:
        meta: msgspec.Meta = get_args(self.hint)[1]
        return meta

    def _refusal(self, value: object, source: str, *, lax: bool) -> ConfigError:
        shown = "(hidden)" if self._kind is Secret else show(value)
        # In a file "1" is no number; and nothing at all would be hard to see.
        if isinstance(value, str) and (not lax or not value) and self._kind is not Secret:
            shown = f'"{shown}"'
        return ConfigError(f"{self.name} = {shown} ({source}): must be {self.allowed}")


@cache
def catalogue() -> dict[str, Setting]:
    """Return every setting by its name, `section.key`, in the order of the file."""
    return {found.name: found for section in sections() for found in _settings_of(section)}


@cache
def sections() -> dict[str, type[Section]]:
    """Return the sections by name, in the order of the file."""
    hints = get_type_hints(Config)
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Section)}


def _settings_of(section: str) -> list[Setting]:
    kind = sections()[section]
    hints = get_type_hints(kind, include_extras=True)
    defaults = kind()
    return [
        Setting(section=section, key=key, hint=hints[key], default=getattr(defaults, key))
        for key in kind.__struct_fields__
    ]


def secret_from_text(kind: type, value: object) -> Secret:
    """Return a text as a secret: the `dec_hook` of msgspec for settings."""
    if isinstance(value, Secret):
        return value
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise msgspec.ValidationError
