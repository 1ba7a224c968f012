"""Idempotency keys in Redis: one request at a time under a key, and its reply for those that repeat it.

One Redis string per key, in one of two forms:
    L, fingerprint (32 bytes), token (16 bytes)    a request is under way; expires with the lock
    R, fingerprint (32 bytes), reply               it is done; expires with the TTL
Neither the key nor the request is stored, only hashes: callers put order numbers and names into them.
After https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tenrusl.errors import ConflictError, Reason, UnavailableError

_PREFIX = "tenrusl:idempotency:"
_LOCK, _REPLY = b"L", b"R"
_FINGERPRINT_BYTES = 32
_TOKEN_BYTES = 16

# Only while the lock is still ours: after its expiry somebody else may hold it, or have replied.
_REPLACE_IF_HELD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_DELETE_IF_HELD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Started:
    """The request is the first under its key and holds the lock. Pass it to `finish` or `abandon`."""

    redis_key: str
    lock: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """The request was answered before, with `reply`."""

    reply: bytes


class IdempotencyStore:
    """ttl: how long a reply is kept. lock_ttl: longer than any request takes, or two could run under one key.

    Every method raises UnavailableError(REDIS_UNAVAILABLE) when Redis does not answer or does not take the write.
    """

    def __init__(self, redis: Redis, *, ttl: timedelta, lock_ttl: timedelta) -> None:
        self._redis = redis
        self._ttl_ms = _milliseconds(ttl)
        self._lock_ttl_ms = _milliseconds(lock_ttl)
        self._replace_if_held = redis.register_script(_REPLACE_IF_HELD)
        self._delete_if_held = redis.register_script(_DELETE_IF_HELD)

    async def begin(self, key: str, fingerprint: bytes) -> Started | Replay:
        """Takes the lock of `key`, or finds the reply. `fingerprint` is what must be the same in a repetition.

        Raises ConflictError: IDEMPOTENCY_KEY_REUSED when the key belongs to another fingerprint, also while that
        request is under way; IDEMPOTENCY_KEY_IN_FLIGHT while the same request is.
        """
        redis_key = _PREFIX + sha256(key.encode()).hexdigest()
        hashed = sha256(fingerprint).digest()
        lock = _LOCK + hashed + os.urandom(_TOKEN_BYTES)
        with _unavailable():
            # One transaction: the lock cannot expire between the two commands.
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.set(redis_key, lock, nx=True, px=self._lock_ttl_ms)
                pipeline.get(redis_key)
                _, found = await pipeline.execute()
        if found == lock:
            return Started(redis_key, lock)
        form, owner, rest = found[:1], found[1 : 1 + _FINGERPRINT_BYTES], found[1 + _FINGERPRINT_BYTES :]
        if owner != hashed:
            raise ConflictError(Reason.IDEMPOTENCY_KEY_REUSED, "the idempotency key was used with another request")
        if form == _LOCK:
            raise ConflictError(Reason.IDEMPOTENCY_KEY_IN_FLIGHT, "a request with this idempotency key is under way")
        return Replay(rest)

    async def finish(self, started: Started, reply: bytes) -> bool:
        """Keeps the reply for repetitions and ends the lock. False when the lock had expired: nothing is kept."""
        stored = _REPLY + started.lock[1 : 1 + _FINGERPRINT_BYTES] + reply
        with _unavailable():
            return bool(
                await self._replace_if_held(keys=[started.redis_key], args=[started.lock, stored, self._ttl_ms])
            )

    async def abandon(self, started: Started) -> bool:
        """Ends the lock without a reply, so that the request may be tried again. False when it had expired."""
        with _unavailable():
            return bool(await self._delete_if_held(keys=[started.redis_key], args=[started.lock]))


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    # Refused connections, timeouts, and a server that takes no writes (out of memory, read-only, loading).
    except (RedisError, OSError) as exc:
        raise UnavailableError(Reason.REDIS_UNAVAILABLE, f"Redis does not serve: {type(exc).__name__}") from exc


def _milliseconds(duration: timedelta) -> int:
    return max(1, round(duration.total_seconds() * 1000))
