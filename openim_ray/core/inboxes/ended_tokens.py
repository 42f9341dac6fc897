"""
Tokens that were ended a moment ago: a connection that comes with one is kicked, whatever its gateway has or hasn't heard.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDED_MAX = 10_000
"""
So many digests are remembered, the latest ones; who comes with an older one is found by the state of the token in the store.

They bridge the time until that state is durable.
"""


class EndedTokens:
    """
    Digests of ended tokens; a token that was ended never becomes valid again.
    """

    def __init__(self, digests_max: int = ENDED_MAX) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()
        self._digests_max = digests_max

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def add(self, digests: Iterable[str]) -> None:
        """Remember digests; the oldest ones are forgotten for them."""
        for digest in digests:
            self._digests[digest] = None
            self._digests.move_to_end(digest)
        while len(self._digests) > self._digests_max:
            self._digests.popitem(last=False)
