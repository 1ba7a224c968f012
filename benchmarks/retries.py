"""How fast due events are found, processed and settled, and what finding them costs beside a long history."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg

from benchmarks.systems import TenRusl
from tenrusl.api.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tenrusl.local.ports import PortReservations
from tenrusl.rpc.operators import ADMIN_KEY
from tenrusl.secret import Secret
from tenrusl.store.due import due_events
from tenrusl.store.engine import autocommit, build_engine

EVENTS = 10_000
MIN_PER_SECOND = 2000.0
HISTORIES = (1000, 1_000_000)
MAX_RATIO = 1.5  # of the time to find, noise included
_LOOKS = 200
_PAGE = 1000
_RUN_SECONDS = 120.0
_PROVIDERS = ("stripe", "xendit", "midtrans", "paypal")
# Each is about a payment of its own, as events that wait mostly are.
_INSERT = """
    INSERT INTO webhook_events (id, provider, event_id, event_type, status, payment_status, payment_ref, provider_ref,
        amount_minor, currency, occurred_at, attempts, next_retry_at, received_at, processed_at,
        request_id, source_ip, headers, signature_version, payload_sha256, payload_bytes, payload_content_type)
    SELECT gen_random_uuid(), (%(providers)s::text[])[1 + n %% %(number_of_providers)s], %(run)s || n, 'payment',
        %(status)s, 'succeeded', %(run)s || n, %(run)s || n, 150000, 'IDR', now(), 1,
        CASE WHEN %(status)s = 'failed' THEN now() - interval '1 minute' END, now(),
        CASE WHEN %(status)s = 'processed' THEN now() END, 'bench', '127.0.0.1', '{}', 'current', sha256(''), 600,
        'application/json'
    FROM generate_series(1, %(number)s) AS n
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFigures:
    """settled_per_second: of EVENTS due ones, from the call to the last. find_ms: median to find a page of 1,000, by
    the number of processed events behind it."""

    settled_per_second: float
    find_ms: dict[int, float]


def measure_retries(folder: Path, ports: PortReservations) -> RetryFigures:
    """Starts a TenRusl of its own. Raises StartError, grpc.RpcError, psycopg.Error."""
    system = TenRusl(folder=folder, ports=ports, TENRUSL_SCHEDULER_TICKER="off")
    try:
        system.start()
        stack = system.stack
        assert stack.postgres is not None
        url = stack.postgres.url(stack.settings.db_database)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as database:
            find_ms: dict[int, float] = {}
            _insert(database, "due", "failed", EVENTS)
            for history in HISTORIES:
                _insert(database, f"history-{history}-", "processed", history - sum(find_ms))
                database.execute("VACUUM ANALYZE webhook_events")
                find_ms[history] = asyncio.run(_find_ms(url))
            with grpc.insecure_channel(stack.target("scheduler")) as channel:
                seconds = _settle_all(scheduler_pb2_grpc.SchedulerServiceStub(channel), stack.settings.admin_key)
            left = database.execute("SELECT count(*) FROM webhook_events WHERE status <> 'processed'").fetchone()
        assert left == (0,), f"{left} events are not processed"
        return RetryFigures(settled_per_second=EVENTS / seconds, find_ms=find_ms)
    finally:
        system.stop()


def retries_report(figures: RetryFigures) -> str:
    """The figures and whether the bounds hold, as text."""
    few, many = (figures.find_ms[history] for history in HISTORIES)
    speed = "reached" if figures.settled_per_second >= MIN_PER_SECOND else "MISSED"
    cost = "reached" if many <= few * MAX_RATIO else "MISSED"
    return (
        f"{EVENTS:,} due events found, processed and settled: {figures.settled_per_second:,.0f}/s"
        f" (at least {MIN_PER_SECOND:,.0f}: {speed})\n"
        f"finding {_PAGE:,} of them beside {HISTORIES[0]:,} / {HISTORIES[1]:,} processed events:"
        f" {few:.2f} / {many:.2f} ms (the same: {cost})"
    )


def _insert(database: psycopg.Connection, run: str, status: str, number: int) -> None:
    parameters = {
        "run": run,
        "status": status,
        "number": number,
        "providers": list(_PROVIDERS),
        "number_of_providers": len(_PROVIDERS),
    }
    database.execute(_INSERT, parameters)


async def _find_ms(url: str) -> float:
    engine = build_engine(url, service="bench", pool_size=1)
    seconds = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        async with autocommit(engine) as connection:
            found = await due_events(connection, due_by=datetime.now(UTC), limit=_PAGE)
        seconds.append(time.perf_counter() - began)
        assert len(found) == _PAGE
    await engine.dispose()
    return statistics.median(seconds) * 1000


def _settle_all(scheduler: scheduler_pb2_grpc.SchedulerServiceStub, key: Secret) -> float:
    """Seconds until all are settled."""
    request = scheduler_pb2.RetryDueEventsRequest(limit=EVENTS)
    began = time.perf_counter()
    metadata = ((ADMIN_KEY, key.reveal()),)
    *_, result = scheduler.RetryDueEvents(request, timeout=_RUN_SECONDS, metadata=metadata)
    seconds = time.perf_counter() - began
    assert result.processed == EVENTS, result
    return seconds
