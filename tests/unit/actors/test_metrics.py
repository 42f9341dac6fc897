"""The one page with the figures of all actors."""

from __future__ import annotations

import pickle

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from openim_ray.actors.metrics import families_of, render_metrics
from openim_ray.api.call_metrics import ApiMetrics


def counted(calls: int) -> bytes:
    """Return what a gateway has counted, as it travels."""
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    for _ in range(calls):
        metrics.calls.labels("/path", 0).inc()
        metrics.seconds.labels("/path").observe(0.003)
    metrics.faults.inc(calls - 1)
    return pickle.dumps(families_of(registry))


def samples(text: str, name: str, **labels: str) -> dict[str, float]:
    """Return the values of a sample by actor."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        one.labels["actor"]: one.value for one in found if one.name == name and labels.items() <= one.labels.items()
    }


def test_every_gateways_calls_stand_on_the_page() -> None:
    """Each by itself, counters and histograms, in the form that Prometheus reads; nothing is counted twice or lost."""
    gateways = {name: pickle.loads(counted(calls)) for name, calls in (("gateway-0", 3), ("gateway-1", 1))}
    text = render_metrics(gateways, [{"name": "inbox-0", "inboxes_active": 7}, {"name": "inbox-1", "error": "gone"}])
    assert samples(text, "openim_api_calls_total", path="/path", code="0") == {"gateway-0": 3, "gateway-1": 1}
    assert samples(text, "openim_api_internal_errors_total") == {"gateway-0": 2, "gateway-1": 0}
    assert samples(text, "openim_api_call_seconds_bucket", le="0.005") == {"gateway-0": 3, "gateway-1": 1}
    assert samples(text, "openim_inboxes_active") == {"inbox-0": 7}
    assert samples(text, "openim_actor_up") == {"inbox-0": 1, "inbox-1": 0}
    assert text.count("# TYPE openim_api_calls_total counter") == 1


def test_a_gateway_that_does_not_answer_is_left_out() -> None:
    """The page is about the others; `openim_actor_up` tells of it."""
    text = render_metrics({"gateway-0": pickle.loads(counted(3)), "gateway-1": []}, [])
    assert samples(text, "openim_api_calls_total") == {"gateway-0": 3}
