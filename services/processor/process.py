"""Processing events: claim, apply, settle what fails."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog

from services.processor.apply import Applied, apply_events
from services.processor.confirm import Confirmation
from services.processor.directives import Directives, Failure
from services.processor.isolate import apply_isolated
from services.processor.lost_claims import Claim, LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.retries import AS_SET, Rules, after_failure, policy_of
from tenrusl.backoff import RetryPolicy
from tenrusl.clock import Clock
from tenrusl.errors import OverloadedError, UnavailableError
from tenrusl.store.claims import ClaimedEvent, UnappliedEvent, claim_events, release_events
from tenrusl.store.engine import ContentionError, Engine, autocommit

# A lease that ends later was made by a clock that was wrong: leases last an hour at the most.
OUT_OF_REACH = timedelta(hours=2)
_log = structlog.get_logger("process")


class ResultStatus(StrEnum):
    """What became of an event in one call; the names are those of EventResultStatus in processor/v1."""

    __hash__ = str.__hash__  # Enum's own is Python code, and these are looked up for every event

    PROCESSED = "processed"
    FAILED = "failed"
    DEAD_LETTER = "dead_letter"
    UNCONFIRMED = "unconfirmed"
    CLAIMED = "claimed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event. failure_code: empty unless it failed."""

    status: ResultStatus
    failure_code: str = ""


SKIPPED = Result(ResultStatus.SKIPPED)
CLAIMED = Result(ResultStatus.CLAIMED)
PROCESSED = Result(ResultStatus.PROCESSED)
_UNKNOWN_PAYMENT = Failure("payment_unknown", "no payment has this reference")
_EXHAUSTED = Failure("lease_ended", "processing ended without a result, max attempts times")


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events under one claim, and the rules for those that fail."""

    claim: Claim
    events: Sequence[ClaimedEvent]
    policy: RetryPolicy
    force: bool


class Processor:
    """Processes events by id.

    lease: how long a claim holds; longer than any batch takes. max_batches: batches at once, then
    OverloadedError. create_unknown: whether an event may create its payment. lost_claims: takes back what the database
    fails.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        directives: Directives,
        confirmation: Confirmation,
        lost_claims: LostClaims,
        policy: RetryPolicy,
        lease: timedelta,
        max_batches: int,
        create_unknown: bool,
        clock: Clock,
        metrics: ProcessorMetrics,
        rng: random.Random,
    ) -> None:
        self._engine = engine
        self._directives = directives
        self._confirmation = confirmation
        self._lost_claims = lost_claims
        self._policy = policy
        self._lease = lease
        self._max_batches = max_batches
        self._create_unknown = create_unknown
        self._clock = clock
        self._metrics = metrics
        self._rng = rng
        self._under_way: set[asyncio.Task[dict[UUID, Result]]] = set()

    async def process(
        self, event_ids: Sequence[UUID], *, force: bool = False, rules: Rules = AS_SET
    ) -> dict[UUID, Result]:
        """Claims and settles; a result for each id. A caller that goes away does not stop it.

        Raises OverloadedError, UnavailableError (what was claimed is due again when the database is back).
        """

        async def work() -> dict[UUID, Result]:
            batch = await self._claim(event_ids, force, rules)
            return dict.fromkeys(event_ids, SKIPPED) | await self._settle(batch)

        self._check_capacity()
        return await asyncio.shield(self._start(work()))

    async def hand_off(
        self, event_ids: Sequence[UUID], *, force: bool = False, rules: Rules = AS_SET
    ) -> dict[UUID, Result]:
        """Claims, and settles in the background: CLAIMED for each id that could be claimed. Raises as `process`."""

        async def work() -> dict[UUID, Result]:
            batch = await self._claim(event_ids, force, rules)
            self._start(self._settle(batch))
            if len(batch.events) == len(event_ids):  # as nearly always
                return dict.fromkeys(event_ids, CLAIMED)
            return dict.fromkeys(event_ids, SKIPPED) | {event.id: CLAIMED for event in batch.events}

        self._check_capacity()
        return await asyncio.shield(self._start(work()))

    async def drain(self, time_limit: timedelta) -> None:
        """Waits for the batches that are under way. What is not done by then is due when its lease ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(time_limit.total_seconds()):
                while self._under_way:  # a claim that ends starts its batch
                    await asyncio.wait(set(self._under_way))

    def _check_capacity(self) -> None:
        if len(self._under_way) >= self._max_batches:
            raise OverloadedError(f"{self._max_batches} batches are under way")

    def _start(self, work: Coroutine[Any, Any, dict[UUID, Result]]) -> asyncio.Task[dict[UUID, Result]]:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[dict[UUID, Result]]) -> None:
        self._under_way.discard(task)
        # Nobody may be waiting for it.
        if not task.cancelled() and task.exception() is not None:
            _log.warning("batch not settled", error=str(task.exception()))

    async def _claim(self, event_ids: Sequence[UUID], force: bool, rules: Rules) -> _Batch:
        now = self._clock.now()
        claim = Claim(event_ids, claimed_at=now, lease_ends_at=now + self._lease)
        asked = False
        try:
            async with autocommit(self._engine, "claim events") as connection:
                asked = True
                claimed = await claim_events(
                    connection,
                    event_ids,
                    now=now,
                    lease_ends_at=claim.lease_ends_at,
                    out_of_reach=now + OUT_OF_REACH,
                    force=force,
                )
        except ContentionError:
            raise  # nothing was claimed
        except UnavailableError:
            if asked:
                self._lost_claims.add(claim)  # whether it was made is not known
            raise
        self._metrics.observe_batch(len(claimed))
        return _Batch(claim, claimed, policy_of(rules, self._policy), force)

    async def _settle(self, batch: _Batch) -> dict[UUID, Result]:
        """A result for each of its events."""
        results = {event.id: SKIPPED for event in batch.events}
        if batch.events:
            try:
                await self._settle_claimed(batch, results)
            except UnavailableError:
                # What the database did not let us finish is not counted as tried.
                self._lost_claims.add(batch.claim)
                raise
        return results

    async def _settle_claimed(self, batch: _Batch, results: dict[UUID, Result]) -> None:
        claimed = batch.events
        failures: dict[UUID, Failure] = {}
        if not batch.force:
            # A claim beyond the last attempt is one whose holders vanished each time.
            last = max(batch.policy.max_attempts, self._policy.max_attempts)
            exhausted = [event for event in claimed if event.lease_ended and event.attempts > last]
            failures |= dict.fromkeys((event.id for event in exhausted), _EXHAUSTED)
        orders = await self._directives.read(claimed)
        failures |= orders.failures
        sifted = await self._confirmation.sift(_without(claimed, failures))
        failures |= sifted.failures
        open_events = _without(claimed, failures.keys() | sifted.unconfirmed)
        ready = _without(open_events, orders.delays)
        slow = [event for event in open_events if event.id in orders.delays] if orders.delays else []
        outcomes = await asyncio.gather(
            apply_isolated(ready, self._apply),
            *(self._apply_later(event, orders.delays[event.id]) for event in slow),
            return_exceptions=True,  # none goes on when this is over, and what is known is settled
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                continue
            applied, failed = outcome
            results |= dict.fromkeys(applied.processed, PROCESSED)
            failures |= failed | dict.fromkeys(applied.unknown, _UNKNOWN_PAYMENT)
        if failures or sifted.unconfirmed:
            now = self._clock.now()
            unapplied = [
                after_failure(event, failures[event.id], policy=batch.policy, rng=self._rng, now=now)
                for event in claimed
                if event.id in failures
            ]
            unapplied += [_unconfirmed(event) for event in claimed if event.id in sifted.unconfirmed]
            results |= await self._release(unapplied)
        self._count(claimed, results)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _apply_later(self, event: ClaimedEvent, delay: timedelta) -> tuple[Applied, dict[UUID, Failure]]:
        await asyncio.sleep(delay.total_seconds())
        return await apply_isolated([event], self._apply)

    async def _apply(self, events: Sequence[ClaimedEvent]) -> Applied:
        now = self._clock.now()
        return await apply_events(self._engine, events, now=now, create_unknown=self._create_unknown)

    async def _release(self, events: Sequence[UnappliedEvent]) -> dict[UUID, Result]:
        async with autocommit(self._engine, "release events") as connection:
            held = await release_events(connection, events)
        return {
            item.id: Result(ResultStatus(item.status), item.failure_code or "") for item in events if item.id in held
        }

    def _count(self, claimed: Sequence[ClaimedEvent], results: dict[UUID, Result]) -> None:
        now = self._clock.now()
        done: list[ClaimedEvent] = []
        others: list[tuple[ClaimedEvent, Result]] = []
        for event in claimed:
            result = results[event.id]
            if result is PROCESSED:
                done.append(event)
            elif result is not SKIPPED:
                others.append((event, result))
        for provider, number in Counter(event.provider for event in done).items():
            self._metrics.count(provider, ResultStatus.PROCESSED.value, number)
        self._metrics.observe_attempts(ResultStatus.PROCESSED.value, [event.attempts for event in done])
        self._metrics.observe_latency([(now - event.received_at).total_seconds() for event in done])
        for (provider, result), number in Counter((event.provider, result) for event, result in others).items():
            self._metrics.count(provider, result.status.value, number)
            if result.failure_code:
                final = result.status is ResultStatus.DEAD_LETTER
                self._metrics.count_failures(provider, result.failure_code, number, final=final)
        dead = [event.attempts for event, result in others if result.status is ResultStatus.DEAD_LETTER]
        self._metrics.observe_attempts(ResultStatus.DEAD_LETTER.value, dead)


def _without(events: Sequence[ClaimedEvent], ids: Collection[UUID]) -> Sequence[ClaimedEvent]:
    return [event for event in events if event.id not in ids] if ids else events


def _unconfirmed(event: ClaimedEvent) -> UnappliedEvent:
    return UnappliedEvent(id=event.id, attempts=event.attempts, status="unconfirmed")
