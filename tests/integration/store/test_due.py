"""Finding what is due: in turn between providers, by the index alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tenrusl.store import due
from tenrusl.store.due import backlog, count_stale_leases, due_events, provider_of, stranded_events, unfinished_events
from tenrusl.store.engine import Engine, autocommit, fetch, transaction
from tests.builders import START

MINUTE = timedelta(minutes=1)
_INSERT = """
    INSERT INTO webhook_events (id, provider, event_id, event_type, status, next_retry_at, received_at, last_attempt_at,
        request_id, source_ip, headers, signature_version, payload_sha256, payload_bytes)
    SELECT CAST(lpad(to_hex(CAST(:first AS integer) + n), 32, '0') AS uuid), :provider, :provider || (:first + n),
        'type', :status, CAST(:at AS timestamptz) + n * interval '1 ms', :at, :last_attempt_at,
        'r', '::1', '{}', 'current', '', 0
    FROM generate_series(0, CAST(:number AS integer) - 1) AS n
    """


class Events:
    """Puts events into the table; ids count up from 1."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._next = 1

    async def put(
        self,
        number: int = 1,
        *,
        provider: str = "stripe",
        status: str = "failed",
        at: datetime = START,
        last_attempt_at: datetime | None = None,
    ) -> list[UUID]:
        first, self._next = self._next, self._next + number
        async with transaction(self._engine) as connection:
            await connection.execute(
                text(_INSERT),
                {"first": first, "number": number, "provider": provider, "status": status, "at": at,
                 "last_attempt_at": last_attempt_at},
            )  # fmt: skip
        return [UUID(int=first + offset) for offset in range(number)]


@pytest.fixture
def events(engine: Engine) -> Events:
    return Events(engine)


async def found(engine: Engine, *, at: datetime = START + MINUTE, limit: int = 100, provider: str = "") -> list[UUID]:
    async with autocommit(engine) as connection:
        return await due_events(connection, due_by=at, limit=limit, provider=provider)


async def test_due_is_what_is_unfinished_and_whose_time_has_come(engine: Engine, events: Events) -> None:
    expected = [
        *await events.put(status="received"),
        *await events.put(status="failed", at=START + timedelta(seconds=1)),
        *await events.put(status="processing", at=START + timedelta(seconds=2)),  # its lease has ended
    ]
    for status in ("processed", "dead_letter", "unconfirmed"):
        await events.put(status=status)
    for status in ("received", "failed", "processing"):
        await events.put(status=status, at=START + 2 * MINUTE)
    assert await found(engine) == expected


async def test_providers_come_in_turn_whatever_one_of_them_has_waiting(engine: Engine, events: Events) -> None:
    flood = await events.put(500, provider="stripe")
    few = await events.put(3, provider="xendit", at=START + timedelta(seconds=30))
    one = await events.put(1, provider="dana", at=START + timedelta(seconds=40))
    ids = await found(engine, limit=8)
    assert set(ids) == {*few, *one, *flood[:4]}
    assert await found(engine, limit=3) == [flood[0], few[0], one[0]]


async def test_only_one_provider_when_asked(engine: Engine, events: Events) -> None:
    await events.put(3, provider="stripe")
    ids = await events.put(2, provider="xendit")
    assert await found(engine, provider="xendit") == ids
    assert await found(engine, provider="nobody") == []


async def test_with_force_all_that_is_unfinished_and_untried_in_this_run(engine: Engine, events: Events) -> None:
    far = START + timedelta(days=300)
    expected = [*await events.put(status="failed", at=far), *await events.put(status="received", at=far + MINUTE)]
    await events.put(status="processing", at=far)  # somebody works on it
    await events.put(status="failed", at=START, last_attempt_at=START + MINUTE)  # tried in this run
    await events.put(status="dead_letter")
    async with autocommit(engine) as connection:
        ids = await unfinished_events(connection, began_at=START + MINUTE, limit=10)
    assert ids == expected


async def test_the_provider_of_an_event(engine: Engine, events: Events) -> None:
    (event_id,) = await events.put(provider="oy")
    async with autocommit(engine) as connection:
        assert await provider_of(connection, event_id) == "oy"
        assert await provider_of(connection, UUID(int=999)) is None


async def test_the_backlog_is_what_is_due(engine: Engine, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    await events.put(5, provider="stripe", status="failed")
    await events.put(1, provider="xendit", status="received", at=START + 2 * MINUTE)
    await events.put(3, provider="dana", status="processed")
    monkeypatch.setattr(due, "MAX_COUNTED", 4)
    async with autocommit(engine) as connection:
        work = {item.provider: item for item in await backlog(connection, START + MINUTE)}
    assert {name: item.due for name, item in work.items()} == {"stripe": 4, "xendit": 0}
    assert work["stripe"].oldest == START
    assert work["stripe"].oldest_seconds(START + MINUTE) == 60.0
    assert work["xendit"].oldest_seconds(START + MINUTE) == 0.0


async def test_events_that_are_due_in_the_year_9999_are_named(engine: Engine, events: Events) -> None:
    await events.put(status="failed", at=START + timedelta(hours=1))
    far = datetime(9999, 1, 1, tzinfo=UTC)
    (stranded,) = await events.put(status="processing", at=far)
    async with autocommit(engine) as connection:
        names = await stranded_events(connection, beyond=START + timedelta(days=2), limit=10)
    assert [(item.id, item.status, item.next_retry_at) for item in names] == [(stranded, "processing", far)]


async def test_leases_that_ended_are_counted(engine: Engine, events: Events) -> None:
    await events.put(4, status="processing")
    await events.put(2, status="processing", at=START + 2 * MINUTE)
    await events.put(3, status="failed")
    async with autocommit(engine) as connection:
        assert await count_stale_leases(connection, now=START + MINUTE, limit=100) == 4


async def test_stale_leases_are_counted_behind_a_backlog(engine: Engine, events: Events) -> None:
    await events.put(50, status="failed", at=START - MINUTE)
    await events.put(3, status="processing")
    async with autocommit(engine) as connection:
        assert await count_stale_leases(connection, now=START + MINUTE, limit=10) == 3
        assert await count_stale_leases(connection, now=START + MINUTE, limit=2) == 2


async def explain(engine: Engine, statement: str, **parameters: object) -> str:
    async with autocommit(engine) as connection:
        lines = await fetch(connection, f"EXPLAIN {statement}", parameters)
    return "\n".join(line[0] for line in lines)


@pytest.mark.parametrize("processed", [1_000, 50_000])
async def test_what_is_due_is_found_by_the_index_alone_whatever_lies_behind_it(
    engine: Engine, events: Events, processed: int
) -> None:
    await events.put(processed, status="processed")
    await events.put(100, status="failed")
    async with autocommit(engine) as connection:
        await connection.execute(text("VACUUM ANALYZE webhook_events"))
    assert "webhook_events_leases_idx" in await explain(engine, due._STALE_LEASES, now=START + MINUTE, limit=1000)
    for statement, parameters in (
        (due._DUE, {"due_by": START + MINUTE, "limit": 1000, "provider": ""}),
        (due._BACKLOG, {"now": START + MINUTE, "most": 1000}),
    ):
        plan = await explain(engine, statement, **parameters)
        assert "Seq Scan on webhook_events" not in plan
        scans = [line for line in plan.splitlines() if "Scan" in line and "webhook_events" in line]
        assert scans
        assert all("Index Only Scan using webhook_events_due_idx" in line for line in scans), plan
    assert len(await found(engine)) == 100
