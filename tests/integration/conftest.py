"""Connection pools to the test's own database."""

from collections.abc import AsyncIterator, Callable

import pytest

from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.store.engine import Engine, build_engine

EngineOf = Callable[[str], Engine]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """As the owner of the tables. Closed before the database is dropped."""
    engine = build_engine(database_url, service="test", pool_size=8)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine_of(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[EngineOf]:
    """As a service, which may do less."""
    engines: list[Engine] = []

    def build(service: str) -> Engine:
        url = postgres_server.service_url(database_url.rpartition("/")[2], service)
        engines.append(build_engine(url, service=service, pool_size=8))
        return engines[-1]

    yield build
    for engine in engines:
        await engine.dispose()
