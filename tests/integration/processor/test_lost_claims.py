"""An outage of the database costs no attempts, and repeats no effect."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.processor import process as process_module
from services.processor.apply import Applied, apply_events
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.process import Processor, ResultStatus
from tenrusl.backoff import RetryPolicy
from tenrusl.errors import Reason, UnavailableError
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.store.claims import unclaim_events
from tenrusl.store.engine import Engine, NoConnectionError, autocommit, build_engine
from tenrusl.store.event_store import EventStore
from tests.builders import START, FixedClock, new_event, rows
from tests.conftest import OWN_DATABASE
from tests.integration.conftest import EngineOf
from tests.integration.processor.conftest import CIPHER, NOTHING_WAITS, Put

EVENTS = "SELECT status, attempts, next_retry_at FROM webhook_events ORDER BY event_id"


@pytest.fixture
def lost_claims(engine_of: EngineOf, clock: FixedClock) -> LostClaims:
    return LostClaims(engine_of("processor"), clock)


def build_processor(engine: Engine, clock: FixedClock, lost_claims: LostClaims) -> Processor:
    return Processor(
        engine=engine,
        directives=Directives(engine, CIPHER),
        confirmation=NOTHING_WAITS,
        lost_claims=lost_claims,
        policy=RetryPolicy(),
        lease=timedelta(seconds=60),
        max_batches=8,
        create_unknown=True,
        clock=clock,
        metrics=ProcessorMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )


async def away(*_: object, **__: object) -> Applied:
    raise UnavailableError(Reason.DATABASE_UNAVAILABLE, "gone")


async def test_a_batch_that_the_database_fails_has_not_been_tried(
    engine: Engine, put: Put, clock: FixedClock, lost_claims: LostClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await put(new_event(), new_event())
    processor = build_processor(engine, clock, lost_claims)
    with monkeypatch.context() as patch:
        patch.setattr(process_module, "apply_events", away)
        with pytest.raises(UnavailableError):
            await processor.process(ids)
    assert await rows(engine, EVENTS) == [("processing", 1, START + timedelta(seconds=60))] * 2
    clock.advance(timedelta(seconds=5))
    await lost_claims.take_back()
    assert await rows(engine, EVENTS) == [("received", 0, START + timedelta(seconds=5))] * 2
    assert {result.status for result in (await processor.process(ids)).values()} == {ResultStatus.PROCESSED}


async def test_a_pool_without_a_free_connection_is_not_the_events_fault(
    engine: Engine, put: Put, clock: FixedClock, lost_claims: LostClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> Applied:
        raise NoConnectionError(Reason.DATABASE_UNAVAILABLE, "no connection is free")

    ids = await put(new_event())
    monkeypatch.setattr(process_module, "apply_events", full)
    with pytest.raises(UnavailableError):
        await build_processor(engine, clock, lost_claims).process(ids)
    await lost_claims.take_back()
    assert await rows(engine, EVENTS) == [("received", 0, START)]


async def test_an_event_that_had_failed_before_keeps_its_count(
    engine: Engine, put: Put, clock: FixedClock, lost_claims: LostClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await put(new_event())
    await rows(engine, "UPDATE webhook_events SET status = 'failed', attempts = 7, next_retry_at = now() RETURNING 1")
    processor = build_processor(engine, clock, lost_claims)
    monkeypatch.setattr(process_module, "apply_events", away)
    with pytest.raises(UnavailableError):
        await processor.process(ids, force=True)
    await lost_claims.take_back()
    assert await rows(engine, EVENTS) == [("failed", 7, START)]


async def test_what_was_committed_after_all_or_claimed_by_another_is_left_alone(
    engine: Engine, put: Put, clock: FixedClock
) -> None:
    ids = await put(new_event(event_id="a"), new_event(event_id="b"), new_event(event_id="c"))
    lease = START + timedelta(seconds=60)
    change = """
        UPDATE webhook_events SET attempts = 2, status = CASE event_id WHEN 'a' THEN 'processed' ELSE 'processing' END,
            last_attempt_at = CAST(:at AS timestamptz) + CASE event_id WHEN 'b' THEN interval '61 s' ELSE '0' END,
            next_retry_at = CAST(:lease AS timestamptz) + CASE event_id WHEN 'b' THEN interval '61 s' ELSE '0' END
        RETURNING 1
        """
    await rows(engine, change, at=START, lease=lease)
    async with autocommit(engine) as connection:
        taken = await unclaim_events(connection, ids, claimed_at=START, lease_ends_at=lease, now=START)
    assert taken == {ids[2]}
    assert [row[:2] for row in await rows(engine, EVENTS)] == [("processed", 2), ("processing", 2), ("failed", 1)]


async def test_a_caller_that_goes_away_does_not_stop_the_batch(
    engine: Engine, put: Put, clock: FixedClock, lost_claims: LostClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await put(new_event())
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: object, **options: object) -> Applied:
        entered.set()
        await go_on.wait()
        return await apply_events(*arguments, **options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(process_module, "apply_events", slow)
    processor = build_processor(engine, clock, lost_claims)
    call = asyncio.create_task(processor.process(ids))
    await entered.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    go_on.set()
    await processor.drain(timedelta(seconds=30))
    assert [row[:2] for row in await rows(engine, EVENTS)] == [("processed", 1)]


@pytest.fixture
async def own_engine(own_postgres: Callable[[], EmbeddedPostgres]) -> AsyncIterator[tuple[EmbeddedPostgres, Engine]]:
    server = own_postgres()
    engine = build_engine(server.url(OWN_DATABASE), service="test", pool_size=4)
    yield server, engine
    await engine.dispose()


async def test_a_real_outage_in_the_middle_of_a_batch(
    own_engine: tuple[EmbeddedPostgres, Engine], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, engine = own_engine
    lost_claims = LostClaims(engine, clock)
    events = [new_event() for _ in range(5)]
    ids = [event.id for event in events]
    await EventStore(engine, partition_days=2).store(events, received_at=START, next_retry_at=START)

    async def killing(*arguments: object, **options: object) -> Applied:
        await asyncio.to_thread(server.kill)
        return await apply_events(*arguments, **options)  # type: ignore[arg-type]  # passed on

    processor = build_processor(engine, clock, lost_claims)
    with monkeypatch.context() as patch:
        patch.setattr(process_module, "apply_events", killing)
        with pytest.raises(UnavailableError):
            await processor.process(ids)
    back = asyncio.create_task(lost_claims.run())
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(30):
        while await _statuses(engine) != {("received", 0)}:
            await asyncio.sleep(0.05)
    back.cancel()
    results = await processor.process(ids)
    assert {result.status for result in results.values()} == {ResultStatus.PROCESSED}
    assert await rows(engine, "SELECT count(*) FROM payment_transitions") == [(5,)]


async def _statuses(engine: Engine) -> set[tuple[object, ...]]:
    try:
        return {row[:2] for row in await rows(engine, EVENTS)}
    except UnavailableError:
        return set()
