"""
The supervisor: keeps the placement table and moves users to actors of their own and back, as `actors/supervisor.py` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openim_ray.core.placement import Placement
from tests.simulation.coroutines import Future
from tests.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.core.items import AnyItem
    from tests.simulation.world import World

READY_SECONDS = 30.0


class SupervisorProcess(Process):
    """
    Owner of the placement table; after a crash it learns the dedicated actors from themselves.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._placement = Placement(epoch=1, shards=tuple(world.shard_names))
        self._epoch = 1
        self._moving = False
        self.later(world.scheduler.between(0.01, 0.3), lambda: self.spawn(self._recover()))

    def placement(self) -> Placement | None:
        """Return the table, once it is known."""
        return self._placement if self.serving else None

    async def _recover(self) -> None:
        serving: dict[str, str] = {}
        idle: list[str] = []
        for name in self.world.dedicated_names():
            user_id = await self._call(name, lambda there: there.dedicated_user)
            if not user_id:
                self.world.end_dedicated(name)
            elif await self._call(name, lambda there: there.reported_incarnation()):
                serving[user_id] = name
            else:
                idle.append(user_id)
        self._placement = self._next(serving)
        self._moving = True
        self.begin()
        await self._publish(())
        for user_id in idle:
            if not await self._dedicate(user_id):
                await self._retire(user_id)
        self._moving = False

    def move(self, user_id: str) -> None:
        """Give a user an actor of her own, or take it back."""
        if self.serving and not self._moving:
            self._moving = True
            self.spawn(self._move(user_id))

    async def _move(self, user_id: str) -> None:
        if user_id in self._placement.dedicated or not await self._dedicate(user_id):
            await self._retire(user_id)
        self._moving = False

    async def _dedicate(self, user_id: str) -> bool:
        name = self.world.start_dedicated(user_id)
        old_home = self._placement.inbox_of(user_id)
        placement = self._next({**self._placement.dedicated, user_id: name})
        if not await self._call(old_home, lambda there: there.place(placement)):
            return False
        self._placement = placement
        deadline = self.now + READY_SECONDS
        while not await self._call(name, lambda there: there.reported_incarnation()):
            if self.now > deadline:
                return False
            await self.sleep(0.02)
        await self._publish((old_home,))
        return True

    async def _retire(self, user_id: str) -> None:
        name = self.world.dedicated_name(user_id)
        placement = self._next({key: value for key, value in self._placement.dedicated.items() if key != user_id})
        await self._call(name, lambda there: there.place(placement))
        self.world.end_dedicated(name)
        self._placement = placement
        await self._publish(())

    def _next(self, dedicated: dict[str, str]) -> Placement:
        self._epoch = max(self.wall_ms, self._epoch + 1)
        self.world.trace(self, "places", dedicated)
        return Placement(epoch=self._epoch, shards=self._placement.shards, dedicated=dedicated)

    async def _publish(self, except_for: Sequence[str]) -> None:
        placement = self._placement
        names = [*self.world.gateway_names, *placement.shards, *placement.dedicated.values()]
        calls = [self._call(name, lambda there: there.place(placement)) for name in names if name not in except_for]
        for answer in calls:
            await answer

    def _call(self, name: str, question: Callable[[Any], Any]) -> Future[Any]:
        answer: Future[Any] = Future()
        self.world.network.call(self, self.world.find(name), question, answer.resolve)
        return answer

    def on_items(self, peer: str, batch: Sequence[AnyItem]) -> None:
        """Nobody sends items to a supervisor."""

    def on_link_reset(self, peer: str) -> None:
        """It has no links."""
