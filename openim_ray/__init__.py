"""OpenIM-compatible instant messaging, an actor-model message broker on Ray."""
