"""Handing new events to the processor, in the background and without promises.

An event that is not handed over is due by itself a little later, so what is kept and waited for here is bounded, and
nothing is repeated.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import grpc
import structlog
from grpc import aio

from services.ingress.metrics import IngressMetrics

MAX_WAITING_EVENTS = 20_000  # a few seconds of the highest rate; beyond it the rows wait for their due time
MAX_BATCH_EVENTS = 1000  # as many as ProcessEvents takes
MAX_IN_FLIGHT = 4
# The next batch leaves when the one before is done, so that a busy system fills batches; or after this, so that
# a slow event does not hold up the others.
PATIENCE_SECONDS = 0.25
# When batches come this large, the next one may gather a while: a larger batch costs less for each event. The larger
# the one before, the longer; more than the rate asks for would stand in the way of the webhooks that arrive meanwhile.
BUSY_BATCH_EVENTS = 16
GATHER_SECONDS_PER_EVENT = 0.0005
MIN_GATHER_SECONDS = 0.1
MAX_GATHER_SECONDS = 0.25
TIMEOUT_SECONDS = 45.0  # longer than any event takes
FIRST_PAUSE_SECONDS = 0.1  # after a failure; doubled up to MAX_PAUSE_SECONDS, so that an overload can pass
MAX_PAUSE_SECONDS = 2.0

ProcessEvents = Callable[[Sequence[UUID], float], Awaitable[None]]
_log = structlog.get_logger("handoff")


class Handoff:
    """A bounded buffer of event ids and the few calls that empty it.

    process_events: tells the processor to process these events, with a timeout in seconds. Raises AioRpcError.
    """

    def __init__(self, process_events: ProcessEvents, metrics: IngressMetrics) -> None:
        self._process_events = process_events
        self._metrics = metrics
        self._waiting: deque[tuple[UUID, float]] = deque()  # with the time of the offer
        self._offered = asyncio.Event()
        metrics.watch_handoff(lambda: len(self._waiting))

    def offer(self, event_ids: Sequence[UUID]) -> None:
        """Takes ids while there is room; the others wait for their due time. Never blocks."""
        taken = event_ids[: MAX_WAITING_EVENTS - len(self._waiting)]
        offered_at = time.perf_counter()
        self._waiting.extend((event_id, offered_at) for event_id in taken)
        self._offered.set()
        if len(taken) < len(event_ids):
            self._metrics.count_handoff(len(event_ids) - len(taken), ok=False)

    async def run(self) -> None:
        """Hands over until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        in_flight: set[asyncio.Task[bool]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                batch = await self._next_batch()
                in_flight.add(group.create_task(self._deliver(batch)))
                patience = PATIENCE_SECONDS if len(in_flight) < MAX_IN_FLIGHT else None
                done, in_flight = await asyncio.wait(in_flight, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if not all(task.result() for task in done):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, MAX_PAUSE_SECONDS)
                    continue
                pause = FIRST_PAUSE_SECONDS
                if BUSY_BATCH_EVENTS <= len(batch) < MAX_BATCH_EVENTS:
                    await asyncio.sleep(_gather_seconds(len(batch)))

    async def _deliver(self, batch: Sequence[tuple[UUID, float]]) -> bool:
        try:
            await self._process_events([event_id for event_id, _ in batch], TIMEOUT_SECONDS)
        except aio.AioRpcError as exc:
            self._metrics.count_handoff(len(batch), ok=False)
            if exc.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                _log.warning("processor not reached", events=len(batch), code=exc.code().name)
            return False
        self._metrics.count_handoff(len(batch), ok=True)
        self._metrics.observe_handoff(time.perf_counter() - batch[0][1])
        return True

    async def _next_batch(self) -> list[tuple[UUID, float]]:
        while not self._waiting:
            self._offered.clear()
            await self._offered.wait()
        return [self._waiting.popleft() for _ in range(min(MAX_BATCH_EVENTS, len(self._waiting)))]


def _gather_seconds(last_batch_events: int) -> float:
    return min(MAX_GATHER_SECONDS, max(MIN_GATHER_SECONDS, last_batch_events * GATHER_SECONDS_PER_EVENT))
