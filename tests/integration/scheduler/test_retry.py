"""Runs of retries, against a real PostgreSQL, Valkey and processor."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from services.processor.process import Processor
from services.scheduler import retry as retry_module
from services.scheduler.retry import Handled, RetryOrder, RetryProgress
from tenrusl.backoff import BackoffMode
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import RunLocks
from tenrusl.errors import NotFoundError, OverloadedError, Reason, UnavailableError
from tenrusl.local.valkey import EmbeddedValkey
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.events import NewEvent
from tests.builders import START, FixedClock, new_event, rows
from tests.integration.scheduler.conftest import CIPHER, MakeRetry, Put, directly, last

HOUR = timedelta(hours=1)
EVENT = "SELECT status, attempts, failure_code FROM webhook_events WHERE id = :id"
TRANSITIONS = "SELECT count(*), count(DISTINCT webhook_event_id) FROM payment_transitions"


def mock_event(directives: dict[str, object], **changes: object) -> NewEvent:
    event = new_event(provider="mock", **changes)
    payload = json.dumps({"directives": directives}).encode()
    return event._replace(sealed_payload=CIPHER.seal(payload, context=event.id.bytes))


async def change(engine: Engine, sql: str, **parameters: object) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text(sql), parameters)


async def event(engine: Engine, event_id: UUID) -> tuple[object, ...]:
    return (await rows(engine, EVENT, id=event_id))[0]


async def test_what_is_due_is_processed(make_retry: MakeRetry, put: Put, engine: Engine) -> None:
    await put(*(new_event() for _ in range(7)), mock_event({"fail_always": True}))
    assert await last(make_retry()) == RetryProgress(done=True, found=8, processed=7, failed=1)
    assert await rows(engine, TRANSITIONS) == [(7, 7)]
    assert await last(make_retry()) == RetryProgress(done=True)


async def test_what_failed_comes_back_when_its_delay_is_over(
    make_retry: MakeRetry, put: Put, clock: FixedClock
) -> None:
    await put(mock_event({"fail_first": 2}))
    seen = []
    for _ in range(3):
        seen.append(await last(make_retry()))
        clock.advance(HOUR)
    assert seen == [
        RetryProgress(done=True, found=1, failed=1),
        RetryProgress(done=True, found=1, failed=1),
        RetryProgress(done=True, found=1, processed=1),
    ]


async def test_an_event_whose_processor_died_is_due_when_its_lease_ends(
    make_retry: MakeRetry, put: Put, engine: Engine, clock: FixedClock
) -> None:
    (event_id,) = await put(new_event())
    await change(
        engine,
        "UPDATE webhook_events SET status = 'processing', attempts = 1, next_retry_at = :lease",
        lease=START + timedelta(seconds=60),
    )
    assert (await last(make_retry())).found == 0
    clock.advance(timedelta(seconds=60))
    assert (await last(make_retry())).processed == 1
    assert await event(engine, event_id) == ("processed", 2, None)


async def test_a_limit_is_kept_and_providers_share_it(make_retry: MakeRetry, put: Put, engine: Engine) -> None:
    await put(*(new_event() for _ in range(40)), *(new_event(provider="xendit") for _ in range(3)))
    assert (await last(make_retry(), RetryOrder(limit=8))).processed == 8
    assert await rows(
        engine, "SELECT provider, count(*) FROM webhook_events WHERE status = 'processed' GROUP BY 1 ORDER BY 1"
    ) == [("stripe", 5), ("xendit", 3)]


async def test_pages_are_taken_until_there_are_none(
    make_retry: MakeRetry, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_module, "PAGE_EVENTS", 10)
    monkeypatch.setattr(retry_module, "BATCH_EVENTS", 3)
    await put(*(new_event() for _ in range(25)))
    numbers = [progress.found async for progress in make_retry().run(RetryOrder())]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 25
    assert len(numbers) > 3


async def test_only_one_provider(make_retry: MakeRetry, put: Put) -> None:
    await put(new_event(), new_event(provider="xendit"))
    assert (await last(make_retry(), RetryOrder(provider="xendit"))).processed == 1


async def test_the_given_rules_decide_what_follows_a_failure(make_retry: MakeRetry, put: Put, engine: Engine) -> None:
    (event_id,) = await put(mock_event({"fail_always": True}))
    order = RetryOrder(max_attempts=1, mode=BackoffMode.EQUAL)
    assert await last(make_retry(), order) == RetryProgress(done=True, found=1, dead_letters=1)
    assert await event(engine, event_id) == ("dead_letter", 1, "told_to_fail")


async def test_an_event_beyond_the_given_attempts_gets_its_try_first(
    make_retry: MakeRetry, put: Put, engine: Engine
) -> None:
    (event_id,) = await put(new_event())
    await change(engine, "UPDATE webhook_events SET status = 'failed', attempts = 9")
    assert (await last(make_retry(), RetryOrder(max_attempts=5))).processed == 1
    assert await event(engine, event_id) == ("processed", 10, None)


async def test_force_takes_what_is_not_due_once(make_retry: MakeRetry, put: Put, clock: FixedClock) -> None:
    await put(mock_event({"fail_always": True}), new_event())
    await last(make_retry())
    clock.advance(timedelta(microseconds=1))
    assert (await last(make_retry(), RetryOrder(force=True))) == RetryProgress(done=True, found=1, failed=1)


@pytest.mark.parametrize("status", ["failed", "dead_letter", "processing"])
async def test_one_event_by_force(make_retry: MakeRetry, put: Put, engine: Engine, status: str) -> None:
    ids = await put(new_event(), new_event())
    far = None if status == "dead_letter" else datetime(9999, 1, 1, tzinfo=UTC)
    await change(
        engine, "UPDATE webhook_events SET status = :status, attempts = 3, next_retry_at = :far", status=status, far=far
    )
    assert (await last(make_retry(), RetryOrder(event_id=ids[1]))).skipped == 1
    assert (await last(make_retry(), RetryOrder(event_id=ids[1], force=True))).processed == 1
    assert await event(engine, ids[1]) == ("processed", 4, None)
    assert (await event(engine, ids[0]))[0] == status


@pytest.mark.parametrize("seconds", [30, 1800])
async def test_force_does_not_take_what_somebody_works_on_whose_clock_may_be_ahead(
    make_retry: MakeRetry, put: Put, engine: Engine, clock: FixedClock, seconds: int
) -> None:
    (event_id,) = await put(new_event())
    await change(
        engine,
        "UPDATE webhook_events SET status = 'processing', attempts = 1, next_retry_at = :lease",
        lease=clock.now() + timedelta(seconds=seconds),
    )
    assert (await last(make_retry(), RetryOrder(event_id=event_id, force=True))).skipped == 1


async def test_a_clock_that_is_ahead_of_the_processors_uses_up_no_attempts(
    engine: Engine, make_retry: MakeRetry, put: Put, clock: FixedClock
) -> None:
    (event_id,) = await put(mock_event({"fail_always": True}))
    await last(make_retry())
    ahead = make_retry(clock=FixedClock(clock.now() + HOUR))
    assert await last(ahead, RetryOrder(force=True)) == RetryProgress(done=True, found=1, failed=1)
    assert await event(engine, event_id) == ("failed", 2, "told_to_fail")


@pytest.mark.parametrize("status", ["failed", "dead_letter"])
async def test_an_event_beyond_its_attempts_gets_its_try_first(
    make_retry: MakeRetry, put: Put, engine: Engine, clock: FixedClock, status: str
) -> None:
    (event_id,) = await put(new_event())
    due = None if status == "dead_letter" else START
    await change(
        engine,
        "UPDATE webhook_events SET status = :status, attempts = 41, next_retry_at = :due",
        status=status,
        due=due,
    )
    assert (await last(make_retry(), RetryOrder(event_id=event_id, force=status == "dead_letter"))).processed == 1
    assert await event(engine, event_id) == ("processed", 42, None)


async def test_a_given_mode_brings_the_tries_that_outlast_six_hours(
    make_retry: MakeRetry, put: Put, engine: Engine
) -> None:
    (event_id,) = await put(mock_event({"fail_always": True}))
    await change(engine, "UPDATE webhook_events SET status = 'failed', attempts = 60")
    assert (await last(make_retry(), RetryOrder(mode=BackoffMode.DECORRELATED))).failed == 1
    assert (await event(engine, event_id))[0] == "failed"


async def test_a_single_event_does_not_wait_for_a_run(make_retry: MakeRetry, put: Put, redis: Redis) -> None:
    (event_id,) = await put(new_event())
    async with RunLocks(redis).only_run("retry"):
        assert (await last(make_retry(), RetryOrder(event_id=event_id))).processed == 1


async def test_an_event_that_is_not_there(make_retry: MakeRetry, put: Put) -> None:
    (event_id,) = await put(new_event())
    for order in (RetryOrder(event_id=UUID(int=1)), RetryOrder(event_id=event_id, provider="xendit")):
        with pytest.raises(NotFoundError) as caught:
            await last(make_retry(), order)
        assert caught.value.reason is Reason.EVENT_NOT_FOUND


async def test_handing_off_does_not_wait(make_retry: MakeRetry, put: Put, processor: Processor, engine: Engine) -> None:
    await put(*(mock_event({"take_ms": 300}) for _ in range(3)))
    assert await last(make_retry(), RetryOrder(hand_off=True)) == RetryProgress(done=True, found=3, handed_off=3)
    assert await rows(engine, "SELECT DISTINCT status FROM webhook_events") == [("processing",)]
    await processor.drain(timedelta(seconds=30))
    assert await rows(engine, "SELECT DISTINCT status, attempts FROM webhook_events") == [("processed", 1)]


async def test_two_schedulers_and_a_cronjob_at_once_process_each_event_once(
    make_retry: MakeRetry, put: Put, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_module, "PAGE_EVENTS", 20)
    monkeypatch.setattr(retry_module, "BATCH_EVENTS", 5)
    await put(*(new_event() for _ in range(200)))
    processed = 0

    async def scheduler() -> None:
        nonlocal processed
        for _ in range(10):
            processed += (await last(make_retry())).processed

    await asyncio.gather(scheduler(), scheduler(), scheduler())
    assert processed == 200
    assert await rows(engine, TRANSITIONS) == [(200, 200)]
    assert await rows(engine, "SELECT DISTINCT status, attempts FROM webhook_events") == [("processed", 1)]


async def test_even_without_a_lock_each_event_is_processed_once(
    make_retry: MakeRetry, put: Put, engine: Engine, redis: Redis
) -> None:
    class NoLocks(RunLocks):
        """Of a Redis that forgets at once."""

        def only_run(self, kind: str):  # type: ignore[no-untyped-def]  # as its parent's
            return super().only_run(f"{kind}:{id(object())}:{next(_numbers)}")

    _numbers = iter(range(1000))
    await put(*(new_event() for _ in range(100)))
    runs = await asyncio.gather(*(last(make_retry(locks=NoLocks(redis))) for _ in range(4)))
    assert sum(run.processed for run in runs) == 100
    assert await rows(engine, TRANSITIONS) == [(100, 100)]


async def test_a_second_run_is_told_so_and_does_nothing(make_retry: MakeRetry, put: Put) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(event_ids: Sequence[UUID], order: RetryOrder) -> Handled:
        started.set()
        await go_on.wait()
        return Handled(processed=len(event_ids))

    await put(new_event())
    first = asyncio.create_task(last(make_retry(slow), RetryOrder(limit=1)))
    await started.wait()
    assert await last(make_retry()) == RetryProgress(done=True, already_running=True)
    go_on.set()
    assert (await first).processed == 1


async def test_a_run_that_loses_its_lock_stops_at_the_next_batch(
    make_retry: MakeRetry, put: Put, redis: Redis, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_module, "PAGE_EVENTS", 5)
    locks = RunLocks(redis, ttl=timedelta(milliseconds=200))
    work = directly(processor)

    async def losing(event_ids: Sequence[UUID], order: RetryOrder) -> Handled:
        handled = await work(event_ids, order)
        await redis.set("tenrusl:run:retry", b"another")
        await asyncio.sleep(0.3)  # longer than the lock lasts, of which the run keeps the time by itself
        return handled

    await put(*(new_event() for _ in range(20)))
    progress = await last(make_retry(losing, locks))
    assert (progress.interrupted, progress.found, progress.processed) == (True, 5, 5)


async def test_a_full_processor_slows_the_run_down(
    make_retry: MakeRetry, put: Put, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_module, "FIRST_PAUSE_SECONDS", 0.001)
    refusals = iter([True, True, True])
    work = directly(processor)

    async def full_at_first(event_ids: Sequence[UUID], order: RetryOrder) -> Handled:
        if next(refusals, False):
            raise OverloadedError("full")
        return await work(event_ids, order)

    await put(new_event())
    assert (await last(make_retry(full_at_first))).processed == 1


async def test_a_processor_that_stays_full_ends_the_run(
    make_retry: MakeRetry, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_module, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retry_module, "MAX_PAUSE_SECONDS", 0.001)

    async def full(event_ids: Sequence[UUID], order: RetryOrder) -> Handled:
        raise OverloadedError("full")

    await put(new_event())
    with pytest.raises(OverloadedError):
        await last(make_retry(full))
    assert (await last(make_retry())).processed == 1


async def test_without_redis_nothing_is_processed(
    make_retry: MakeRetry, put: Put, engine: Engine, own_valkey: Callable[[], EmbeddedValkey]
) -> None:
    server = own_valkey()
    client = build_redis(server.url)
    server.kill()
    await put(new_event())
    with pytest.raises(UnavailableError) as caught:
        await last(make_retry(locks=RunLocks(client)))
    assert caught.value.reason is Reason.REDIS_UNAVAILABLE
    await client.aclose()
    assert await rows(engine, "SELECT status, attempts FROM webhook_events") == [("received", 0)]


async def test_a_clock_that_jumps_loses_nothing_and_repeats_nothing(
    make_retry: MakeRetry, put: Put, engine: Engine, clock: FixedClock
) -> None:
    await put(mock_event({"fail_first": 1}), new_event())
    await last(make_retry())
    clock.advance(timedelta(days=-400))
    assert (await last(make_retry())).found == 0
    clock.advance(timedelta(days=800))
    assert (await last(make_retry())).processed == 1
    assert await rows(engine, TRANSITIONS) == [(2, 2)]
