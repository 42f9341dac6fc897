"""How the supervisor ends a server; the other actors are played by the test."""

from __future__ import annotations

from typing import Any

import pytest

from openim_ray.actors import supervisor as module
from openim_ray.actors.gateway import ANSWERED_BY
from openim_ray.actors.supervisor import DRAINED_BY, SupervisorActor
from openim_ray.config import Config, to_payload
from openim_ray.config.settings import ServerSection
from openim_ray.core.placement import Placement
from openim_ray.domain.errors import Unavailable

SECONDS = 8.0
PLACEMENT = Placement(epoch=2, shards=("inbox-0",), dedicated={"carol": "inbox-user-carol"})


class Others:
    """
    The other actors; a frozen one lets its caller wait for as long as that has patience.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.frozen: set[str] = set()
        self.drained: list[tuple[str, float]] = []
        """Who was asked to drain, and with how much patience."""

    async def call(self, actor: str, _namespace: str, method: str, *_arguments: object, seconds: float = 0.0) -> Any:
        """Play a call to another actor."""
        if method != "drain":
            return None
        self.drained.append((actor, seconds))
        if actor in self.frozen:
            self.now += seconds
            raise Unavailable(f"{actor}.drain: TimeoutError")
        return None


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    """They take the place of real ones, and their time that of the clock."""
    others = Others()
    monkeypatch.setattr(module, "call", others.call)
    monkeypatch.setattr(module, "monotonic", lambda: others.now)
    monkeypatch.setattr(module, "_dedicated_names", lambda _namespace: [])
    return others


@pytest.fixture
async def actor(others: Others) -> SupervisorActor:
    """A supervisor that has one inbox actor besides the shared one."""
    config = Config(server=ServerSection(drain_seconds=SECONDS))
    actor = SupervisorActor("supervisor", to_payload(config))
    await actor._started
    actor._placement = PLACEMENT
    return actor


async def test_who_is_asked_ends_after_who_asks(others: Others, actor: SupervisorActor) -> None:
    """Gateways first, stores last, and inboxes of single users, too; whoever is quick leaves the time to those that follow."""
    await actor.drain()
    assert [name for name, _ in others.drained] == ["gateway-0", "inbox-0", "inbox-user-carol", "persistence-0"]
    assert others.drained[-1][1] == SECONDS


@pytest.mark.parametrize(
    "frozen",
    [{"gateway-0"}, {"inbox-0"}, {"persistence-0"}, {"gateway-0", "inbox-0", "persistence-0"}],
    ids=["gateway", "inbox", "persistence", "all"],
)
async def test_frozen_actors_do_not_outlast_the_drain(others: Others, actor: SupervisorActor, frozen: set[str]) -> None:
    """Each group has its part of the configured time, so that the others still get theirs."""
    others.frozen = frozen
    await actor.drain()
    assert others.now <= SECONDS
    assert {name for name, _ in others.drained} == {"gateway-0", "inbox-0", "inbox-user-carol", "persistence-0"}
    assert all(seconds > 0.1 * SECONDS for _, seconds in others.drained)


def test_a_gateway_is_done_with_answering_before_it_is_given_up() -> None:
    """It still has to close its connections; a drain by default leaves two of the five seconds to the end of Ray."""
    assert DRAINED_BY[0] > ANSWERED_BY
    assert ServerSection().drain_seconds <= 3.0
