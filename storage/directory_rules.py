"""
What of the directory holds whatever the backend.
"""

from __future__ import annotations

SYSTEM_LEVELS = frozenset({2, 3})
"""`appMangerLevel` of app admins and notification accounts (OpenIM wire, §4.2)."""
