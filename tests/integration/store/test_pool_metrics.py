"""How the pools of connections are used."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from tenrusl.errors import UnavailableError
from tenrusl.store.engine import Engine, autocommit, build_engine, transaction
from tenrusl.store.pool_metrics import PoolMetrics

WAIT, USE = "tenrusl_db_connection_wait_seconds", "tenrusl_db_connection_use_seconds"


@pytest.fixture
def registry(engine: Engine) -> CollectorRegistry:
    registry = CollectorRegistry()
    PoolMetrics(registry).watch(engine)
    return registry


def told(registry: CollectorRegistry, name: str, pool: str) -> float | None:
    return registry.get_sample_value(name, {"pool": pool})


async def test_a_connection_counts_while_it_is_used(engine: Engine, registry: CollectorRegistry) -> None:
    async with transaction(engine), transaction(engine), autocommit(engine):
        assert told(registry, "tenrusl_db_pool_connections", "transaction") == 2
        assert told(registry, "tenrusl_db_pool_connections", "autocommit") == 1
    assert told(registry, "tenrusl_db_pool_connections", "transaction") == 0
    assert told(registry, "tenrusl_db_pool_max_connections", "transaction") == 8
    assert told(registry, f"{USE}_count", "transaction") == 2
    assert told(registry, f"{WAIT}_count", "transaction") == 2
    assert told(registry, f"{USE}_count", "autocommit") == 1


async def test_the_time_of_use_is_that_of_the_whole_block(engine: Engine, registry: CollectorRegistry) -> None:
    async with autocommit(engine):
        await asyncio.sleep(0.1)
    assert (told(registry, f"{USE}_sum", "autocommit") or 0) >= 0.09


async def test_a_use_that_fails_counts_too(engine: Engine, registry: CollectorRegistry) -> None:
    with pytest.raises(KeyError):
        async with transaction(engine):
            raise KeyError
    assert told(registry, f"{USE}_count", "transaction") == 1


async def test_a_wait_in_vain_is_a_wait_and_no_use() -> None:
    engine = build_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", service="test", pool_size=1)
    registry = CollectorRegistry()
    PoolMetrics(registry).watch(engine)
    with pytest.raises(UnavailableError):
        async with autocommit(engine):
            pass
    assert told(registry, f"{WAIT}_count", "autocommit") == 1
    assert told(registry, f"{USE}_count", "autocommit") == 0
    await engine.dispose()
