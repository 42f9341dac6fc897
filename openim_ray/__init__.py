"""OpenIM-compatible instant messaging, an actor-model message broker on Ray."""

__version__ = "0.1.0"
