"""Runs of which one at a time goes on over all replicas, by a lock in Redis.

The lock is redis-py's: a random token, and a release that deletes it only while the token is still ours
(https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/). It is renewed in the background. Redis may
forget it at any moment, so two runs may meet all the same; each of their steps is safe then, since events are
claimed in PostgreSQL.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from tenrusl.errors import Reason, UnavailableError

_PREFIX = "tenrusl:run:"
# A run that dies with its process is taken over after this.
LOCK_TTL = timedelta(seconds=10)
_RENEWALS = 4  # in the time that the lock holds: some may be lost
_log = structlog.get_logger("runs")


class Run:
    """A run that holds its lock. Ask `held` before each step, and stop when it says no."""

    def __init__(self, lock: Lock, *, ttl: float, monotonic: Callable[[], float]) -> None:
        self._lock = lock
        self._ttl = ttl
        self._monotonic = monotonic
        self._valid_until = 0.0

    @property
    def held(self) -> bool:
        """Whether nobody else can hold the lock yet: by our own clock, so that it is known with Redis away, too."""
        return self._monotonic() < self._valid_until

    async def acquire(self) -> bool:
        """Whether the lock was free. Raises RedisError."""
        asked_at = self._monotonic()
        if not await self._lock.acquire(blocking=False):
            return False
        self._valid_until = asked_at + self._ttl
        return True

    async def renew(self) -> None:
        """Keeps the lock, until cancelled or it is lost."""
        while self.held:
            await asyncio.sleep(self._ttl / _RENEWALS)
            asked_at = self._monotonic()
            try:
                await self._lock.reacquire()
            except LockError:
                _log.warning("lock lost", lock=self._lock.name)
                self._valid_until = 0.0
            except (RedisError, OSError) as exc:
                _log.warning("lock not renewed", lock=self._lock.name, error=type(exc).__name__)
            else:
                self._valid_until = asked_at + self._ttl

    async def release(self) -> None:
        """Gives the lock back. When Redis does not answer, the lock ends by itself."""
        try:
            await self._lock.release()
        except LockError:
            _log.warning("lock was lost before the run ended", lock=self._lock.name)
        except (RedisError, OSError) as exc:
            _log.warning("lock not released", lock=self._lock.name, error=type(exc).__name__)


class RunLocks:
    """Locks by the kind of run. ttl: how long a lock outlives a process that dies."""

    def __init__(
        self, redis: Redis, *, ttl: timedelta = LOCK_TTL, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._ttl = ttl.total_seconds()
        self._monotonic = monotonic

    async def held(self, kinds: Sequence[str]) -> dict[str, bool]:
        """Whether a run of each kind goes on somewhere. Raises UnavailableError(REDIS_UNAVAILABLE)."""
        try:
            values = await self._redis.mget([_PREFIX + kind for kind in kinds])
        except (RedisError, OSError) as exc:
            raise UnavailableError(Reason.REDIS_UNAVAILABLE, f"Redis does not serve: {type(exc).__name__}") from exc
        return {kind: value is not None for kind, value in zip(kinds, values, strict=True)}

    @asynccontextmanager
    async def only_run(self, kind: str) -> AsyncIterator[Run | None]:
        """The only run of this kind, or None while another goes on. Raises UnavailableError(REDIS_UNAVAILABLE)."""
        lock = Lock(self._redis, _PREFIX + kind, timeout=self._ttl, thread_local=False)
        run = Run(lock, ttl=self._ttl, monotonic=self._monotonic)
        try:
            acquired = await run.acquire()
        except (RedisError, OSError) as exc:
            raise UnavailableError(Reason.REDIS_UNAVAILABLE, f"Redis does not serve: {type(exc).__name__}") from exc
        if not acquired:
            yield None
            return
        renewal = asyncio.create_task(run.renew(), name=f"renew {kind}")
        try:
            yield run
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await run.release()
