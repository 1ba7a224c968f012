"""Store, processor and purge against a model in memory: any order of arrivals, crashes, retries and operators."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.processor.apply import apply_events
from services.processor.confirm import Confirmation
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.process import OUT_OF_REACH, Processor
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.purge import Purge, PurgeOrder
from tenrusl.backoff import RetryPolicy
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import RunLocks
from tenrusl.crypto import PayloadCipher
from tenrusl.ids import uuid7
from tenrusl.payments import PaymentStatus, StatusReport, fold
from tenrusl.retention import RetentionPolicy
from tenrusl.store.claims import ClaimedEvent, claim_events, sealed_payloads
from tenrusl.store.due import due_events
from tenrusl.store.engine import autocommit, build_engine, transaction
from tenrusl.store.event_store import EventStore
from tenrusl.store.set_aside import discard_events, requeue_dead_letters
from tests.builders import START, FixedClock, new_event, rows

CIPHER = PayloadCipher(bytes(32))
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
REFS = ("pay-1", "pay-2", "pay-3")
RETENTION_DAYS = 2
FINAL = {"processed", "dead_letter", "discarded"}
TABLES = "webhook_events, webhook_payloads, retained_payloads, payments, payment_transitions, purged_days"
_Value = TypeVar("_Value")


@dataclass
class Accepted:
    """What the model knows of an event that was acknowledged."""

    event: Any
    body: bytes
    deliveries: int = 1

    def report(self) -> StatusReport:
        return StatusReport(
            event_id=self.event.id,
            status=PaymentStatus(self.event.payment_status),
            occurred_at=self.event.occurred_at,
            restores=self.event.restores,
        )


class StoreAndProcessor(RuleBasedStateMachine):
    """The model is the events that were acknowledged; what they did is read from the database and judged by `fold`."""

    database_url = ""
    valkey_url = ""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = FixedClock()
        self.accepted: dict[str, Accepted] = {}
        self.claims: list[list[ClaimedEvent]] = []  # of processors that died, or are only slow
        self.done: set[UUID] = set()
        self.discarded: set[UUID] = set()
        self.run(self._build())

    async def _build(self) -> None:
        self.engine = build_engine(self.database_url, service="test", pool_size=4)
        self.redis = build_redis(self.valkey_url)
        async with autocommit(self.engine) as connection:
            await connection.execute(text(f"TRUNCATE {TABLES}"))
        self.store = EventStore(self.engine, partition_days=2)
        self.processors = [self._processor(seed) for seed in (1, 2)]
        self.purge = Purge(
            engine=self.engine,
            locks=RunLocks(self.redis),
            policy=RetentionPolicy(default_days=RETENTION_DAYS, provider_days={}),
            providers=("mock",),
            clock=self.clock,
            metrics=SchedulerMetrics(CollectorRegistry()),
        )

    def _processor(self, seed: int) -> Processor:
        return Processor(
            engine=self.engine,
            directives=Directives(self.engine, CIPHER),
            lost_claims=LostClaims(self.engine, self.clock),
            confirmation=Confirmation(providers=(), confirmers={}, time_limit=timedelta(seconds=10)),
            policy=RetryPolicy(max_attempts=MAX_ATTEMPTS),
            lease=LEASE,
            max_batches=8,
            create_unknown=True,
            clock=self.clock,
            metrics=ProcessorMetrics(CollectorRegistry()),
            rng=random.Random(seed),
        )

    def run(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        return self.runner.run(work)

    def teardown(self) -> None:
        """Everything comes to an end by the schedule alone, and what it did is right."""
        if not hasattr(self, "runner"):
            return
        try:
            if hasattr(self, "processors"):
                self.run(self._finish())
                self.the_store_agrees_with_the_model()
        finally:
            self.run(self._close())
            self.runner.close()

    async def _close(self) -> None:
        await self.redis.aclose()
        await self.engine.dispose()

    async def _finish(self) -> None:
        for _ in range(2 * MAX_ATTEMPTS + 2):
            self.clock.advance(timedelta(hours=2))
            await self._run_due(1000)
        left = await rows(
            self.engine, "SELECT id, status FROM webhook_events WHERE status <> ALL(:final)", final=[*FINAL]
        )
        assert left == []

    async def _run_due(self, limit: int) -> None:
        async with autocommit(self.engine) as connection:
            due = await due_events(connection, due_by=self.clock.now(), limit=limit)
        if due:
            await self.processors[0].process(due)

    def _some(self, picks: Sequence[int]) -> list[UUID]:
        events = list(self.accepted.values())
        return list(dict.fromkeys(events[pick % len(events)].event.id for pick in picks)) if events else []

    # --- what happens

    @rule(
        ref=st.sampled_from(REFS),
        status=st.sampled_from(PaymentStatus),
        minutes=st.integers(-30, 30),
        restores=st.booleans(),
        fail_first=st.integers(0, MAX_ATTEMPTS + 1),
    )
    def accept(self, ref: str, status: PaymentStatus, minutes: int, restores: bool, fail_first: int) -> None:
        """A webhook is stored and acknowledged. Its first tries may fail, or all."""
        number = len(self.accepted)
        body = json.dumps({"directives": {"fail_first": fail_first}, "n": number}).encode()
        event_id = uuid7(self.clock.now())
        event = new_event(
            id=event_id,
            provider="mock",
            event_id=f"evt-{number}",
            payment_ref=ref,
            provider_ref=ref,
            payment_status=status.value,
            occurred_at=START + timedelta(minutes=minutes),
            restores=restores and status is PaymentStatus.SUCCEEDED,
            sealed_payload=CIPHER.seal(body, context=event_id.bytes),
        )
        stored = self.run(self._store(event))
        assert stored.fresh == {("mock", event.event_id): event_id}
        self.accepted[event.event_id] = Accepted(event, body)

    @rule(pick=st.integers(0, 1000), status=st.sampled_from(PaymentStatus))
    def deliver_again(self, pick: int, status: PaymentStatus) -> None:
        """The provider sends an event again; whatever it says now, it is the one that is there."""
        if not self.accepted:
            return
        known = list(self.accepted.values())[pick % len(self.accepted)]
        again = known.event._replace(id=uuid7(self.clock.now()), payment_status=status.value)
        stored = self.run(self._store(again))
        assert (stored.fresh, stored.known) == ({}, {("mock", again.event_id): known.event.id})
        known.deliveries += 1

    async def _store(self, event: Any) -> Any:
        now = self.clock.now()
        return await self.store.store([event], received_at=now, next_retry_at=now + timedelta(seconds=10))

    @rule(picks=st.lists(st.integers(0, 1000), min_size=1, max_size=5), force=st.booleans())
    def process(self, picks: list[int], force: bool) -> None:
        """A hand-off or, with force, a replay by an operator."""
        ids = self._some(picks)
        if ids:
            self.run(self.processors[0].process(ids, force=force))

    @rule(picks=st.lists(st.integers(0, 1000), min_size=1, max_size=5), force=st.booleans())
    def process_twice_at_once(self, picks: list[int], force: bool) -> None:
        """Two processors get the same events at the same moment."""
        ids = self._some(picks)

        async def both() -> None:
            await asyncio.gather(*(processor.process(ids, force=force) for processor in self.processors))

        if ids:
            self.run(both())

    @rule(picks=st.lists(st.integers(0, 1000), min_size=1, max_size=5))
    def claim_and_crash(self, picks: list[int]) -> None:
        """A processor dies with events in its hands. Or it is only slow, see `wake_up`."""
        ids = self._some(picks)
        if ids:
            self.claims.append(self.run(self._claim(ids)))

    async def _claim(self, ids: Sequence[UUID]) -> list[ClaimedEvent]:
        now = self.clock.now()
        async with autocommit(self.engine) as connection:
            return await claim_events(
                connection, ids, now=now, lease_ends_at=now + LEASE, out_of_reach=now + OUT_OF_REACH, force=False
            )

    @rule(picks=st.lists(st.integers(0, 1000), min_size=1, max_size=5), discards=st.booleans())
    def come_too_late(self, picks: list[int], discards: bool) -> None:
        """A processor is so slow that its lease ends and others have its events meanwhile; then it goes on."""
        ids = self._some(picks)
        if not ids:
            return
        events = self.run(self._claim(ids))
        self.clock.advance(LEASE + timedelta(seconds=1))
        self.run(self.processors[0].process(ids))
        if discards:
            self.discard(picks)
        self.run(self._apply_late(events))

    async def _apply_late(self, events: Sequence[ClaimedEvent]) -> None:
        """Nothing, or as much as is still to be done: claims that are lost are noticed, or the key of
        payment_transitions refuses the whole."""
        with suppress(IntegrityError):
            await apply_events(self.engine, events, now=self.clock.now(), create_unknown=True)

    @rule(pick=st.integers(0, 1000))
    def wake_up(self, pick: int) -> None:
        """A slow processor goes on with what it has claimed, maybe long after its lease."""
        if not self.claims:
            return
        events = self.claims.pop(pick % len(self.claims))
        self.run(self._apply_late(events))

    @rule(seconds=st.sampled_from((11, 61, 3600, 86400)))
    def wait(self, seconds: int) -> None:
        """Time passes: leases end, retries are due, days are past."""
        self.clock.advance(timedelta(seconds=seconds))

    @rule(limit=st.integers(1, 10))
    def retry_what_is_due(self, limit: int) -> None:
        """The scheduler's run."""
        self.run(self._run_due(limit))

    @rule(picks=st.lists(st.integers(0, 1000), min_size=1, max_size=3))
    def requeue(self, picks: list[int]) -> None:
        """An operator gives dead letters another chance."""

        async def change() -> None:
            async with transaction(self.engine) as connection:
                await requeue_dead_letters(connection, self._some(picks), now=self.clock.now())

        self.run(change())

    @rule(picks=st.lists(st.integers(0, 1000), min_size=1, max_size=3))
    def discard(self, picks: list[int]) -> None:
        """An operator sets failed events aside for good."""

        async def change() -> list[UUID]:
            async with transaction(self.engine) as connection:
                return await discard_events(
                    connection, self._some(picks), by="ada", reason="test", now=self.clock.now()
                )

        self.discarded |= set(self.run(change()))

    @rule()
    def purge_payloads(self) -> None:
        """Payloads past their retention are forgotten, and only those that nobody needs."""

        async def to_the_end() -> None:
            async for _ in self.purge.run(PurgeOrder()):
                pass

        self.run(to_the_end())

    # --- what must hold

    @invariant()
    def the_store_agrees_with_the_model(self) -> None:
        """Each acknowledged event is there once, each payment is as its processed events say, no effect came twice."""
        if hasattr(self, "processors"):
            self.run(self._judge())

    async def _judge(self) -> None:
        events = await rows(self.engine, "SELECT id, event_id, status, deliveries, received_at FROM webhook_events")
        assert sorted(row[1] for row in events) == sorted(self.accepted)
        statuses = {}
        for event_id, name, status, deliveries, _ in events:
            assert (event_id, deliveries) == (self.accepted[name].event.id, self.accepted[name].deliveries)
            statuses[event_id] = status
        done = {event_id for event_id, status in statuses.items() if status == "processed"}
        assert self.done <= done, "what was processed is no longer"
        self.done = done
        assert all(statuses[event_id] == "discarded" for event_id in self.discarded), "a discarded event came back"
        effects = await rows(self.engine, "SELECT webhook_event_id FROM payment_transitions")
        assert sorted(row[0] for row in effects) == sorted(done), "an effect is missing, or there twice"
        expected = {}
        for ref in REFS:
            reports = [item.report() for item in self.accepted.values() if item.event.payment_ref == ref]
            state = fold(report for report in reports if report.event_id in done)
            if state is not None:
                expected[ref] = state.value
        payments = await rows(self.engine, "SELECT payment_ref, status FROM payments")
        assert dict(payments) == expected
        await self._judge_payloads({row[0]: (row[2], row[4]) for row in events})

    async def _judge_payloads(self, events: dict[UUID, tuple[str, datetime]]) -> None:
        wanted: Any = [_Payload(event_id, received_at) for event_id, (_, received_at) in events.items()]
        async with autocommit(self.engine) as connection:
            sealed = await sealed_payloads(connection, wanted) if wanted else {}
        for item in self.accepted.values():
            event_id = item.event.id
            if event_id in sealed:
                assert CIPHER.open(sealed[event_id], context=event_id.bytes) == item.body
                continue
            status, received_at = events[event_id]
            assert status in FINAL, f"the payload of an event that is {status} is gone"
            assert received_at.date() < (self.clock.now() - timedelta(days=RETENTION_DAYS)).date()


@dataclass(frozen=True)
class _Payload:
    """As much of a claimed event as the search for its payload looks at."""

    id: UUID
    received_at: datetime


def test_store_and_processor_agree_with_the_model_whatever_happens(database_url: str, valkey_url: str) -> None:
    class Machine(StoreAndProcessor):
        pass

    Machine.database_url, Machine.valkey_url = database_url, valkey_url
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a failure here takes many minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
