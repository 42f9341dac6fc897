"""
The tables of docs/authority.md, made from the code.

Run: python -m tests.unit.authority_page, which writes them into the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route_table import TABLE
from openim_ray.gateway.requests import SUBJECTS
from openim_ray.services.authority import Authority
from openim_ray.services.groups.authority import ALLOWED, Action, Standing

if TYPE_CHECKING:
    from openim_ray.api.route import Route

PAGE = Path(__file__).parents[2] / "docs" / "authority.md"
BEGIN, END = "<!-- made from the code: begin -->\n", "<!-- made from the code: end -->\n"


def tables() -> str:
    """Return all tables, as they stand in the page."""
    return f"{_routes()}\n{_group_actions()}\n{_requests()}"


def main() -> None:
    """Write the tables into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{tables()}{END}{after}")


def _routes() -> str:
    lines = ["## Routes", "", "| route | who |", "|---|---|"]
    lines += [f"| `{path}` | {_who(route)} |" for path, route in sorted(TABLE.items()) if path not in NOT_BUILT]
    return "\n".join([*lines, ""])


def _who(route: Route[Any]) -> str:
    if route.authority is Authority.OWNER:
        named = " or ".join(f"`{name}`" for name in (route.owner, route.or_owner) if name)
        rules = "".join(f"; in a group, who may {action.value}" for action in route.actions)
        return f"the user in {named}, or an administrator{rules}"
    if route.authority is Authority.ROLE:
        return "in a group, who may " + ", or ".join(action.value for action in route.actions)
    return route.authority.value


def _group_actions() -> str:
    standings = list(Standing)
    lines = [
        "## In a group",
        "",
        "| who may | " + " | ".join(one.value for one in standings) + " |",
        "|---" * (len(standings) + 1) + "|",
    ]
    lines += [
        f"| {action.value} | " + " | ".join("yes" if one in ALLOWED[action] else "no" for one in standings) + " |"
        for action in Action
    ]
    return "\n".join([*lines, ""])


def _requests() -> str:
    lines = ["## Requests on the WebSocket", "", "| request | for whom |", "|---|---|"]
    lines += [f"| {int(request)} {request.name} | {subject} |" for request, subject in SUBJECTS.items()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
