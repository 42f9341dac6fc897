"""
The HTTP application: the API's routes, and what a browser or a monitor asks.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from openim_ray.api.call_metrics import ApiMetrics
from openim_ray.api.calls import Calls
from openim_ray.api.pages import Metrics, Pages, Readiness
from openim_ray.api.route_table import TABLE
from openim_ray.config import Config
from openim_ray.services.assembly import Services


def build_api(
    *,
    services: Services,
    config: Config,
    registry: CollectorRegistry,
    ready: Readiness,
    metrics: Metrics,
    client_address: Callable[[web.Request], str] | None = None,
) -> web.Application:
    """
    Put the application together; it serves at the root, a proxy may put a path in front.

    Args:
        services: what the routes call.
        config: of it, `[api]` and `[server]`.
        registry: takes the API's counters; one registry takes one application.
        ready: tells whether a client can log in and be answered now, and why not.
        metrics: returns the numbers of the whole server in Prometheus' text format.
        client_address: the address a request counts for; without it the peer's.
    """
    calls = Calls(services, TABLE, config.api, ApiMetrics(registry), client_address or _peer_address)
    app = web.Application()
    Pages(config.server, ready, metrics).add_to(app.router)
    app.router.add_route("*", "/{path:.*}", calls.answer)
    return app


def _peer_address(request: web.Request) -> str:
    return request.remote or ""
