"""OpenIM-compatible instant messaging, an actor-model message broker on Ray."""

from __future__ import annotations

__version__ = "0.1.0"
