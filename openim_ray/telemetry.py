"""
Logging: structlog lines for people or as JSON, on standard error, without secrets.

A log line never holds message content; tokens and secrets that get into one are shortened here, whoever wrote it.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

TOKEN_CHARACTERS_SHOWN = 6
HIDDEN = "(hidden)"
# They say on level info what is of no use here; aiohttp's access lines would hold query strings, that is tokens.
CHATTY = ("aiohttp.access", "alembic", "asyncio")

_TOKEN_KEYS = re.compile(r"token|jwt", re.IGNORECASE)
_SECRET_KEYS = re.compile(r"secret|password|authorization|cookie|private_?key", re.IGNORECASE)
_TOKEN_IN_QUERY = re.compile(r"(?i)\b((?:\w*token|secret|password)=)[^&\s\"'#]+")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*):\S*@")


class LogSettings(Protocol):
    """What this module wants to know of `[log]`."""

    @property
    def level(self) -> str:
        """Least severity: debug, info, warning or error."""

    @property
    def format(self) -> str:
        """The form of a line: console or json."""


class Logged(Protocol):
    """A configuration with a section for the log."""

    @property
    def log(self) -> LogSettings:
        """The section `[log]`."""


class _ErrorCounter(logging.Handler):
    """
    Counts what is logged as an error, by whatever library.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.count += 1


_errors = _ErrorCounter()


def errors_logged() -> int:
    """
    Return how many lines of level error this process wrote: each is a fault, of the server or of what it runs on.
    """
    return _errors.count


def configure_logging(config: Logged, process: str = "") -> None:
    """
    Send this process's log to standard error; may be called again, the last call wins.

    Args:
        config: level and format.
        process: name of the actor or program, stands in each line.
    """
    before_rendering: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _naming(process),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before_rendering,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # loggers of modules must follow a later call
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before_rendering,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_secrets,  # last before the renderer: it has to see tracebacks, too
                _renderer(config.log.format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler, _errors]
    root.setLevel(config.log.level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _naming(process: str) -> Processor:
    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if process:
            event["process"] = process
        return event

    return name_process


def _renderer(form: str) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer()
    # Not the default formatter of exceptions: it shows local variables, and those hold content.
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def short_token(token: str) -> str:
    """Return what identifies a token to its owner but can't be used: its last characters."""
    if len(token) <= 2 * TOKEN_CHARACTERS_SHOWN:
        return HIDDEN
    return f"…{token[-TOKEN_CHARACTERS_SHOWN:]}"


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Shorten tokens and hide secrets of a log line, by the name of the value and by its form (a structlog processor)."""
    return {key: _hidden(str(key), value) for key, value in event.items()}


def _hidden(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _hidden(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(key, item) for item in value]
    if _SECRET_KEYS.search(key) and not isinstance(value, (bool, int)):
        return HIDDEN
    if not isinstance(value, (str, bytes)):
        return value
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if _TOKEN_KEYS.search(key):
        return short_token(text)
    return hide_in_text(text)


def hide_in_text(text: str) -> str:
    """Return a text without the tokens of query strings, JWTs, and passwords of URLs."""
    text = _TOKEN_IN_QUERY.sub(rf"\1{HIDDEN}", text)
    text = _JWT.sub(lambda found: short_token(found.group()), text)
    return _PASSWORD_IN_URL.sub(r"\1:***@", text)
