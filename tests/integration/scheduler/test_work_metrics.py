"""What the scheduler tells of waiting work and of locks, by real statements."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from prometheus_client.core import Metric
from redis.asyncio import Redis

from services.scheduler.backlog import Backlog
from services.scheduler.work_metrics import WorkMetrics, read_locks
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import RunLocks
from tenrusl.errors import UnavailableError
from tenrusl.store.claims import UnappliedEvent, claim_events, release_events
from tenrusl.store.engine import Engine, autocommit, build_engine
from tests.builders import FixedClock, new_event
from tests.integration.scheduler.conftest import Put

NO_STATUS = {"received": 0, "processing": 0, "failed": 0, "unconfirmed": 0, "dead_letter": 0}


def values(metrics: Iterable[Metric], name: str) -> dict[tuple[str, ...], float]:
    """By the values of the labels."""
    (family,) = (metric for metric in metrics if metric.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def statuses(metrics: Iterable[Metric]) -> dict[str, float]:
    return {labels[0]: number for labels, number in values(metrics, "tenrusl_unprocessed_events").items()}


@pytest.fixture
def work(engine: Engine, clock: FixedClock) -> WorkMetrics:
    return WorkMetrics(engine, Backlog(engine, clock), ["stripe", "xendit"], clock)


async def test_nothing_waits_and_each_known_provider_says_so(work: WorkMetrics) -> None:
    told = await work.read()
    assert values(told, "tenrusl_due_events") == {("stripe",): 0, ("xendit",): 0}
    assert values(told, "tenrusl_oldest_due_seconds") == {("stripe",): 0, ("xendit",): 0}
    assert statuses(told) == NO_STATUS
    assert values(told, "tenrusl_dead_letter_events") == {}


async def test_what_is_due_is_told_by_provider_and_an_unknown_one_is_other(
    work: WorkMetrics, put: Put, clock: FixedClock
) -> None:
    await put(*(new_event() for _ in range(3)), new_event(provider="left-over"), new_event(provider="left-over-too"))
    clock.advance(timedelta(seconds=90))
    told = await work.read()
    assert values(told, "tenrusl_due_events") == {("stripe",): 3, ("xendit",): 0, ("other",): 2}
    assert values(told, "tenrusl_oldest_due_seconds") == {("stripe",): 90, ("xendit",): 0, ("other",): 90}


async def test_each_status_and_cause_is_counted(work: WorkMetrics, put: Put, clock: FixedClock, engine: Engine) -> None:
    ids = await put(*(new_event() for _ in range(6)))
    now = clock.now()
    ends = {ids[0]: "failed", ids[1]: "dead_letter", ids[2]: "dead_letter", ids[3]: "unconfirmed"}
    async with autocommit(engine) as connection:
        await claim_events(
            connection,
            ids[:5],
            now=now,
            lease_ends_at=now + timedelta(seconds=60),
            out_of_reach=now + timedelta(hours=2),
            force=False,
        )
        unapplied = [
            UnappliedEvent(
                id=event_id,
                attempts=1,
                status=status,
                next_retry_at=now if status == "failed" else None,
                failure_code=None if status == "unconfirmed" else "defect",
            )
            for event_id, status in ends.items()
        ]
        await release_events(connection, unapplied)
    told = await work.read()
    assert statuses(told) == {"received": 1, "processing": 1, "failed": 1, "unconfirmed": 1, "dead_letter": 2}
    assert values(told, "tenrusl_dead_letter_events") == {("stripe", "defect"): 2}


async def test_without_the_database_nothing_is_told(clock: FixedClock) -> None:
    engine = build_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", service="test", pool_size=1)
    with pytest.raises(UnavailableError):
        await WorkMetrics(engine, Backlog(engine, clock), ["stripe"], clock).read()
    await engine.dispose()


async def test_a_lock_is_held_while_its_run_goes_on(redis: Redis) -> None:
    locks = RunLocks(redis)
    async with locks.only_run("purge"):
        told = values(await read_locks(locks), "tenrusl_run_lock")
    assert {labels for labels, value in told.items() if value == 1} == {
        ("retry", "free"), ("purge", "held"), ("maintenance", "free")
    }  # fmt: skip
    assert len(told) == 9
    assert values(await read_locks(locks), "tenrusl_run_lock")["purge", "free"] == 1


async def test_without_redis_locks_are_unknown() -> None:
    client = build_redis("redis://127.0.0.1:1")
    told = values(await read_locks(RunLocks(client)), "tenrusl_run_lock")
    assert {labels for labels, value in told.items() if value == 1} == {
        (kind, "unknown") for kind in ("retry", "purge", "maintenance")
    }
    await client.aclose()
