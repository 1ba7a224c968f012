"""The Redis connection. Everything in Redis may be lost at any moment; PostgreSQL is the only truth."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

# A healthy Redis answers within a millisecond; whoever waits for it would rather hear "unavailable" soon.
TIMEOUT_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 1.0
MAX_CONNECTIONS = 64


def build_redis(dsn: str) -> Redis:
    """A client for `Settings.redis_dsn`. It connects at the first command; close it with `aclose`.

    One retry, at once, for a pooled connection that the server or a firewall has closed meanwhile; a timeout is
    not retried.
    """
    client: Redis = Redis.from_url(
        dsn,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        max_connections=MAX_CONNECTIONS,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return client
