"""Maintenance makes partitions ahead, forgets what has had its use, and looks for events that cannot become due."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import text

from services.scheduler.maintain import KIND, Maintenance, MaintenanceProgress
from services.scheduler.metrics import SchedulerMetrics
from tenrusl.clock import Clock
from tenrusl.coordination.runs import RunLocks
from tenrusl.store.due import StrandedEvent
from tenrusl.store.engine import Engine, autocommit, transaction
from tests.builders import START, FixedClock, rows
from tests.integration.conftest import EngineOf
from tests.payload_days import put_one, set_status

MakeMaintenance = Callable[..., Maintenance]


@pytest.fixture
def make_maintenance(engine_of: EngineOf, redis: Redis) -> MakeMaintenance:
    def make(*, clock: Clock | None = None, locks: RunLocks | None = None) -> Maintenance:
        return Maintenance(
            engine=engine_of("scheduler"),
            locks=locks or RunLocks(redis),
            partition_days=3,
            idempotency_ttl=timedelta(hours=24),
            reach=timedelta(hours=2),
            clock=clock or FixedClock(),
            metrics=SchedulerMetrics(CollectorRegistry()),
        )

    return make


async def run(maintenance: Maintenance) -> MaintenanceProgress:
    (progress,) = [replace(progress) async for progress in maintenance.run()]
    assert progress.done
    return progress


async def add_transmissions(engine: Engine, age: timedelta, *, now: datetime = START, count: int = 1) -> None:
    async with autocommit(engine) as connection:
        await connection.execute(
            text(
                """
                INSERT INTO webhook_transmissions (provider, replay_key, payload_sha256, received_at)
                SELECT 'paypal', gen_random_uuid()::text, '\\x00', :at FROM generate_series(1, :count)
                """
            ),
            {"at": now - age, "count": count},
        )


async def add_payments(engine: Engine, age: timedelta, *, key: bytes | None = b"key", count: int = 1) -> None:
    async with autocommit(engine) as connection:
        await connection.execute(
            text(
                """
                INSERT INTO payments (id, provider, payment_ref, status, origin, idempotency_key_sha256, created_at,
                    updated_at)
                SELECT gen_random_uuid(), 'mock', gen_random_uuid()::text, 'pending', 'api', :key, :at, :at
                FROM generate_series(1, :count)
                """
            ),
            {"at": START - age, "key": key, "count": count},
        )


async def test_it_makes_partitions_ahead(engine: Engine, make_maintenance: MakeMaintenance) -> None:
    assert (await run(make_maintenance())).partitions_made == 4
    assert (await run(make_maintenance())).partitions_made == 0
    found = await rows(engine, "SELECT to_regclass('webhook_payloads_20260303') IS NOT NULL")
    assert found == [(True,)]


async def test_it_forgets_transmissions_that_count_no_more(engine: Engine, make_maintenance: MakeMaintenance) -> None:
    await add_transmissions(engine, timedelta(days=6, seconds=1), count=2500)
    await add_transmissions(engine, timedelta(days=6))
    await add_transmissions(engine, timedelta(0))
    assert (await run(make_maintenance())).transmissions_forgotten == 2500
    assert await rows(engine, "SELECT count(*) FROM webhook_transmissions") == [(2,)]


async def test_it_forgets_idempotency_keys_whose_time_is_over(
    engine: Engine, make_maintenance: MakeMaintenance
) -> None:
    await add_payments(engine, timedelta(hours=25), count=1000)
    await add_payments(engine, timedelta(hours=25), key=None)
    await add_payments(engine, timedelta(hours=24))
    assert (await run(make_maintenance())).idempotency_keys_forgotten == 1000
    assert await rows(engine, "SELECT count(*), count(idempotency_key_sha256) FROM payments") == [(1002, 1)]


async def test_it_forgets_rejected_webhooks_whose_day_is_over(
    engine: Engine, make_maintenance: MakeMaintenance
) -> None:
    add = """
        INSERT INTO rejected_webhooks (id, provider, received_at, reason, request_id, source_ip, sealed_bytes, sealed)
        SELECT gen_random_uuid(), 'mock', :at, 'SIGNATURE_MISMATCH', 'r', '192.0.2.1', 1, '\\x00'
        FROM generate_series(1, :count)
        """
    async with autocommit(engine) as connection:
        await connection.execute(text(add), {"at": START - timedelta(days=1, seconds=1), "count": 2500})
        await connection.execute(text(add), {"at": START - timedelta(days=1), "count": 1})
    assert (await run(make_maintenance())).rejected_forgotten == 2500
    assert await rows(engine, "SELECT count(*) FROM rejected_webhooks") == [(1,)]


async def test_keys_whose_time_is_over_are_found_by_their_index(engine: Engine) -> None:
    await add_payments(engine, timedelta(0), key=None, count=2000)
    async with transaction(engine) as connection:
        found = await connection.execute(
            text(
                """
                EXPLAIN SELECT id FROM payments WHERE idempotency_key_sha256 IS NOT NULL AND created_at < now()
                ORDER BY created_at LIMIT 1000
                """
            )
        )
        plan = "\n".join(row[0] for row in found)
    assert "payments_idempotency_key_age_idx" in plan
    assert "Seq Scan" not in plan


async def test_a_clock_that_is_ahead_forgets_nothing_that_counts(
    engine: Engine, make_maintenance: MakeMaintenance
) -> None:
    now = datetime.now(UTC)
    await add_transmissions(engine, timedelta(days=1), now=now)
    result = await run(make_maintenance(clock=FixedClock(now + timedelta(days=30))))
    assert result.transmissions_forgotten == 0


async def test_it_counts_stale_leases_and_names_events_that_cannot_become_due(
    engine: Engine, make_maintenance: MakeMaintenance
) -> None:
    await put_one(engine, 1, status="processing")
    far = await put_one(engine, 1, status="failed")
    year_9999 = datetime(9999, 12, 31, tzinfo=UTC)
    async with autocommit(engine) as connection:
        await connection.execute(
            text("UPDATE webhook_events SET next_retry_at = :at WHERE id = :id"), {"at": year_9999, "id": far}
        )
    await set_status(engine, "processed", await put_one(engine, 1))
    result = await run(make_maintenance())
    assert result.stale_leases == 1
    assert result.stranded_events == (StrandedEvent(far, "stripe", "failed", year_9999),)


async def test_one_run_at_a_time(redis: Redis, make_maintenance: MakeMaintenance) -> None:
    async with RunLocks(redis).only_run(KIND) as held:
        assert held is not None
        assert await run(make_maintenance()) == MaintenanceProgress(already_running=True, done=True)


async def test_a_run_that_loses_its_lock_stops(engine: Engine, redis: Redis, make_maintenance: MakeMaintenance) -> None:
    await add_transmissions(engine, timedelta(days=7))
    times = iter([0.0])  # taken when the lock was asked for; afterwards it is too late
    result = await run(make_maintenance(locks=RunLocks(redis, monotonic=lambda: next(times, 60.0))))
    assert result.interrupted
    assert result.transmissions_forgotten == 0
