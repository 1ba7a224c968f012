"""Runs of the scheduler against real servers, with a real processor behind them or one that a test plays."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.processor.confirm import Confirmation
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.process import Processor, ResultStatus
from services.processor.retries import Rules
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.retry import Handled, ProcessEvents, Retry, RetryOrder, RetryProgress
from tenrusl.backoff import RetryPolicy
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import RunLocks
from tenrusl.crypto import PayloadCipher
from tenrusl.store.engine import Engine
from tenrusl.store.event_store import EventStore
from tenrusl.store.events import NewEvent
from tests.builders import START, FixedClock
from tests.integration.conftest import EngineOf

CIPHER = PayloadCipher(bytes(32))
MakeRetry = Callable[..., Retry]
Put = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    client = build_redis(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def processor(engine_of: EngineOf, clock: FixedClock) -> Processor:
    """The processor as it is, which fails events of `mock` as they order."""
    engine = engine_of("processor")
    return Processor(
        engine=engine,
        directives=Directives(engine, CIPHER),
        confirmation=Confirmation(providers=(), confirmers={}, time_limit=timedelta(seconds=10)),
        lost_claims=LostClaims(engine, clock),
        policy=RetryPolicy(),
        lease=timedelta(seconds=60),
        max_batches=8,
        create_unknown=True,
        clock=clock,
        metrics=ProcessorMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )


@pytest.fixture
def make_retry(engine_of: EngineOf, redis: Redis, clock: FixedClock, processor: Processor) -> MakeRetry:
    """A scheduler's retries; process_events: instead of the real processor. locks: instead of usual ones."""

    def make(
        process_events: ProcessEvents | None = None, locks: RunLocks | None = None, clock: FixedClock = clock
    ) -> Retry:
        return Retry(
            engine=engine_of("scheduler"),
            process_events=process_events or directly(processor),
            locks=locks or RunLocks(redis),
            clock=clock,
            metrics=SchedulerMetrics(CollectorRegistry()),
        )

    return make


@pytest.fixture
def put(engine: Engine) -> Put:
    """Stores events as ingress does, due at START; returns their ids in the order given."""
    store = EventStore(engine, partition_days=2)

    async def put(*events: NewEvent) -> list[UUID]:
        batch = sorted(events, key=lambda event: (event.provider, event.event_id))
        await store.store(batch, received_at=START, next_retry_at=START)
        return [event.id for event in events]

    return put


def directly(processor: Processor) -> ProcessEvents:
    """Calls the processor without a network between."""
    names = {
        ResultStatus.PROCESSED: "processed",
        ResultStatus.FAILED: "failed",
        ResultStatus.DEAD_LETTER: "dead_letters",
        ResultStatus.UNCONFIRMED: "unconfirmed",
        ResultStatus.SKIPPED: "skipped",
        ResultStatus.CLAIMED: "handed_off",
    }

    async def process_events(event_ids: Sequence[UUID], order: RetryOrder) -> Handled:
        work = processor.hand_off if order.hand_off else processor.process
        rules = Rules(mode=order.mode, max_attempts=order.max_attempts)
        results = await work(event_ids, force=order.force, rules=rules)
        counts = dict.fromkeys(names.values(), 0)
        for result in results.values():
            counts[names[result.status]] += 1
        return Handled(**counts)

    return process_events


async def last(retry: Retry, order: RetryOrder | None = None) -> RetryProgress:
    """The last message of a run."""
    *_, progress = [replace(progress) async for progress in retry.run(order or RetryOrder())]
    assert progress.done
    return progress
