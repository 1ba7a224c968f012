"""One run of a kind at a time, by a lock in a real Valkey."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import Run, RunLocks
from tenrusl.errors import Reason, UnavailableError
from tenrusl.local.valkey import EmbeddedValkey

TTL = timedelta(milliseconds=400)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    client = build_redis(valkey_url)
    yield client
    await client.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def held(run: Run | None) -> bool:
    assert run is not None
    return run.held


async def test_a_second_run_of_a_kind_is_told_that_one_goes_on(redis: Redis) -> None:
    async with RunLocks(redis).only_run("retry") as first, RunLocks(redis).only_run("retry") as second:
        assert held(first)
        assert second is None
    async with RunLocks(redis).only_run("retry") as third:
        assert held(third)


async def test_runs_of_other_kinds_go_on_beside_it(redis: Redis) -> None:
    locks = RunLocks(redis)
    async with locks.only_run("retry") as first, locks.only_run("purge") as second:
        assert held(first)
        assert held(second)


async def test_a_run_keeps_its_lock_for_longer_than_the_lock_would_last(redis: Redis) -> None:
    locks = RunLocks(redis, ttl=TTL)
    async with locks.only_run("retry") as run:
        await asyncio.sleep(3 * TTL.total_seconds())
        assert held(run)
        async with locks.only_run("retry") as other:
            assert other is None


async def test_a_lock_that_another_took_is_known_to_be_lost_and_is_not_released(redis: Redis) -> None:
    async with RunLocks(redis, ttl=TTL).only_run("retry") as run:
        await redis.set("tenrusl:run:retry", b"another")
        await until(lambda: not held(run))
    assert await redis.get("tenrusl:run:retry") == b"another"


async def test_a_lock_that_redis_forgot_is_known_to_be_lost(redis: Redis) -> None:
    async with RunLocks(redis, ttl=TTL).only_run("retry") as run:
        await redis.flushall()
        await until(lambda: not held(run))


async def test_without_redis_there_is_no_run(own_valkey: Callable[[], EmbeddedValkey]) -> None:
    server = own_valkey()
    client = build_redis(server.url)
    server.kill()
    with pytest.raises(UnavailableError) as caught:
        async with RunLocks(client).only_run("retry"):
            raise AssertionError("it must not begin")
    assert caught.value.reason is Reason.REDIS_UNAVAILABLE
    await client.aclose()


async def test_a_run_knows_by_its_own_clock_that_its_lock_has_ended(own_valkey: Callable[[], EmbeddedValkey]) -> None:
    server = own_valkey()
    client = build_redis(server.url)
    async with RunLocks(client, ttl=TTL).only_run("retry") as run:
        assert held(run)
        server.process.signal(signal.SIGSTOP)
        await until(lambda: not held(run))
        server.process.signal(signal.SIGCONT)
    await client.aclose()


async def test_an_error_in_a_run_releases_the_lock(redis: Redis) -> None:
    locks = RunLocks(redis)
    with pytest.raises(ZeroDivisionError):
        async with locks.only_run("retry"):
            raise ZeroDivisionError
    async with locks.only_run("retry") as run:
        assert held(run)
