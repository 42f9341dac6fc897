"""Whether the server is ready: everybody is asked, nobody is waited for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from openim_ray.actors import readiness
from openim_ray.actors.readiness import Readiness
from openim_ray.domain.errors import Unavailable

Check = Callable[[], Awaitable[object]]


async def passes() -> None:
    """Answer."""


async def fails() -> None:
    """Answer that it can't."""
    raise Unavailable("starting")


async def hangs() -> None:
    """Never answer."""
    await asyncio.Event().wait()


def ready(seconds: float = 10.0, **kinds: dict[str, Check]) -> Readiness:
    """Return what asks these."""
    return Readiness(lambda: kinds, seconds)


async def test_all_that_pass_are_ready() -> None:
    """Said kind by kind."""
    asked = await ready(inbox={"inbox-0": passes, "inbox-1": passes}, persistence={"persistence-0": passes}).ask()
    assert asked == (True, {"inbox": "ok", "persistence": "ok"})


async def test_one_that_fails_is_named() -> None:
    """Whichever of its kind it is; the others are no excuse."""
    is_ready, detail = await ready(inbox={"inbox-0": passes, "inbox-1": fails}, persistence={"p-0": passes}).ask()
    assert not is_ready
    assert detail == {"inbox": "inbox-1: 90002 DatabaseError: starting", "persistence": "ok"}


async def test_all_are_asked_at_once_and_have_one_deadline() -> None:
    """So that a monitor hears in time, however many hang."""
    is_ready, detail = await ready(0.05, inbox={f"inbox-{number}": hangs for number in range(7)}).ask()
    assert not is_ready
    assert str(detail["inbox"]).startswith("inbox-0: no answer in 0.05 s, inbox-1: ")
    assert str(detail["inbox"]).endswith("inbox-4: no answer in 0.05 s, and 2 more")


async def test_many_who_ask_share_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask, so that must not cost a call to every actor each time; later it is asked again."""
    monkeypatch.setattr(readiness, "CHECKS_AT_ONCE", 2)
    asked = under_way = most = 0

    async def counted() -> None:
        nonlocal asked, under_way, most
        asked += 1
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    both = ready(inbox={f"inbox-{number}": counted for number in range(5)})
    assert all(is_ready for is_ready, _ in await asyncio.gather(*(both.ask() for _ in range(9))))
    assert (asked, most) == (5, 2)
    assert await both.ask() == (True, {"inbox": "ok"})
    assert asked == 10


async def test_one_who_gives_up_leaves_the_others_their_answer() -> None:
    """A monitor that hangs up ends nobody's question."""
    answer = asyncio.Event()
    both = ready(inbox={"inbox-0": answer.wait})
    impatient, patient = asyncio.create_task(both.ask()), asyncio.create_task(both.ask())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    answer.set()
    assert await patient == (True, {"inbox": "ok"})
