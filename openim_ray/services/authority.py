"""
Who may ask what for whom: one rule, applied before any service is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from openim_ray.domain import errors


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Whom a token proved to be there.

    `digest` names the token without being it; `expires_at` is in Unix seconds.
    """

    user_id: str
    platform_id: int
    is_admin: bool
    digest: str
    expires_at: int


class Authority(Enum):
    """
    What a request needs of its caller.
    """

    NOBODY = "no token"
    """Whoever reaches the server; the request proves itself, or tells nothing."""

    ANYBODY = "any user"
    """A valid token: what is asked for is no secret among users, or concerns the caller by construction."""

    OWNER = "the named user or an administrator"
    """The user whose data it is, or an administrator in her place. What belongs to two, either may ask for."""

    ROLE = "whom the group's rules allow"
    """A valid token; what the caller is to the group decides (`services.groups.authority`)."""

    ADMIN = "an administrator"


def require(authority: Authority, caller: Caller | None, *owner_ids: str) -> None:
    """
    Let a request pass.

    Args:
        authority: what the request needs.
        caller: who asks; None without token.
        owner_ids: the users whose data the request names, of whom each may call; read only for `OWNER`.

    Raises:
        NoPermission: the caller may not do this.
    """
    if authority is Authority.NOBODY:
        return
    if caller is None:
        raise errors.NoPermission("a token is needed")
    if authority in (Authority.ANYBODY, Authority.ROLE) or caller.is_admin:
        return
    if authority is Authority.ADMIN:
        raise errors.NoPermission("only an administrator may do this")
    if caller.user_id not in owner_ids:
        raise errors.NoPermission("only the user herself or an administrator may do this")
