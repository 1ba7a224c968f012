"""Payloads past their retention are forgotten, by one run at a time, and nothing else is."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import text

from services.scheduler.holds import Holds
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.purge import Purge, PurgeOrder, PurgeProgress
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import RunLocks
from tenrusl.errors import ConflictError, InvalidFieldError, NotFoundError, Reason, UnavailableError
from tenrusl.operators import Operator, Role
from tenrusl.retention import RetentionPolicy
from tenrusl.store import engine as engine_module
from tenrusl.store.claims import claim_events, sealed_payloads
from tenrusl.store.engine import ContentionError, Engine, autocommit, build_engine, patient, transaction
from tenrusl.store.event_store import EventStore
from tenrusl.store.partitions import add_partitions
from tenrusl.store.retention import PayloadDay, carry_over
from tests.builders import AUDIT_KEYS, START, FixedClock, new_event, rows
from tests.integration.conftest import EngineOf
from tests.payload_days import (
    FINISHED,
    UNFINISHED,
    days_ago,
    die_after_detaching,
    partition_days,
    payload,
    put,
    put_one,
    readable,
    set_status,
)

CALLER = Caller(Operator("ada", Role.ADMIN), "request-1")
PROVIDERS = ("stripe", "xendit", "oy", "mock")
MakePurge = Callable[..., Purge]


@pytest.fixture
def make_purge(engine_of: EngineOf, redis: Redis) -> MakePurge:
    """Purges on the test's database; the policy's days by provider are keyword arguments."""

    def make(
        *,
        clock: Clock | None = None,
        locks: RunLocks | None = None,
        default: int = 14,
        **days: int,
    ) -> Purge:
        return Purge(
            engine=engine_of("scheduler"),
            locks=locks or RunLocks(redis),
            policy=RetentionPolicy(default_days=default, provider_days=days),
            providers=PROVIDERS,
            clock=clock or FixedClock(),
            metrics=SchedulerMetrics(CollectorRegistry()),
        )

    return make


@pytest.fixture
def holds(engine_of: EngineOf) -> Holds:
    return Holds(engine=engine_of("scheduler"), audit_keys=AUDIT_KEYS, clock=FixedClock())


async def run(purge: Purge, order: PurgeOrder = PurgeOrder()) -> PurgeProgress:  # noqa: B008 - it is frozen
    """The result. On the way to it no number falls."""
    seen = [dataclasses.astuple(progress) async for progress in purge.run(order)]
    for before, after in itertools.pairwise(seen):
        assert all(a <= b for a, b in zip(before, after, strict=True))
    assert [progress[2] for progress in seen] == [False] * (len(seen) - 1) + [True]
    return PurgeProgress(**dict(zip(PurgeProgress.__dataclass_fields__, seen[-1], strict=True)))


def done(**numbers: object) -> PurgeProgress:
    return PurgeProgress(done=True, **numbers)  # type: ignore[arg-type]  # keyword arguments of the tests


@asynccontextmanager
async def old_transaction(engine: Engine) -> AsyncIterator[None]:
    """A transaction that has looked at the payloads and does not end: no day can be detached meanwhile."""
    async with transaction(engine) as connection:
        await connection.execute(text("SELECT count(*) FROM webhook_payloads"))
        yield


@pytest.fixture
def persistent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs try to detach a day without a pause, until they may."""
    monkeypatch.setattr("tenrusl.store.retention.DETACH_TRIES", 10_000)
    monkeypatch.setattr("tenrusl.store.retention.DETACH_PAUSE_SECONDS", 0.0)


async def until_a_run_waits(engine: Engine) -> None:
    """Until a purge waits for the transactions before it, for a moment."""
    waiting = """
        SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
            AND relation = 'webhook_payloads'::regclass
        """
    async with asyncio.timeout(10):
        while await rows(engine, waiting) != [(1,)]:
            await asyncio.sleep(0.01)


async def test_days_past_the_retention_go_and_all_others_stay(engine: Engine, make_purge: MakePurge) -> None:
    old = await put(engine, 15, count=3) + await put(engine, 40, count=2)
    within = [await put_one(engine, days) for days in (14, 13, 1, 0)]
    assert await run(make_purge()) == done(days_dropped=2, purged=5)
    assert await readable(engine, *old) == [False] * 5
    assert await readable(engine, *within) == [True] * 4
    assert await run(make_purge()) == done()
    assert await rows(engine, "SELECT count(*) FROM webhook_events WHERE payload_bytes = 2") == [(9,)]


async def test_unfinished_and_held_payloads_stay_until_they_need_not(
    engine: Engine, make_purge: MakePurge, holds: Holds
) -> None:
    unfinished = [await put_one(engine, 20, status=status) for status in UNFINISHED]
    finished = [await put_one(engine, 20, status=status) for status in FINISHED]
    held = await put_one(engine, 20)
    await holds.hold(held, CALLER, reason="dispute 7", held_by="dewi")
    assert await run(make_purge()) == done(days_dropped=1, purged=2, kept_unfinished=4, kept_held=1)
    assert await readable(engine, *unfinished, held, *finished) == [True] * 5 + [False] * 2
    assert await run(make_purge()) == done(kept_unfinished=4, kept_held=1)
    await set_status(engine, "processed", *unfinished[:3])
    assert await holds.release(held, CALLER, reason="settled", released_by="dewi")
    assert await run(make_purge()) == done(purged=4, kept_unfinished=1)
    assert await readable(engine, *unfinished, held) == [False] * 3 + [True, False]
    with pytest.raises(ConflictError) as caught:
        await holds.hold(held, CALLER, reason="dispute 7 again", held_by="dewi")
    assert caught.value.reason is Reason.PAYLOAD_PURGED


async def test_a_day_without_payloads_goes_too(engine: Engine, make_purge: MakePurge) -> None:
    await add_partitions(engine, days_ago(30), 2)
    assert await run(make_purge()) == done(days_dropped=2)
    assert await partition_days(engine) == {}


async def test_a_provider_may_keep_its_payloads_for_longer(engine: Engine, make_purge: MakePurge) -> None:
    kept = [await put_one(engine, 20, provider="xendit"), await put_one(engine, 30, provider="xendit")]
    unfinished = await put_one(engine, 20, provider="xendit", status="failed")
    gone = [await put_one(engine, 31, provider="xendit"), await put_one(engine, 20)]
    assert await run(make_purge(xendit=30)) == done(days_dropped=3, purged=2)
    assert await readable(engine, *kept, unfinished, *gone) == [True] * 3 + [False] * 2
    assert await run(make_purge(xendit=20)) == done(purged=1)
    assert await readable(engine, *kept) == [True, False]


async def test_a_provider_may_keep_its_payloads_for_a_shorter_time(
    engine: Engine, make_purge: MakePurge, holds: Holds
) -> None:
    gone = await put(engine, 5, provider="xendit", count=3)
    unfinished = await put_one(engine, 5, provider="xendit", status="unconfirmed")
    held = await put_one(engine, 5, provider="xendit")
    await holds.hold(held, CALLER, reason="audit", held_by="dewi")
    others = [*await put(engine, 5, count=2), await put_one(engine, 3, provider="xendit")]
    result = done(purged=3, kept_unfinished=1, kept_held=1)
    assert await run(make_purge(xendit=3)) == result
    assert await readable(engine, *gone) == [False] * 3
    assert await readable(engine, unfinished, held, *others) == [True] * 5
    assert await rows(engine, "SELECT received_on, provider FROM purged_days") == [(days_ago(5), "xendit")]


async def test_no_day_is_swept_twice(engine: Engine, make_purge: MakePurge) -> None:
    await put(engine, 5, provider="xendit", count=3)
    await run(make_purge(xendit=3))
    late = await put(engine, 5, provider="xendit")
    assert await run(make_purge(xendit=3)) == done()
    assert await readable(engine, *late) == [True]


async def test_an_order_for_one_provider_leaves_the_others_alone(engine: Engine, make_purge: MakePurge) -> None:
    gone = [await put_one(engine, days, provider="xendit") for days in (20, 9)]
    stays = [await put_one(engine, 20), await put_one(engine, 8, provider="xendit")]
    order = PurgeOrder(provider="xendit", older_than=timedelta(days=8))
    assert await run(make_purge(xendit=30), order) == done(purged=2)
    assert await readable(engine, *gone, *stays) == [False] * 2 + [True] * 2
    assert set(await partition_days(engine)) >= {days_ago(20), days_ago(9)}


async def test_an_order_for_one_provider_takes_its_own_retention(engine: Engine, make_purge: MakePurge) -> None:
    ids = [await put_one(engine, days, provider="xendit") for days in (31, 30)]
    assert await run(make_purge(xendit=30), PurgeOrder(provider="xendit")) == done(purged=1)
    assert await readable(engine, *ids) == [False, True]


async def test_an_order_for_all_respects_those_that_keep_theirs_for_longer(
    engine: Engine, make_purge: MakePurge
) -> None:
    ids = [await put_one(engine, 3, provider=provider) for provider in ("stripe", "xendit", "oy")]
    order = PurgeOrder(older_than=timedelta(days=2))
    assert await run(make_purge(xendit=5, oy=1), order) == done(days_dropped=1, purged=2)
    assert await readable(engine, *ids) == [False, True, False]


@pytest.mark.parametrize(
    "order",
    [
        PurgeOrder(),
        PurgeOrder(older_than=timedelta(days=2)),
        PurgeOrder(provider="stripe"),
        PurgeOrder(provider="xendit", older_than=timedelta(days=1)),
        PurgeOrder(provider="oy", older_than=timedelta(days=400)),
    ],
    ids=str,
)
async def test_a_dry_run_says_what_then_goes(
    engine: Engine, make_purge: MakePurge, holds: Holds, order: PurgeOrder
) -> None:
    ids: dict[int, list[UUID]] = {50: [], 20: [], 16: [], 5: []}
    for days, provider, status in itertools.product(
        ids, ("stripe", "xendit", "oy"), ("processed", "dead_letter", "failed", "unconfirmed")
    ):
        pair = await put(engine, days, provider=provider, status=status, count=2)
        await holds.hold(pair[0], CALLER, reason="audit", held_by="dewi")
        ids[days] += pair
    policy = {"xendit": 30, "oy": 3}
    # Something of all is retained, runs have died after the copying and after the detaching of a day, and meanwhile
    # some events are done.
    await run(make_purge(default=45, **policy))
    await die_after_detaching(engine, 20)
    async with patient(engine) as connection:
        await carry_over(connection, PayloadDay(days_ago(16), detached=False, detaching=False))
    for day in ids.values():
        await set_status(engine, "processed", *day[4:8], *day[12:16])
    every = [event_id for day in ids.values() for event_id in day]
    before = await contents(engine)
    readable_before = await readable(engine, *every)
    preview = await run(make_purge(**policy), dataclasses.replace(order, dry_run=True))
    assert await contents(engine) == before
    assert await run(make_purge(**policy), order) == preview
    assert sum(readable_before) - sum(await readable(engine, *every)) == preview.purged
    assert (preview.purged > 0) == (order.provider != "oy")


async def contents(engine: Engine) -> list[list[tuple[object, ...]]]:
    return [
        await rows(engine, f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("webhook_payloads", "retained_payloads", "purged_days", "webhook_events")
    ]


async def test_a_run_that_died_after_detaching_is_finished(engine: Engine, make_purge: MakePurge, holds: Holds) -> None:
    held, gone, waits = await put(engine, 20, count=3)
    await die_after_detaching(engine, 20)
    await holds.hold(held, CALLER, reason="audit", held_by="dewi")
    await set_status(engine, "failed", waits)
    assert await run(make_purge(), PurgeOrder(provider="stripe")) == done()
    assert await run(make_purge()) == done(days_dropped=1, purged=1, kept_unfinished=1, kept_held=1)
    assert await readable(engine, held, gone, waits) == [True, False, True]


async def test_a_run_of_an_earlier_release_that_died_while_detaching_is_finished(
    engine: Engine, database_url: str, make_purge: MakePurge, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await put_one(engine, 21), await put_one(engine, 20)
    monkeypatch.setitem(engine_module._PATIENT_SESSION, "lock_timeout", 50)
    impatient = build_engine(database_url, service="test", pool_size=1)
    day = PayloadDay(days_ago(21), detached=False, detaching=False)
    async with old_transaction(engine):
        with pytest.raises(ContentionError):
            async with patient(impatient) as connection:
                await connection.execute(
                    text(f"ALTER TABLE webhook_payloads DETACH PARTITION {day.table} CONCURRENTLY")
                )
    await impatient.dispose()
    assert await rows(engine, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)]
    assert await readable(engine, first, second) == [True, True]
    assert await run(make_purge(), PurgeOrder(dry_run=True)) == done(days_dropped=2, purged=2)
    assert await run(make_purge()) == done(days_dropped=2, purged=2)
    assert await readable(engine, first, second) == [False, False]


async def test_a_run_gives_up_on_a_day_that_somebody_keeps_from_being_detached(
    engine: Engine, make_purge: MakePurge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenrusl.store.retention.DETACH_TRIES", 2)
    monkeypatch.setattr("tenrusl.store.retention.DETACH_PAUSE_SECONDS", 0.01)
    event_id = await put_one(engine, 20)
    async with old_transaction(engine):
        with pytest.raises(ContentionError):
            await run(make_purge())
    assert await partition_days(engine) == {days_ago(20): True}
    assert await readable(engine, event_id) == [True]
    assert await run(make_purge()) == done(days_dropped=1, purged=1)


@pytest.mark.usefixtures("persistent")
async def test_ingest_goes_on_while_a_day_waits_to_be_detached(engine: Engine, make_purge: MakePurge) -> None:
    old = await put_one(engine, 20)
    store = EventStore(engine, partition_days=2)
    await store.prepare_partitions(START)
    async with old_transaction(engine):
        purging = asyncio.create_task(run(make_purge()))
        await until_a_run_waits(engine)
        new = new_event()
        new = new._replace(sealed_payload=payload(new.id))
        await store.store([new], received_at=START, next_retry_at=START)
        # A day without partition, too.
        await store.store([new_event()], received_at=START + timedelta(days=9), next_retry_at=START)
        assert not purging.done()
        assert await readable(engine, new.id, old) == [True, True]
    assert await purging == done(days_dropped=1, purged=1)
    assert await readable(engine, new.id, old) == [True, False]


@pytest.mark.usefixtures("persistent")
async def test_what_is_unfinished_stays_at_hand_while_its_day_is_detached(
    engine: Engine, make_purge: MakePurge
) -> None:
    event_id = await put_one(engine, 20, status="failed")
    async with old_transaction(engine):
        purging = asyncio.create_task(run(make_purge()))
        await until_a_run_waits(engine)
        async with autocommit(engine) as connection:
            claimed = await claim_events(
                connection, [event_id], now=START, lease_ends_at=START, out_of_reach=START, force=False
            )
            assert await sealed_payloads(connection, claimed) == {event_id: payload(event_id)}
    assert await purging == done(days_dropped=1, kept_unfinished=1)


@pytest.mark.usefixtures("persistent")
async def test_a_second_run_at_once_does_nothing(engine: Engine, redis: Redis, make_purge: MakePurge) -> None:
    await put_one(engine, 20)
    async with old_transaction(engine):
        first = asyncio.create_task(run(make_purge()))
        await until_a_run_waits(engine)
        assert await run(make_purge()) == done(already_running=True)
        # Nor does it when Redis has forgotten the first one's lock.
        await redis.flushall()
        assert await run(make_purge()) == done(already_running=True)
        assert await run(make_purge(), PurgeOrder(dry_run=True)) == done(already_running=True)
    assert await first == done(days_dropped=1, purged=1)


async def test_a_run_that_loses_its_lock_stops_and_the_next_goes_on(
    engine: Engine, redis: Redis, make_purge: MakePurge
) -> None:
    ids = [await put_one(engine, days) for days in (22, 21, 20)]
    seconds = 0.0
    purge = make_purge(locks=RunLocks(redis, monotonic=lambda: seconds))
    seen = []
    async for progress in purge.run(PurgeOrder()):
        seen.append(dataclasses.replace(progress))
        seconds += 60  # the lock has not been renewed for so long
    assert seen == [PurgeProgress(), done(interrupted=True)]
    assert set(await partition_days(engine)) == {days_ago(days) for days in (22, 21, 20)}
    assert await readable(engine, *ids) == [True, True, True]
    assert await run(make_purge()) == done(days_dropped=3, purged=3)


async def test_a_day_goes_by_the_hour_and_a_run_may_end_after_each(
    engine: Engine, redis: Redis, make_purge: MakePurge, holds: Holds
) -> None:
    ids = [event_id for hour in (0, 1, 23) for event_id in await put(engine, 20, hour=hour, count=2)]
    seconds = 0.0
    purge = make_purge(locks=RunLocks(redis, monotonic=lambda: seconds))
    async for progress in purge.run(PurgeOrder()):
        seconds += 60 * (progress.purged >= 4)
    assert await readable(engine, *ids) == [False] * 4 + [True] * 2
    with pytest.raises(ConflictError):
        await holds.hold(ids[0], CALLER, reason="audit", held_by="dewi")
    await holds.hold(ids[4], CALLER, reason="audit", held_by="dewi")
    rest = done(days_dropped=1, purged=1, kept_held=1)
    assert await run(make_purge(), PurgeOrder(dry_run=True)) == rest
    assert await run(make_purge()) == rest
    assert await readable(engine, *ids) == [False] * 4 + [True, False]


async def test_a_sweep_that_loses_its_lock_is_done_again(
    engine: Engine, redis: Redis, make_purge: MakePurge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenrusl.store.sweeps.BATCH_PAYLOADS", 2)
    await put(engine, 5, provider="xendit", count=5)
    seconds = 0.0
    purge = make_purge(xendit=3, locks=RunLocks(redis, monotonic=lambda: seconds))
    async for _ in purge.run(PurgeOrder()):
        seconds += 60
    assert await rows(engine, "SELECT count(*) FROM webhook_payloads") == [(3,)]
    assert await rows(engine, "SELECT count(*) FROM purged_days") == [(0,)]
    assert await run(make_purge(xendit=3)) == done(purged=3)


async def test_a_clock_that_is_ahead_forgets_nothing(engine: Engine, make_purge: MakePurge) -> None:
    now = datetime.now(UTC)
    recent = new_event()
    recent = recent._replace(sealed_payload=payload(recent.id))
    await EventStore(engine, partition_days=1).store([recent], received_at=now, next_retry_at=now)
    assert await run(make_purge(clock=FixedClock(now + timedelta(days=400)))) == done()
    assert await readable(engine, recent.id) == [True]


async def test_a_clock_that_is_behind_forgets_later(engine: Engine, make_purge: MakePurge) -> None:
    old = await put_one(engine, 20)
    assert await run(make_purge(clock=FixedClock(START - timedelta(days=10)))) == done()
    assert await readable(engine, old) == [True]


async def test_without_redis_nothing_runs(engine: Engine, make_purge: MakePurge) -> None:
    old = await put_one(engine, 20)
    away = build_redis("redis://127.0.0.1:1/0")
    with pytest.raises(UnavailableError) as caught:
        await run(make_purge(locks=RunLocks(away)))
    await away.aclose()
    assert caught.value.reason is Reason.REDIS_UNAVAILABLE
    assert await readable(engine, old) == [True]


@pytest.mark.parametrize(
    ("order", "fields"),
    [
        (PurgeOrder(older_than=timedelta(0)), ["older_than"]),
        (PurgeOrder(older_than=timedelta(hours=23)), ["older_than"]),
        (PurgeOrder(older_than=timedelta(days=-14)), ["older_than"]),
        (PurgeOrder(older_than=timedelta(days=1, seconds=1)), ["older_than"]),
        (PurgeOrder(older_than=timedelta(days=3651)), ["older_than"]),
        (PurgeOrder(provider="strype"), ["provider"]),
        (PurgeOrder(provider="*", older_than=timedelta.max), ["older_than", "provider"]),
    ],
)
async def test_orders_that_are_refused(make_purge: MakePurge, order: PurgeOrder, fields: list[str]) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await run(make_purge(), order)
    assert [violation.field for violation in caught.value.violations] == fields


@pytest.mark.parametrize("text", ["a" * 201, "line\nbreak"])
async def test_a_hold_takes_no_text_that_is_long_or_not_printable(holds: Holds, text: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await holds.hold(UUID(int=1), CALLER, reason=text, held_by=text)
    assert [violation.field for violation in caught.value.violations] == ["reason", "held_by"]
    with pytest.raises(InvalidFieldError) as caught:
        await holds.release(UUID(int=1), CALLER, reason=text, released_by=text)
    assert [violation.field for violation in caught.value.violations] == ["reason", "released_by"]


@pytest.mark.parametrize("reason", ["", " "])
async def test_a_hold_needs_a_reason_and_no_name(holds: Holds, reason: str) -> None:
    for change in (holds.hold, holds.release):
        with pytest.raises(InvalidFieldError) as caught:
            await change(UUID(int=1), CALLER, reason=reason)
        assert [violation.field for violation in caught.value.violations] == ["reason"]


async def test_a_hold_needs_an_event(holds: Holds) -> None:
    with pytest.raises(NotFoundError):
        await holds.hold(UUID(int=1), CALLER, reason="audit", held_by="dewi")
    with pytest.raises(NotFoundError):
        await holds.release(UUID(int=1), CALLER, reason="audit", released_by="dewi")
