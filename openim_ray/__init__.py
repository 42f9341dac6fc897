"""OpenIM-compatible instant messaging, an actor-model message broker on Ray."""

from __future__ import annotations

import sys

__version__ = "0.1.0"

# Where structlog finds Rich it takes it along, a fifth of the time until a command can begin, for a form of tracebacks that is never shown here:
# it has local variables in it, and those hold content. None is how Python is told that there is no such module.
if not {"structlog", "rich"} & sys.modules.keys():
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog as _  # noqa: F401
    finally:
        del sys.modules["rich"]
