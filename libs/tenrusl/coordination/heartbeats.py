"""Which processes are alive, by what each tells Redis every few seconds.

One sorted set for each kind of process: instances by the time when each was heard last, in milliseconds of Redis' own
clock, so that nobody else's must be right. Redis may lose it at any moment; the next heartbeats bring it back.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tenrusl.errors import Reason, UnavailableError

_PREFIX = "tenrusl:heartbeats:"
BEAT_SECONDS = 5.0
# Two may be lost.
ALIVE_FOR = timedelta(seconds=15)
# When an instance was heard last is known for so long.
_KEPT_FOR = timedelta(days=1)

_NOW = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000)"
_BEAT = f"""
{_NOW}
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_HEARD = f"""
{_NOW}
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {{redis.call('ZCOUNT', KEYS[1], now - ARGV[1], '+inf'), last[2] and now - last[2] or -1}}
"""
_log = structlog.get_logger("heartbeats")


@dataclass(frozen=True, slots=True)
class Heard:
    """alive: instances that were heard in the last 15 seconds. last_seconds: how long ago one was heard last; None when
    none was for a day."""

    alive: int
    last_seconds: float | None


class Heartbeats:
    """Those of one kind of process, e.g. "processor"."""

    def __init__(self, redis: Redis, kind: str) -> None:
        self._key = _PREFIX + kind
        self._beat = redis.register_script(_BEAT)
        self._heard = redis.register_script(_HEARD)

    async def beat(self, instance: str) -> None:
        """Says that an instance is alive. instance: a name of its own. Raises UnavailableError(REDIS_UNAVAILABLE)."""
        await _answer(self._beat(keys=[self._key], args=[instance, _milliseconds(_KEPT_FOR)]))

    async def heard(self) -> Heard:
        """Who is alive. Raises UnavailableError(REDIS_UNAVAILABLE)."""
        alive, last = await _answer(self._heard(keys=[self._key], args=[_milliseconds(ALIVE_FOR)]))
        return Heard(alive, None if last < 0 else last / 1000)

    async def keep(self, instance: str) -> None:
        """Beats every five seconds until cancelled."""
        away = False
        while True:
            try:
                await self.beat(instance)
                away = False
            except UnavailableError as exc:
                if not away:  # tried again every five seconds, and said once
                    _log.warning("heartbeat not told", error=str(exc))
                away = True
            await asyncio.sleep(BEAT_SECONDS)


async def _answer(asked: object) -> Any:
    try:
        return await cast("Awaitable[Any]", asked)
    except (RedisError, OSError) as exc:
        raise UnavailableError(Reason.REDIS_UNAVAILABLE, f"Redis does not serve: {type(exc).__name__}") from exc


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
