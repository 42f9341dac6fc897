"""Users of the shared server, for clients that speak the wire protocol by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.e2e.server import Server
from tests.integration.people import People


@pytest.fixture
async def people(server: Server) -> AsyncIterator[People]:
    """Users and connections on the shared server."""
    people = People(server)
    yield people
    await people.close()
