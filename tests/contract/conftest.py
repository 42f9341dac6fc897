"""
Every backend, fresh for each test, and nothing left open after it.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openim_ray.storage.open import (
    Places,
    open_directory_store,
    open_message_reader,
    open_message_store,
    open_state_reader,
    open_state_store,
    prepare,
)
from tests.servers.mongod import Mongod, MongoServer, mongo_server
from tests.servers.server_process import CannotRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from openim_ray.storage.open import (
        OpenDirectoryStore,
        OpenMessageReader,
        OpenMessageStore,
        OpenStateReader,
        OpenStateStore,
    )

NOW = 1_764_000_000.0


MONGO_FIXTURES = {"mongo", "mongo_replica_set", "own_mongod", "own_replica_set", "guarded_mongod", "url", "server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Let a client of MongoDB leave a socket to the garbage collector.

    Its driver does so when it is closed while it connects in the background (pymongo 4.20); everything else that is left open is an error.
    """
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if MONGO_FIXTURES & set(getattr(item, "fixturenames", ())) or "mongodb" in parameters.values():
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"))


@pytest.fixture(scope="session")
def fresh_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate once; tests copy the empty files."""
    folder = tmp_path_factory.mktemp("fresh")
    asyncio.run(prepare(Places(folder)))
    return folder


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """Name a backend."""
    return str(request.param)


@pytest.fixture
def data_dir(tmp_path: Path, fresh_files: Path) -> Iterator[Path]:
    """Lend a data directory; afterwards no thread and no descriptor of a store may be left."""
    folder = tmp_path / "data"
    shutil.copytree(fresh_files, folder)
    threads = set(threading.enumerate())
    yield folder
    assert not [thread.name for thread in threading.enumerate() if thread not in threads]
    assert not [name for name in open_files() if name.startswith(str(folder))]


def open_files() -> list[str]:
    """Return the names of the files that this process holds open."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(descriptor.readlink()))
        except FileNotFoundError:  # the listing's own descriptor
            continue
    return names


@pytest.fixture
def places(kind: str, data_dir: Path) -> Places:
    """Tell where the stores of a test are."""
    return Places.in_memory(data_dir) if kind == "memory" else Places(data_dir)


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """Lend the MongoDB of this run, a single server."""
    try:
        with mongo_server(tmp_path_factory.mktemp("mongod")) as server:
            yield server
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def mongo_replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """Lend the MongoDB of this run that is a replica set."""
    try:
        with mongo_server(tmp_path_factory.mktemp("mongod-rs"), replica_set=True) as server:
            yield server
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture
def mongo_url(mongo: MongoServer) -> Iterator[str]:
    """Name a database of the test's own."""
    database = f"test_{uuid.uuid4().hex}"
    yield mongo.url(database)
    gc.collect()  # what the driver left open belongs to this test
    mongo.drop(database)


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """Lend a MongoDB that nobody else uses, to be killed and paused; a single server that runs."""
    yield from _own_mongod(tmp_path)


@pytest.fixture
def own_replica_set(tmp_path: Path) -> Iterator[Mongod]:
    """The same as a replica set."""
    yield from _own_mongod(tmp_path, replica_set=True)


@pytest.fixture
def guarded_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """The same with authentication; nobody has a name there yet."""
    yield from _own_mongod(tmp_path, authentication=True)


def _own_mongod(folder: Path, **options: bool) -> Iterator[Mongod]:
    try:
        server = Mongod(folder, **options)
        server.start()
    except CannotRun as reason:
        pytest.skip(str(reason))
    yield server
    gc.collect()
    server.process.stop()


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
def message_places(request: pytest.FixtureRequest) -> Places:
    """Tell where the message store of a test is."""
    if request.param == "mongodb":
        return Places(request.getfixturevalue("tmp_path"), request.getfixturevalue("mongo_url"))
    data_dir = request.getfixturevalue("data_dir")
    return Places.in_memory(data_dir) if request.param == "memory" else Places(data_dir)


@pytest.fixture
async def store(message_places: Places) -> AsyncIterator[OpenMessageStore]:
    """Open a message store."""
    opened = await open_message_store(message_places)
    yield opened
    await opened.aclose()


@pytest.fixture
async def reader(store: OpenMessageStore, message_places: Places) -> AsyncIterator[OpenMessageReader]:
    """Open a reader beside the message store."""
    opened = await open_message_reader(message_places)
    yield opened
    await opened.aclose()


@pytest.fixture
async def state(places: Places) -> AsyncIterator[OpenStateStore]:
    """Open a state store whose clock stands at NOW."""
    opened = await open_state_store(places, clock=lambda: NOW)
    yield opened
    await opened.aclose()


@pytest.fixture
async def state_reader(state: OpenStateStore, places: Places) -> AsyncIterator[OpenStateReader]:
    """Open a reader beside the state store."""
    opened = await open_state_reader(places)
    yield opened
    await opened.aclose()


@pytest.fixture
async def directory(places: Places) -> AsyncIterator[OpenDirectoryStore]:
    """Open a directory."""
    opened = await open_directory_store(places)
    yield opened
    await opened.aclose()
