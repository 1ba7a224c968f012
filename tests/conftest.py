"""Real servers for the tests: one PostgreSQL and one Valkey for each pytest-xdist worker.

Their processes end with the worker, however it ends. fsync is off: a copy of the template and its removal take
25 ms instead of 35 ms, and nobody needs the data after a power cut.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenrusl.local.ports import PortReservations
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.local.valkey import EmbeddedValkey
from tenrusl.store.migrate import upgrade

_TEMPLATE = "template_migrated"
# The database of the servers that `own_postgres` starts.
OWN_DATABASE = "tenrusl"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def ports() -> Iterator[PortReservations]:
    """Free ports, none given twice, not even to two workers."""
    reservations = PortReservations()
    yield reservations
    reservations.release()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for servers' data, removed at the end (pytest would keep those of its last runs)."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-tests-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path, ports: PortReservations) -> Iterator[EmbeddedPostgres]:
    """The worker's PostgreSQL, with a migrated template. Shared: do not stop it, see `own_postgres`."""
    server = EmbeddedPostgres(folder=server_folder / "postgres", port=ports.take(), durable=False)
    server.start()
    try:
        server.create_database(_TEMPLATE)
        upgrade(server.url(_TEMPLATE), partition_days=1)  # every table more is copied for every test
        yield server
    finally:
        server.stop()


@pytest.fixture
def database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database of the test's own at the newest schema (postgresql+psycopg://…), dropped afterwards."""
    name = f"test_{next(_numbers)}"
    postgres_server.create_database(name, template=_TEMPLATE)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def own_postgres(server_folder: Path, ports: PortReservations) -> Iterator[Callable[[], EmbeddedPostgres]]:
    """Starts a PostgreSQL that the test may stop, kill and start again, with the migrated database OWN_DATABASE.

    `server.url("tenrusl")`; `stop`, `kill` and `start` keep port and data; `server.process.signal(SIGSTOP)`
    suspends the server's main process: new connections hang, established ones go on.
    """
    servers: list[EmbeddedPostgres] = []

    def start() -> EmbeddedPostgres:
        folder = server_folder / f"own_postgres_{next(_numbers)}"
        server = EmbeddedPostgres(folder=folder, port=ports.take(), durable=False)
        servers.append(server)
        server.start()
        server.create_database(OWN_DATABASE)
        upgrade(server.url(OWN_DATABASE))
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path, ports: PortReservations) -> Iterator[EmbeddedValkey]:
    """The worker's Valkey. Shared: do not stop it, see `own_valkey`."""
    server = EmbeddedValkey(folder=server_folder / "valkey", port=ports.take())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def valkey_url(valkey_server: EmbeddedValkey) -> str:
    """The worker's Valkey, empty (redis://…, with the password)."""
    valkey_server.flush()
    return valkey_server.url


@pytest.fixture
def own_valkey(server_folder: Path, ports: PortReservations) -> Iterator[Callable[[], EmbeddedValkey]]:
    """Starts a Valkey that the test may stop, kill, suspend (`server.process.signal(SIGSTOP)`) and start again.

    It keeps its port and password, and starts empty each time.
    """
    servers: list[EmbeddedValkey] = []

    def start() -> EmbeddedValkey:
        server = EmbeddedValkey(folder=server_folder / f"own_valkey_{next(_numbers)}", port=ports.take())
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()
