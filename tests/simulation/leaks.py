"""
What the machines must not keep when everything is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.gateways import GatewayProcess
from tests.simulation.shards import ShardProcess

if TYPE_CHECKING:
    from collections.abc import Sized

    from openim_ray.core.gateway.hub import Hub
    from openim_ray.core.shard import Shard
    from tests.simulation.world import World


def leaks(world: World) -> list[str]:
    """
    Return what is left over in any process although nothing is under way.
    """
    found: list[str] = []
    for process in world.running():
        if isinstance(process, GatewayProcess):
            kept = _of_hub(process.hub)
        elif isinstance(process, ShardProcess) and process.serving:
            kept = _of_shard(process.serving_shard())
        else:
            continue
        found += [f"{process.incarnation}: {name} {value}" for name, value in kept.items() if value]
    return found


def _of_hub(hub: Hub) -> dict[str, Sized]:
    kept = _fields(hub, "_pending", "_runs", "_to_repeat")
    kept |= _fields(hub._registrations, "_since_ms", "_due", "_refused", "_calls", "_under_way")
    kept |= _fields(hub.watches, "_due", "_asked", "_asked_before", "_refused", "_quiet")
    kept["bytes of requests"] = [1] * (hub._room.entries or hub._room.bytes)
    for session in hub.sessions.values():
        kept |= _fields(session, "_held", "_reading", "_unanswered", "_echoes", "_first_seen", "_begun")
    return kept


def _of_shard(shard: Shard) -> dict[str, Sized]:
    kept = _fields(shard.logs, "_for_log", "_for_facts", "_ensuring", "_writes", "_retries", "_reloads", "_dirty")
    kept |= _fields(shard.inboxes, "_waiting", "_repairs", "_to_refresh", "_reloads", "_loading", "_after_saves")
    kept |= _fields(shard.logs, "_changed_facts") | _fields(shard.logs._passing_on, "_held")
    kept |= _fields(shard.logs.mentions, "_groups", "_turns", "_delayed")
    kept |= _fields(shard.logs.effects, "_applications", "_crowded") | _fields(shard.inboxes._said, "_said")
    kept |= _fields(shard.inboxes.presence, "_changed", "_due")
    kept |= _fields(shard.inboxes._saves, "_queues", "_users", "_retries")
    kept["waiting in logs"] = [1] * (shard.logs._waiting.entries or shard.logs._waiting.bytes)
    kept["waiting in inboxes"] = [1] * (shard.inboxes._waiting_room.entries or shard.inboxes._waiting_room.bytes)
    return kept


def _fields(machine: Any, *names: str) -> dict[str, Sized]:
    return {f"{type(machine).__name__}.{name}": getattr(machine, name) for name in names}
