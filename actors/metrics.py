"""
Metrics of the whole server in one place: what a gateway counts itself, and the counters of all actors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client import CollectorRegistry


class ActorCollector:
    """
    The numbers of the actors' `health`, each as `openim_<name>{actor="…"}`; an actor that did not answer is `openim_actor_up` 0.
    """

    def __init__(self, actors: Sequence[Mapping[str, object]]) -> None:
        self._actors = actors

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the metric families."""
        families: dict[str, GaugeMetricFamily] = {}
        up = GaugeMetricFamily("openim_actor_up", "Whether the actor answers", labels=["actor"])
        for actor in self._actors:
            name = str(actor["name"])
            up.add_metric([name], 0.0 if "error" in actor else 1.0)
            for key, value in actor.items():
                if isinstance(value, int | float):
                    family = families.setdefault(
                        key,
                        GaugeMetricFamily(f"openim_{key}", f"{key.replace('_', ' ')} of an actor", labels=["actor"]),
                    )
                    family.add_metric([name], float(value))
        yield up
        yield from families.values()


def render_metrics(registry: CollectorRegistry, actors: Sequence[Mapping[str, object]]) -> str:
    """
    Return everything in Prometheus' text format.
    """
    text = generate_latest(registry)
    return (text + generate_latest(ActorCollector(actors))).decode()
