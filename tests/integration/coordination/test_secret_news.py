"""The news that secrets have changed, through a real Valkey."""

import asyncio
from collections.abc import Callable

import structlog

from tenrusl.coordination.client import build_redis
from tenrusl.coordination.secret_news import listen_for_secret_news, publish_secret_news
from tenrusl.local.valkey import EmbeddedValkey


async def test_listeners_hear_of_each_change_and_again_when_redis_is_back(
    own_valkey: Callable[[], EmbeddedValkey],
) -> None:
    valkey = own_valkey()
    redis, other = build_redis(valkey.url), build_redis(valkey.url)
    heard = asyncio.Semaphore(0)
    listener = asyncio.create_task(listen_for_secret_news(redis, heard.release))
    async with asyncio.timeout(30):
        await heard.acquire()  # it begins to listen
        await publish_secret_news(other)
        await heard.acquire()
        valkey.kill()
        with structlog.testing.capture_logs() as logs:
            await publish_secret_news(other)
        assert [entry["log_level"] for entry in logs] == ["warning"]
        valkey.start()
        await heard.acquire()  # it begins to listen anew
        await publish_secret_news(other)
        await heard.acquire()
    assert not listener.done()
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await redis.aclose()
    await other.aclose()
