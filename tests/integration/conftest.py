"""A connection pool to the test's own database."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tenrusl.store.engine import build_engine


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Closed before the database is dropped."""
    engine = build_engine(database_url, service="test", pool_size=8)
    yield engine
    await engine.dispose()
