"""
Use cases, as plain classes over the ports. Both shells, the WebSocket gateway and the HTTP API, call these instead of stores and actors.
"""

from __future__ import annotations

# Nothing is imported here: most actors need a few of these only, and what all need together (JWT, every message) takes a fifth of a second to import.
