"""Heartbeats in a real Valkey: who is alive, and when one was heard last."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from tenrusl.coordination import heartbeats
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.heartbeats import Heard, Heartbeats
from tenrusl.errors import Reason, UnavailableError
from tenrusl.local.valkey import EmbeddedValkey


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    redis = build_redis(valkey_url)
    yield redis
    await redis.aclose()


async def test_nobody_was_heard(redis: Redis) -> None:
    assert await Heartbeats(redis, "processor").heard() == Heard(alive=0, last_seconds=None)


async def test_each_instance_counts_once_and_each_kind_for_itself(redis: Redis) -> None:
    beats = Heartbeats(redis, "processor")
    for instance in ("a", "b", "a"):
        await beats.beat(instance)
    await Heartbeats(redis, "ingress").beat("c")
    heard = await beats.heard()
    assert heard.alive == 2
    assert heard.last_seconds is not None
    assert 0 <= heard.last_seconds < 15


async def test_who_is_silent_for_too_long_is_not_alive_and_was_heard(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = Heartbeats(redis, "processor")
    await beats.beat("a")
    monkeypatch.setattr(heartbeats, "ALIVE_FOR", timedelta(seconds=-1))  # so long ago that nobody can be heard since
    heard = await beats.heard()
    assert heard.alive == 0
    assert heard.last_seconds is not None


async def test_the_set_ends_by_itself_and_forgets_those_of_long_ago(redis: Redis) -> None:
    key = "tenrusl:heartbeats:processor"
    await redis.zadd(key, {"old": 1000})
    await Heartbeats(redis, "processor").beat("a")
    assert await redis.zrange(key, 0, -1) == [b"a"]
    assert 0 < await redis.ttl(key) <= 86_400


async def test_a_process_beats_on_when_redis_is_back(
    own_valkey: Callable[[], EmbeddedValkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.01)
    server = own_valkey()
    redis = build_redis(server.url)
    beats = Heartbeats(redis, "processor")
    keeping = asyncio.create_task(beats.keep("a"))
    server.kill()
    with pytest.raises(UnavailableError) as caught:
        await beats.heard()
    assert caught.value.reason is Reason.REDIS_UNAVAILABLE
    server.start()
    async with asyncio.timeout(30):
        while (await beats.heard()).alive == 0:
            assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await redis.aclose()
