from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import Unavailable
from openim_ray.storage import threads
from openim_ray.storage.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable


class Resource:
    """
    Knows who uses it.
    """

    made: list[Resource]

    def __init__(self) -> None:
        self.thread = threading.current_thread().name
        self.closed = False

    def close(self) -> None:
        """Note the end."""
        self.closed = True


@pytest.fixture
def made() -> list[Resource]:
    """Collect the resources of a test."""
    return []


def maker(made: list[Resource]) -> Callable[[], Resource]:
    """Return a function that makes resources and remembers them."""

    def make() -> Resource:
        resource = Resource()
        made.append(resource)
        return resource

    return make


async def test_calls_run_on_threads_of_their_own(made: list[Resource]) -> None:
    """A call runs on a named thread, with that thread's resource; one thread takes calls in order."""
    pool = Threads("store", 1, maker(made))
    seen: list[int] = []

    def call(number: int, resource: Resource) -> str:
        seen.append(number)
        return resource.thread

    names = await asyncio.gather(*(pool.run(partial(call, number)) for number in range(10)))

    assert set(names) == {"store_0"}
    assert seen == list(range(10))
    assert len(made) == 1
    await pool.aclose()


async def test_each_thread_has_its_resource(made: list[Resource]) -> None:
    """Two calls at once have two resources, closed at the end."""
    pool = Threads("store", 2, maker(made))
    both = threading.Barrier(2, timeout=10)

    used = await asyncio.gather(*(pool.run(lambda r: (both.wait(), r)[1]) for _ in range(2)))

    assert used[0] is not used[1]
    await pool.aclose()
    assert [resource.closed for resource in made] == [True, True]


async def test_closing_waits_for_running_calls(made: list[Resource]) -> None:
    """What runs at `aclose` ends first, with its resource open; afterwards calls are refused."""
    pool = Threads("store", 1, maker(made))
    entered, leave = threading.Event(), threading.Event()

    def call(resource: Resource) -> bool:
        entered.set()
        leave.wait(10)
        return resource.closed

    running = asyncio.ensure_future(pool.run(call))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(pool.aclose())
    await asyncio.sleep(0)
    leave.set()

    assert await running is False
    await closing
    assert entered.is_set()
    assert made[0].closed
    with pytest.raises(Unavailable, match="store is closed"):
        await pool.run(call)
    await pool.aclose()


async def test_too_many_calls_are_refused(made: list[Resource], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a call is Unavailable at once; when there is room again, calls are taken."""
    monkeypatch.setattr(threads, "PENDING_MAX", 2)
    pool = Threads("store", 1, maker(made))
    leave = threading.Event()
    waiting = [asyncio.ensure_future(pool.run(lambda _: leave.wait(10))) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable, match="2 calls wait"):
        await pool.run(lambda _: True)

    leave.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await pool.run(lambda _: True)
    await pool.aclose()


async def test_a_cancelled_caller_does_not_stop_the_call(made: list[Resource]) -> None:
    """The call of a caller who gave up ends on its thread, and the next one runs after it."""
    pool = Threads("store", 1, maker(made))
    leave = threading.Event()
    done: list[str] = []

    def call(_: Resource) -> None:
        leave.wait(10)
        done.append("abandoned")

    abandoned = asyncio.ensure_future(pool.run(call))
    await asyncio.sleep(0)
    abandoned.cancel()
    leave.set()

    await pool.run(lambda _: done.append("next"))

    assert done == ["abandoned", "next"]
    assert abandoned.cancelled()
    await pool.aclose()


async def test_errors_reach_the_caller(made: list[Resource]) -> None:
    """What a call raises, its caller gets; a resource that can't be made is tried again at the next call."""
    attempts: list[Resource] = []

    def make() -> Resource:
        attempts.append(Resource())
        if len(attempts) == 1:
            raise Unavailable("not yet")
        return attempts[-1]

    pool = Threads("store", 1, make)
    with pytest.raises(Unavailable, match="not yet"):
        await pool.run(lambda _: None)
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda _: 1 // 0)
    await pool.aclose()
    assert attempts[1].closed
