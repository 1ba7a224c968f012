"""The news that secrets have changed, over Redis. Only that they have: whoever hears it asks PostgreSQL.

A message may be lost at any moment, so listeners ask by themselves, too.
"""

import asyncio
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "tenrusl:signing-secrets"
_WAIT_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_log = structlog.get_logger("secret_news")


async def publish_secret_news(redis: Redis) -> None:
    """Tells all listeners. With Redis away nobody hears it."""
    try:
        await redis.publish(CHANNEL, b"")
    except (RedisError, OSError) as exc:
        _log.warning("listeners not told; they find out by themselves", error=type(exc).__name__)


async def listen_for_secret_news(redis: Redis, heard: Callable[[], None]) -> None:
    """Calls `heard` at each change, and once more whenever it begins to listen, until cancelled."""
    away = False
    while True:
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                while True:
                    # A confirmed subscription, too: redis-py subscribes anew by itself after a lost connection, and
                    # what was told meanwhile is lost.
                    if await channel.get_message(timeout=_WAIT_SECONDS):
                        away = False
                        heard()
        except (RedisError, OSError) as exc:
            if not away:  # tried again every second, and said once
                _log.warning("cannot hear of changed secrets at once", error=type(exc).__name__)
            away = True
            await asyncio.sleep(_RETRY_SECONDS)
