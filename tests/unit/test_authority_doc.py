"""docs/authority.md says what the code does."""

from __future__ import annotations

from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route_table import TABLE
from openim_ray.gateway.requests import NOT_BUILT as REQUESTS_NOT_BUILT
from openim_ray.gateway.requests import SUBJECTS
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.services.authority import Authority
from openim_ray.services.groups.authority import ALLOWED, Action
from tests.unit.authority_page import BEGIN, END, PAGE, tables

PUSHED = {RequestIdentifier.PUSH_MSG, RequestIdentifier.KICK_ONLINE}
"""What only the server says."""


def test_the_page_is_the_code() -> None:
    """Made anew by `python -m tests.unit.authority_page`."""
    _, _, rest = PAGE.read_text().partition(BEGIN)
    assert rest.partition(END)[0] == tables()


def test_every_action_in_a_group_is_asked_by_a_route() -> None:
    """A rule that no route names is one that nobody applies, or one that is applied unseen."""
    named = {action for path, route in TABLE.items() if path not in NOT_BUILT for action in route.actions}
    assert named == set(Action) == set(ALLOWED)


def test_a_route_with_rules_names_them() -> None:
    """And no other does, but one that a user calls for herself, and which may then reach further."""
    for path, route in TABLE.items():
        allowed = (Authority.ROLE, Authority.OWNER) if route.actions else (*set(Authority) - {Authority.ROLE},)
        assert route.authority in allowed, path


def test_every_request_says_for_whom_it_is() -> None:
    """Those that clients may send."""
    assert set(SUBJECTS) == set(RequestIdentifier) - PUSHED - REQUESTS_NOT_BUILT
