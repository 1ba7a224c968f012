"""Idempotency keys against a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from signal import SIGCONT, SIGSTOP

import pytest
from redis.asyncio import Redis

from tenrusl.coordination.client import build_redis
from tenrusl.coordination.idempotency import IdempotencyStore, Replay, Started
from tenrusl.errors import ConflictError, Reason, UnavailableError
from tenrusl.local.valkey import EmbeddedValkey

HOUR = timedelta(hours=1)
KEY = "order 4711 of Jane Doe"


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[Redis]:
    client = build_redis(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def store(client: Redis) -> IdempotencyStore:
    return IdempotencyStore(client, ttl=HOUR, lock_ttl=timedelta(minutes=1))


async def started(store: IdempotencyStore, key: str = KEY, fingerprint: bytes = b"body") -> Started:
    result = await store.begin(key, fingerprint)
    assert isinstance(result, Started)
    return result


async def conflict(store: IdempotencyStore, fingerprint: bytes = b"body") -> Reason:
    with pytest.raises(ConflictError) as caught:
        await store.begin(KEY, fingerprint)
    return caught.value.reason


@pytest.mark.parametrize("reply", [b"", b"\x00\xff" * 500, b"L"])
async def test_a_repetition_gets_the_first_reply(store: IdempotencyStore, reply: bytes) -> None:
    assert await store.finish(await started(store), reply)
    assert await store.begin(KEY, b"body") == Replay(reply)
    assert await store.begin(KEY, b"body") == Replay(reply)


async def test_the_same_request_under_way_is_in_flight(store: IdempotencyStore) -> None:
    await started(store)
    assert await conflict(store) is Reason.IDEMPOTENCY_KEY_IN_FLIGHT


async def test_another_request_under_the_key_is_refused_during_and_after_the_first(store: IdempotencyStore) -> None:
    first = await started(store)
    assert await conflict(store, b"another") is Reason.IDEMPOTENCY_KEY_REUSED
    await store.finish(first, b"reply")
    assert await conflict(store, b"another") is Reason.IDEMPOTENCY_KEY_REUSED


async def test_other_keys_are_other_requests(store: IdempotencyStore) -> None:
    await started(store)
    await started(store, key="order 4712")


async def test_an_abandoned_request_may_be_tried_again_even_changed(store: IdempotencyStore) -> None:
    assert await store.abandon(await started(store))
    await started(store, fingerprint=b"another")


async def test_of_many_at_once_one_begins(store: IdempotencyStore) -> None:
    results = await asyncio.gather(*(store.begin(KEY, b"body") for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(result, Started) for result in results) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 49


async def test_a_lock_that_expired_is_not_finished_or_abandoned_over_its_successor(client: Redis) -> None:
    store = IdempotencyStore(client, ttl=HOUR, lock_ttl=timedelta(milliseconds=30))
    late = await started(store)
    for _ in range(500):
        if not await client.exists(late.redis_key):
            break
        await asyncio.sleep(0.01)
    patient = IdempotencyStore(client, ttl=HOUR, lock_ttl=HOUR)
    assert not await patient.finish(late, b"late")
    successor = await started(patient)
    assert not await patient.finish(late, b"late")
    assert not await patient.abandon(late)
    assert await patient.finish(successor, b"reply")
    assert await patient.begin(KEY, b"body") == Replay(b"reply")


async def test_lock_and_reply_expire(client: Redis, store: IdempotencyStore) -> None:
    first = await started(store)
    assert 0 < await client.pttl(first.redis_key) <= 60_000
    await store.finish(first, b"reply")
    assert 60_000 < await client.pttl(first.redis_key) <= 3_600_000


async def test_neither_the_key_nor_the_request_can_be_read_in_redis(client: Redis, store: IdempotencyStore) -> None:
    await started(store, fingerprint=b"the body")
    (name,) = await client.keys("*")
    assert "tenrusl:idempotency:" in repr(name)
    assert "Jane" not in repr(name)
    assert "the body" not in repr(await client.get(name))


async def unavailable(attempt: Callable[[], object]) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        await attempt()  # type: ignore[misc]  # each is a coroutine function
    assert caught.value.reason is Reason.REDIS_UNAVAILABLE
    return caught.value


async def test_a_redis_that_is_down_or_full_or_hangs_is_unavailable(
    own_valkey: Callable[[], EmbeddedValkey],
) -> None:
    server = await asyncio.to_thread(own_valkey)
    client = build_redis(server.url)
    store = IdempotencyStore(client, ttl=HOUR, lock_ttl=HOUR)
    first = await started(store)

    await client.config_set("maxmemory", "1")
    await unavailable(lambda: store.begin("other", b"body"))
    await unavailable(lambda: store.finish(first, b"reply"))
    await client.config_set("maxmemory", "0")
    assert await store.finish(first, b"reply")

    server.process.signal(SIGSTOP)
    await unavailable(lambda: store.begin(KEY, b"body"))
    server.process.signal(SIGCONT)
    assert await store.begin(KEY, b"body") == Replay(b"reply")

    await asyncio.to_thread(server.kill)
    error = await unavailable(lambda: store.begin(KEY, b"body"))
    assert KEY not in str(error)
    await unavailable(lambda: store.abandon(first))

    await asyncio.to_thread(server.start)  # and back, with nothing remembered
    await started(store)
    await client.aclose()
