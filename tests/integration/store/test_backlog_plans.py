"""What operators ask is answered by indexes, and by the one that costs what is asked for, whatever lies behind it."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tenrusl.store import audit, backlog, due, event_list, reviews, traffic
from tenrusl.store.audit import MANY_EVENTS, AuditEntry, append_entry
from tenrusl.store.engine import Connection, Engine, autocommit, fetch, transaction
from tenrusl.store.event_list import EventFilter, find_events
from tests.builders import AUDIT_KEYS, START

NOW = START + timedelta(hours=2)
# Ids in the order of time, of which most are processed; some of each status.
_INSERT = """
    INSERT INTO webhook_events (id, provider, event_id, event_type, status, attempts, next_retry_at, received_at,
        last_attempt_at, processed_at, payment_ref, failure_code, request_id, source_ip, headers, signature_version,
        payload_sha256, payload_bytes)
    SELECT
        CAST(lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || lpad(to_hex(n), 20, '0') AS uuid),
        CASE n % 3 WHEN 0 THEN 'oy' ELSE 'stripe' END, 'evt_' || n, 'type', status, 1,
        CASE WHEN status IN ('received', 'failed', 'processing') THEN at END, at, at,
        CASE status WHEN 'processed' THEN at END, 'pay_' || n, CASE status WHEN 'dead_letter' THEN 'x' END,
        'r', '::1', '{}', 'current', '', 0
    FROM (
        SELECT n, CAST(:start AS timestamptz) + n * interval '200 ms' AS at,
            CASE n % 100 WHEN 1 THEN 'received' WHEN 2 THEN 'failed' WHEN 3 THEN 'dead_letter'
                WHEN 4 THEN 'unconfirmed' WHEN 5 THEN 'discarded' ELSE
                CASE n % 1000 WHEN 6 THEN 'processing' ELSE 'processed' END END AS status
        FROM generate_series(1, 30000) AS n
    ) AS given
    """
Ask = Callable[[Connection], Awaitable[Any]]


def listing(**fields: Any) -> Ask:
    return lambda connection: find_events(
        connection, EventFilter(**fields), providers=["oy", "stripe"], limit=50, newest_first=True
    )


QUESTIONS: dict[str, tuple[Ask, set[str]]] = {
    "groups": (lambda c: backlog.unfinished_groups(c, NOW), {"webhook_events_due_idx"}),
    "unconfirmed": (backlog.unconfirmed_by_provider, {"webhook_events_unconfirmed_provider_idx"}),
    "dead letters": (backlog.dead_letter_groups, {"webhook_events_dead_letter_idx"}),
    "arrived": (lambda c: traffic.count_arrived(c, since=START, until=NOW), {"webhook_events_pkey"}),
    "settled": (
        lambda c: traffic.settled_per_second(c, since=START, now=NOW),
        {"webhook_events_processed_idx", "webhook_events_given_up_idx"},
    ),
    "arrivals by provider": (
        lambda c: traffic.arrivals_by_provider(c, since=START, until=NOW, slices=6, most=50),
        {"webhook_events_pkey"},
    ),
    "failing": (
        lambda c: traffic.failing_by_provider(c, since=START, until=NOW),
        {"webhook_events_processed_idx", "webhook_events_due_idx", "webhook_events_given_up_idx"},
    ),
    "stale leases": (lambda c: due.count_stale_leases(c, now=NOW, limit=1000), {"webhook_events_leases_idx"}),
    "traffic by minute": (lambda c: reviews.traffic_by_minute(c, START, NOW), {"webhook_events_pkey"}),
    "all events": (listing(), {"webhook_events_pkey"}),
    "failed events": (listing(status="failed"), {"webhook_events_failed_idx"}),
    "events under a lease": (listing(status="processing"), {"webhook_events_leases_idx"}),
    "events never tried": (listing(status="received"), {"webhook_events_due_idx", "webhook_events_pkey"}),
    "unconfirmed events": (listing(status="unconfirmed"), {"webhook_events_unconfirmed_idx"}),
    "dead letter list": (listing(status="dead_letter"), {"webhook_events_set_aside_idx"}),
    "events of a payment": (
        listing(payment_ref="pay_7"),
        {"webhook_events_tried_ref_idx", "webhook_events_due_idx", "webhook_events_pkey"},
    ),
}


async def filled(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text(_INSERT), {"start": START})
    async with autocommit(engine) as connection:
        await connection.execute(text("VACUUM ANALYZE webhook_events"))


async def plan_of(engine: Engine, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> str:
    """The plans of all statements that a question takes."""
    plans: list[str] = []

    async def explained(connection: Connection, statement: str, parameters: Any) -> list[tuple[Any, ...]]:
        plans.extend(row[0] for row in await fetch(connection, f"EXPLAIN {statement}", parameters))
        return await fetch(connection, statement, parameters)

    for module in (audit, backlog, due, event_list, reviews, traffic):
        monkeypatch.setattr(module, "fetch", explained)
    async with autocommit(engine) as connection:
        await ask(connection)
    return "\n".join(plans)


async def test_each_question_has_its_index(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(engine)
    used: dict[str, set[str]] = {}
    for name, (ask, _) in QUESTIONS.items():
        plan = await plan_of(engine, ask, monkeypatch)
        assert "Seq Scan on webhook_events" not in plan, f"{name}\n{plan}"
        used[name] = set(re.findall(r"using (webhook_events_\w+)", plan)) | set(
            re.findall(r"Bitmap Index Scan on (webhook_events_\w+)", plan)
        )
    assert used == {name: wanted for name, (_, wanted) in QUESTIONS.items()}


async def test_entries_about_several_events_are_found_by_an_index(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [UUID(int=number) for number in range(600)]
    async with transaction(engine) as connection:
        for start in range(0, 600, 2):
            named = [str(event_id) for event_id in ids[start : start + 2]]
            entry = AuditEntry(
                at=START, actor="olga", role="operator", action="events.confirm", target=MANY_EVENTS, request_id="r",
                after={"event_ids": named},
            )  # fmt: skip
            await append_entry(connection, entry, AUDIT_KEYS)
    async with autocommit(engine) as connection:
        await connection.execute(text("ANALYZE audit_log"))
        found = await audit.entries_of_event(connection, ids[7], limit=50)
    assert [item.number for item in found] == [4]
    plan = await plan_of(engine, lambda c: audit.entries_of_event(c, ids[7], limit=50), monkeypatch)
    assert "Bitmap Index Scan on audit_log_events_idx" in plan
    assert "audit_log_target_idx" in plan
    assert "Seq Scan" not in plan
