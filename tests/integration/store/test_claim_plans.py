"""Ending claims looks the events up by their key, whatever the statistics say about what is unfinished."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from tenrusl.ids import uuid7
from tenrusl.store import apply, claims
from tenrusl.store.apply import mark_processed
from tenrusl.store.claims import UnappliedEvent, release_events
from tenrusl.store.engine import Connection, Engine, autocommit, fetch, transaction
from tests.builders import START

# All are done: right after, the indexes of what is unfinished look as if they were free to read.
_DONE = """
    INSERT INTO webhook_events (id, provider, event_id, event_type, status, attempts, received_at, processed_at,
        request_id, source_ip, headers, signature_version, payload_sha256, payload_bytes)
    SELECT gen_random_uuid(), 'stripe', 'evt_' || n, 'type', 'processed', 1, :now, :now, 'r', '::1', '{}', 'current',
        '', 0
    FROM generate_series(1, 10000) AS n
    """
IDS = [uuid7(START) for _ in range(3)]


@pytest.mark.parametrize(
    ("module", "end"),
    [
        (apply, lambda c: mark_processed(c, [(event_id, 1) for event_id in IDS], START)),
        (claims, lambda c: release_events(c, [UnappliedEvent(id=i, attempts=1, status="unconfirmed") for i in IDS])),
    ],
    ids=["processed", "released"],
)
async def test_claims_are_ended_by_the_key_when_nothing_was_unfinished(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, module: Any, end: Callable[[Connection], Awaitable[Any]]
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text(_DONE), {"now": START})
    plans: list[str] = []

    async def explained(connection: Connection, statement: str, parameters: Any) -> list[tuple[Any, ...]]:
        plans.extend(row[0] for row in await fetch(connection, f"EXPLAIN {statement}", parameters))
        return await fetch(connection, statement, parameters)

    monkeypatch.setattr(module, "fetch", explained)
    async with autocommit(engine) as connection:
        await connection.execute(text("VACUUM ANALYZE webhook_events"))
        await end(connection)
    assert set(re.findall(r"webhook_events_\w+", "\n".join(plans))) == {"webhook_events_pkey"}
