"""How fast a backlog is found, processed and settled, and what finding it costs beside a long history."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg

from benchmarks.history import History, insert_events
from benchmarks.systems import TenRusl
from tenrusl.api.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tenrusl.local.ports import PortReservations
from tenrusl.rpc.operators import ADMIN_KEY
from tenrusl.secret import Secret
from tenrusl.store.due import due_events
from tenrusl.store.engine import autocommit, build_engine

MIN_PER_SECOND = 2000.0
MAX_RATIO = 1.5  # of the time to find, noise included
_LOOKS = 200
_PAGE = 1000
_RUN_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainFigures:
    """settled_per_second: of `events` due ones, from the call to the last. find_ms: median to find a page of them, at
    most 1,000, by the number of processed events behind it, ascending."""

    events: int
    settled_per_second: float
    find_ms: dict[int, float]


def measure_drain(folder: Path, ports: PortReservations, *, events: int, histories: Sequence[int]) -> DrainFigures:
    """Starts a TenRusl of its own. events: at most 100,000, what one call takes. histories: ascending.

    Raises StartError, grpc.RpcError, psycopg.Error.
    """
    system = TenRusl(folder=folder, ports=ports, TENRUSL_SCHEDULER_TICKER="off")
    try:
        system.start()
        stack = system.stack
        assert stack.postgres is not None
        url = stack.postgres.url(stack.settings.db_database)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as database:
            find_ms: dict[int, float] = {}
            insert_events(database, run="due", status="failed", number=events)
            history = History(database)
            for size in histories:
                history.grow_to(size)
                find_ms[size] = asyncio.run(_find_ms(url, min(events, _PAGE)))
            with grpc.insecure_channel(stack.target("scheduler")) as channel:
                seconds = _settle_all(
                    scheduler_pb2_grpc.SchedulerServiceStub(channel), stack.settings.admin_key, events
                )
            left = database.execute("SELECT count(*) FROM webhook_events WHERE status <> 'processed'").fetchone()
        assert left == (0,), f"{left} events are not processed"
        return DrainFigures(events=events, settled_per_second=events / seconds, find_ms=find_ms)
    finally:
        system.stop()


def drain_report(figures: DrainFigures) -> str:
    """The figures and whether the bounds hold, as text."""
    (few, few_ms), *_, (many, many_ms) = figures.find_ms.items()
    speed = "reached" if figures.settled_per_second >= MIN_PER_SECOND else "MISSED"
    cost = "reached" if many_ms <= few_ms * MAX_RATIO else "MISSED"
    return (
        f"{figures.events:,} due events found, processed and settled: {figures.settled_per_second:,.0f}/s"
        f" (at least {MIN_PER_SECOND:,.0f}: {speed})\n"
        f"finding {min(figures.events, _PAGE):,} of them beside {few:,} / {many:,} processed events:"
        f" {few_ms:.2f} / {many_ms:.2f} ms (the same: {cost})"
    )


async def _find_ms(url: str, page: int) -> float:
    engine = build_engine(url, service="bench", pool_size=1)
    seconds = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        async with autocommit(engine) as connection:
            found = await due_events(connection, due_by=datetime.now(UTC), limit=page)
        seconds.append(time.perf_counter() - began)
        assert len(found) == page
    await engine.dispose()
    return statistics.median(seconds) * 1000


def _settle_all(scheduler: scheduler_pb2_grpc.SchedulerServiceStub, key: Secret, events: int) -> float:
    """Seconds until all are settled."""
    request = scheduler_pb2.RetryDueEventsRequest(limit=events)
    began = time.perf_counter()
    metadata = ((ADMIN_KEY, key.reveal()),)
    *_, result = scheduler.RetryDueEvents(request, timeout=_RUN_SECONDS, metadata=metadata)
    seconds = time.perf_counter() - began
    assert result.processed == events, result
    return seconds
