"""
States of an issued token.
"""

from __future__ import annotations

from typing import Final

NORMAL: Final = 0
KICKED: Final = 2
"""As the wire has them (OpenIM wire, §1.5); 1 (invalid) and 3 (expired) are never kept."""
