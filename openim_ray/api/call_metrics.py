"""
What the API counts about itself.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class ApiMetrics:
    """
    Counters of calls; `path` is always one of the route table, so that strangers can't make series.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter("openim_api_calls", "API calls by outcome", ["path", "code"], registry=registry)
        self.seconds = Histogram(
            "openim_api_call_seconds", "Time to answer an API call", ["path"], buckets=_SECONDS, registry=registry
        )
        self.under_way = Gauge("openim_api_calls_under_way", "API calls being served", registry=registry)
        self.faults = Counter(
            "openim_api_internal_errors", "API calls answered with 500: each is a bug", registry=registry
        )
        self.unknown = Counter("openim_api_unknown_paths", "Requests for paths that don't exist", registry=registry)
        # Finding a series by its labels costs more than counting.
        self._counts: dict[tuple[str, int], Counter] = {}
        self._times: dict[str, Histogram] = {}

    def count(self, path: str, code: int, seconds: float) -> None:
        """
        Count a call and the time it took.
        """
        counter = self._counts.get((path, code))
        if counter is None:
            counter = self._counts[path, code] = self.calls.labels(path, code)
        counter.inc()
        times = self._times.get(path)
        if times is None:
            times = self._times[path] = self.seconds.labels(path)
        times.observe(seconds)
