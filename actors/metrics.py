"""
Metrics of the whole server in one place: what the gateways count of the API, and the figures of all actors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client import CollectorRegistry

Family = tuple[str, str, str, list[tuple[str, dict[str, str], float]]]
"""Name, documentation and type of a metric family, and its samples: name, labels, value."""


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


class CallCollector:
    """
    What each gateway counted of the API's calls, with the gateway as one more label: whichever of them is asked, the page is the same.
    """

    def __init__(self, counted: Mapping[str, Sequence[Family]]) -> None:
        self._counted = counted

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families."""
        families: dict[str, Metric] = {}
        for actor, counted in self._counted.items():
            for name, documentation, kind, samples in counted:
                family = families.setdefault(name, Metric(name, documentation, kind))
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "actor": actor}, value)
        yield from families.values()


def families_of(registry: CollectorRegistry) -> list[Family]:
    """
    Return what a registry counts, in values that travel between actors.
    """
    return [
        (
            one.name,
            one.documentation,
            one.type,
            [(sample.name, dict(sample.labels), sample.value) for sample in one.samples],
        )
        for one in registry.collect()
    ]


def render_metrics(counted: Mapping[str, Sequence[Family]], actors: Sequence[Mapping[str, object]]) -> str:
    """
    Return everything in Prometheus' text format: the calls that gateways counted, and the figures of all actors.
    """
    text = generate_latest(CallCollector(counted))
    return (text + generate_latest(ActorCollector(actors))).decode()
