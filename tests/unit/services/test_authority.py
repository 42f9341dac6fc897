"""Who may ask what for whom."""

from __future__ import annotations

import pytest

from openim_ray.domain.errors import NoPermission
from openim_ray.services.authority import Authority, Caller, require

ALICE = Caller("alice", 5, is_admin=False, digest="", expires_at=0)
ADMIN = Caller("imAdmin", 10, is_admin=True, digest="", expires_at=0)


@pytest.mark.parametrize(
    ("authority", "caller", "owner", "passes"),
    [
        (Authority.NOBODY, None, "", True),
        (Authority.ANYBODY, None, "", False),
        (Authority.ANYBODY, ALICE, "", True),
        (Authority.OWNER, ALICE, "alice", True),
        (Authority.OWNER, ALICE, "bob", False),
        (Authority.OWNER, ALICE, "", False),
        (Authority.OWNER, ADMIN, "alice", True),
        (Authority.OWNER, None, "alice", False),
        (Authority.ADMIN, ALICE, "alice", False),
        (Authority.ADMIN, ADMIN, "", True),
        (Authority.ADMIN, None, "", False),
    ],
)
def test_authority_is_one_rule(authority: Authority, caller: Caller | None, owner: str, passes: bool) -> None:
    """Administrators may everything that needs a token, owners their own, others what is open to all."""
    if passes:
        require(authority, caller, owner)
        return
    with pytest.raises(NoPermission):
        require(authority, caller, owner)
