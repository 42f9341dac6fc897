"""Whose connections count for whom."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from openim_ray.gateway.address_limits import AddressLimits

PROXY = "10.0.0.1"


def request(peer: str, *forwarded: str) -> web.Request:
    """Return a request from a peer with these X-Forwarded-For headers."""
    headers = CIMultiDict([("X-Forwarded-For", one) for one in forwarded])
    return make_mocked_request("GET", "/", headers=headers).clone(remote=peer)


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "counted"),
    [
        ([], PROXY, ["203.0.113.7"], PROXY),
        ([PROXY], "203.0.113.9", ["203.0.113.7"], "203.0.113.9"),
        ([PROXY], PROXY, [], PROXY),
        ([PROXY], PROXY, ["203.0.113.7"], "203.0.113.7"),
        ([PROXY], PROXY, ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ([PROXY], PROXY, ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (["10.0.0.0/8"], PROXY, ["198.51.100.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ([PROXY], PROXY, ["2001:db8::7"], "2001:db8::7"),
        (["::1"], "::1", ["203.0.113.7"], "203.0.113.7"),
        ([PROXY], PROXY, ["203.0.113.7, unknown"], PROXY),
        ([PROXY], PROXY, [""], PROXY),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_counts(
    trusted: Sequence[str], peer: str, forwarded: Sequence[str], counted: str
) -> None:
    """A client can write anything into the header, but not behind what the proxy adds to it."""
    assert AddressLimits(1, trusted).client_address(request(peer, *forwarded)) == counted


def test_connections_are_counted_in_and_out() -> None:
    """One address's connections leave those of others alone, and a place that came free is given again."""
    limits = AddressLimits(2, [])
    assert [limits.enter("a"), limits.enter("a"), limits.enter("a"), limits.enter("b")] == [True, True, False, True]
    limits.leave("a")
    assert limits.enter("a")
