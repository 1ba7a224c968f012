"""Handing over in the background, without promises."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import grpc
import pytest
from grpc import aio
from prometheus_client import CollectorRegistry

from services.ingress import handoff as module
from services.ingress.handoff import MAX_BATCH_EVENTS, MAX_IN_FLIGHT, MAX_WAITING_EVENTS, Handoff
from services.ingress.metrics import IngressMetrics


class FakeProcessor:
    """Takes batches when it is let go; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[UUID]] = []
        self.go = asyncio.Event()
        self.taken = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0
        self._failures = failures

    async def __call__(self, event_ids: Sequence[UUID], timeout_seconds: float) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.go.wait()
            if self._failures:
                self._failures -= 1
                raise aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())
            self.batches.append(list(event_ids))
            self.taken.set()
        finally:
            self.in_flight -= 1

    async def took(self, number: int) -> list[UUID]:
        """The ids of all batches, when there are `number` of them."""
        async with asyncio.timeout(10):
            while sum(map(len, self.batches)) < number:
                self.taken.clear()
                await self.taken.wait()
        return [event_id for batch in self.batches for event_id in batch]


class Counted(IngressMetrics):
    """The metrics, with what was counted at hand."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__(self.registry, ())

    def events(self, result: str) -> float:
        return self.registry.get_sample_value("tenrusl_handoff_events_total", {"result": result}) or 0.0


def ids(number: int) -> list[UUID]:
    return [UUID(int=value) for value in range(number)]


async def test_what_waits_goes_together_and_in_order() -> None:
    processor = FakeProcessor()
    handoff = Handoff(processor, Counted())
    run = asyncio.create_task(handoff.run())
    handoff.offer(ids(MAX_BATCH_EVENTS * 3))
    processor.go.set()
    taken = await processor.took(MAX_BATCH_EVENTS * 3)
    assert sorted(taken) == ids(MAX_BATCH_EVENTS * 3)
    assert max(map(len, processor.batches)) == MAX_BATCH_EVENTS
    assert processor.most_in_flight <= MAX_IN_FLIGHT
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run


async def test_what_does_not_fit_is_left_to_its_due_time() -> None:
    metrics = Counted()
    handoff = Handoff(FakeProcessor(), metrics)
    handoff.offer(ids(MAX_WAITING_EVENTS))
    handoff.offer(ids(5))
    assert metrics.events("dropped") == 5


async def test_a_failed_batch_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)
    processor = FakeProcessor(failures=1)
    metrics = Counted()
    handoff = Handoff(processor, metrics)
    run = asyncio.create_task(handoff.run())
    processor.go.set()
    handoff.offer(ids(3))
    async with asyncio.timeout(10):
        while not metrics.events("dropped"):
            await asyncio.sleep(0)
    handoff.offer([UUID(int=7)])
    assert await processor.took(1) == [UUID(int=7)]
    assert metrics.events("dropped") == 3
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
