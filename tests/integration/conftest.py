"""A connection pool to the test's own database."""

from collections.abc import AsyncIterator

import pytest

from tenrusl.store.engine import Engine, build_engine


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """Closed before the database is dropped."""
    engine = build_engine(database_url, service="test", pool_size=8)
    yield engine
    await engine.dispose()
