"""Days of payloads go whole, and what must stay stays and can be read."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tenrusl.errors import ConflictError, NotFoundError, Reason
from tenrusl.store.claims import claim_events, sealed_payloads
from tenrusl.store.engine import Connection, Engine, autocommit, block, patient, transaction
from tenrusl.store.event_store import EventStore, StoreRefusedError
from tenrusl.store.holds import Hold, place_hold, release_hold
from tenrusl.store.payloads import read_payload
from tenrusl.store.retention import (
    _CARRY_OVER,
    HELD,
    NIL,
    UNFINISHED,
    PayloadDay,
    carry_over,
    carry_over_providers,
    detach_day,
    drop_day,
    lock_holds,
    mark_purged,
    payload_days,
)
from tenrusl.store.sweeps import retained_groups, sweep_day, sweep_retained
from tests.builders import START, new_event, rows
from tests.payload_days import (
    FINISHED,
    days_ago,
    die_after_detaching,
    partition_days,
    payload,
    put,
    put_one,
    readable,
    set_status,
)
from tests.payload_days import (
    UNFINISHED as UNFINISHED_STATUSES,
)

DAY = PayloadDay(days_ago(20), detached=False, detaching=False)


async def forget_day(engine: Engine) -> int:
    async with patient(engine) as connection:
        await carry_over(connection, DAY)
        await detach_day(connection, DAY)
        return await drop_day(connection, DAY, START)


async def hold(engine: Engine, event_id: UUID, *, reason: str = "dispute") -> Hold:
    async with transaction(engine) as connection:
        return (await place_hold(connection, event_id, reason=reason, held_by="dewi", now=START))[0]


async def test_payloads_of_unfinished_and_held_events_outlive_their_day(engine: Engine) -> None:
    unfinished = [await put_one(engine, 20, status=status) for status in UNFINISHED_STATUSES]
    finished = [await put_one(engine, 20, status=status) for status in FINISHED]
    held = [await put_one(engine, 20, status=status) for status in FINISHED]
    for event_id in held:
        await hold(engine, event_id)
    assert await forget_day(engine) == len(finished)
    assert await readable(engine, *unfinished, *held) == [True] * 6
    assert await readable(engine, *finished) == [False] * 2
    assert DAY.day not in await partition_days(engine)


async def test_a_forgotten_payload_says_since_when(engine: Engine) -> None:
    event_id = await put_one(engine, 20)
    await forget_day(engine)
    async with autocommit(engine) as connection:
        with pytest.raises(ConflictError, match="2026-03-01T12:00:00") as caught:
            await read_payload(connection, event_id)
    assert caught.value.reason is Reason.PAYLOAD_PURGED


async def test_an_unknown_event_has_no_payload(engine: Engine) -> None:
    async with autocommit(engine) as connection:
        with pytest.raises(NotFoundError) as caught:
            await read_payload(connection, UUID(int=7))
    assert caught.value.reason is Reason.EVENT_NOT_FOUND


async def test_a_payload_that_is_found_is_not_forgotten_whatever_is_noted(engine: Engine) -> None:
    event_id = await put_one(engine, 20)
    async with autocommit(engine) as connection:
        await mark_purged(connection, DAY.day, ["*", "stripe"], START)
    assert await readable(engine, event_id) == [True]


async def test_the_payload_of_a_day_that_is_being_removed_can_be_read_and_held(engine: Engine) -> None:
    held, free = await put(engine, 20, count=2)
    await die_after_detaching(engine, 20)
    assert await rows(engine, "SELECT count(*) FROM webhook_payloads") == [(0,)]
    assert await readable(engine, held, free) == [True, True]
    await hold(engine, held)
    async with patient(engine) as connection:
        days = await payload_days(connection)
        assert PayloadDay(DAY.day, detached=True, detaching=False) in days
        assert await drop_day(connection, DAY, START) == 1
    assert await readable(engine, held, free) == [True, False]


async def test_a_clock_that_is_far_behind_stores_nothing_into_a_day_that_is_being_removed(engine: Engine) -> None:
    await put_one(engine, 20)
    await die_after_detaching(engine, 20)
    then = START - timedelta(days=20)
    with pytest.raises(StoreRefusedError):
        await EventStore(engine, partition_days=1).store([new_event()], received_at=then, next_retry_at=then)
    assert await rows(engine, "SELECT count(*) FROM webhook_events") == [(1,)]


async def test_what_became_unfinished_after_the_first_copy_is_kept_too(engine: Engine) -> None:
    event_id = await put_one(engine, 20, status="dead_letter")
    await die_after_detaching(engine, 20)
    await set_status(engine, "failed", event_id)
    async with patient(engine) as connection:
        await drop_day(connection, DAY, START)
    assert await readable(engine, event_id) == [True]


async def test_a_hold_waits_for_a_day_that_is_being_dropped(engine: Engine) -> None:
    event_id = await put_one(engine, 20)
    await die_after_detaching(engine, 20)
    async with patient(engine) as connection:
        async with block(connection):
            await lock_holds(connection)
            placing = asyncio.create_task(hold(engine, event_id))
            await until_one_waits(engine)
            await carry_over(connection, DAY)
            await mark_purged(connection, DAY.day, ["*"], START)
            await connection.execute(text(f"DROP TABLE {DAY.table}"))
        with pytest.raises(ConflictError, match="forgotten since"):
            await placing


@pytest.mark.parametrize("how", ["drop", "sweep", "sweep of what is retained"])
async def test_removing_waits_for_a_hold_that_is_being_placed(engine: Engine, how: str) -> None:
    event_id = await put_one(engine, 20, status="failed")

    async def remove() -> int:
        async with patient(engine) as connection:
            if how == "drop":
                return await drop_day(connection, DAY, START)
            if how == "sweep":
                return (await sweep_day(connection, DAY, ["stripe"], NIL)).purged
            return (await sweep_retained(connection, DAY.day, "stripe", NIL, now=START)).purged

    if how == "drop":
        await die_after_detaching(engine, 20)
    elif how != "sweep":
        await forget_day(engine)
    await set_status(engine, "processed", event_id)
    async with transaction(engine) as connection:
        await place_hold(connection, event_id, reason="dispute", held_by="dewi", now=START)
        removing = asyncio.create_task(remove())
        await until_one_waits(engine)
    assert await removing == 0
    assert await readable(engine, event_id) == [True]


async def until_one_waits(engine: Engine) -> None:
    async with asyncio.timeout(10):
        while await rows(engine, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != [(1,)]:
            await asyncio.sleep(0.01)


async def test_the_first_hold_stays(engine: Engine) -> None:
    event_id = await put_one(engine, 1)
    assert await hold(engine, event_id) == Hold(START, "dispute", "dewi")
    assert await hold(engine, event_id, reason="audit") == Hold(START, "dispute", "dewi")


async def test_releasing(engine: Engine) -> None:
    event_id = await put_one(engine, 1)
    await hold(engine, event_id)
    async with transaction(engine) as connection:
        assert await release_hold(connection, event_id) == Hold(START, "dispute", "dewi")
        assert await release_hold(connection, event_id) is None
        with pytest.raises(NotFoundError):
            await release_hold(connection, UUID(int=7))


async def test_a_claim_finds_the_payload_wherever_it_is(engine: Engine) -> None:
    retained = await put_one(engine, 20, status="failed")
    gone = await put_one(engine, 20, status="dead_letter")
    await forget_day(engine)
    stored = await put_one(engine, 1, status="failed")
    ids = [retained, gone, stored]
    async with autocommit(engine) as connection:
        lease_ends_at = START + timedelta(minutes=1)
        claimed = await claim_events(
            connection, ids, now=START, lease_ends_at=lease_ends_at, out_of_reach=lease_ends_at, force=True
        )
        assert len(claimed) == 3
        assert await sealed_payloads(connection, claimed) == {
            retained: payload(retained),
            stored: payload(stored),
        }


async def test_providers_that_keep_theirs_are_copied_in_batches(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenrusl.store.retention.BATCH_PAYLOADS", 2)
    kept = await put(engine, 20, provider="xendit", count=3)
    gone = await put(engine, 20, count=3)
    batches = 0
    async with patient(engine) as connection:
        await detach_day(connection, DAY)
        after: UUID | None = NIL
        while after is not None:
            after = await carry_over_providers(connection, DAY, ["xendit"], after)
            batches += 1
        assert await drop_day(connection, DAY, START) == 3
    assert batches == 4
    assert await readable(engine, *kept) == [True] * 3
    assert await readable(engine, *gone) == [False] * 3


async def test_a_sweep_removes_one_providers_payloads_of_a_day(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenrusl.store.sweeps.BATCH_PAYLOADS", 2)
    gone = await put(engine, 20, provider="xendit", count=3)
    unfinished = await put_one(engine, 20, provider="xendit", status="failed")
    others = await put(engine, 20, count=3)
    purged, after = 0, NIL
    async with patient(engine) as connection:
        while True:
            swept = await sweep_day(connection, DAY, ["xendit"], after)
            purged += swept.purged
            if swept.last is None:
                break
            assert swept.last > after
            after = swept.last
        await mark_purged(connection, DAY.day, ["xendit"], START)
    assert purged == 3
    assert await readable(engine, *gone) == [False] * 3
    assert await readable(engine, unfinished, *others) == [True] * 4
    left = await rows(engine, "SELECT webhook_event_id FROM webhook_payloads ORDER BY webhook_event_id")
    assert left == [(event_id,) for event_id in sorted(others)]


async def test_what_need_not_be_retained_any_more_is_deleted_and_marked(engine: Engine) -> None:
    done, waits, held = await put(engine, 20, status="failed", count=3)
    await forget_day(engine)
    await set_status(engine, "processed", done, held)
    await hold(engine, held)
    async with patient(engine) as connection:
        assert await retained_groups(connection) == [(DAY.day, "stripe")]
        swept = await sweep_retained(connection, DAY.day, "stripe", NIL, now=START)
        assert (swept.purged, swept.kept_unfinished, swept.kept_held) == (1, 1, 1)
        assert swept.last is not None
        rest = await sweep_retained(connection, DAY.day, "stripe", swept.last, now=START)
        assert (rest.last, rest.purged) == (None, 0)
    assert await readable(engine, done, waits, held) == [False, True, True]
    marked = await rows(engine, "SELECT id, payload_purged_at FROM webhook_events WHERE payload_purged_at IS NOT NULL")
    assert marked == [(done, START)]


async def test_a_sweep_passes_over_what_a_processor_has_locked(engine: Engine) -> None:
    event_id = await put_one(engine, 20, status="failed")
    await forget_day(engine)
    await set_status(engine, "dead_letter", event_id)
    async with transaction(engine) as processor, patient(engine) as connection:
        await processor.execute(text("SELECT FROM webhook_events WHERE id = :id FOR UPDATE"), {"id": event_id})
        assert (await sweep_retained(connection, DAY.day, "stripe", NIL, now=START)).purged == 0
    assert await readable(engine, event_id) == [True]


async def test_the_groups_of_retained_payloads(engine: Engine) -> None:
    async with patient(engine) as connection:
        assert await retained_groups(connection) == []
        for days, provider in ((20, "xendit"), (20, "stripe"), (21, "stripe"), (20, "xendit")):
            await put(engine, days, provider=provider, status="failed", count=2)
        for days in (20, 21):
            await carry_over(connection, PayloadDay(days_ago(days), detached=False, detaching=False))
        assert await retained_groups(connection) == [
            (days_ago(21), "stripe"),
            (days_ago(20), "stripe"),
            (days_ago(20), "xendit"),
        ]


@pytest.mark.parametrize("analyzed", [False, True])
async def test_copying_reads_the_backlog_and_not_the_events(engine: Engine, analyzed: bool) -> None:
    await put(engine, 20, count=3000)
    waiting = await put(engine, 20, status="failed", count=3) + await put(engine, 20, status="unconfirmed", count=3)
    if analyzed:
        async with autocommit(engine) as connection:
            await connection.execute(text("VACUUM ANALYZE webhook_events"))
            await connection.execute(text("ANALYZE webhook_payloads"))
    async with patient(engine) as connection:
        statement = _CARRY_OVER.format(events=f"{UNFINISHED} UNION {HELD}", table=DAY.table)
        plan = await explain(connection, statement.replace("%(limit)s", "1000"))
        await carry_over(connection, DAY)
    assert "webhook_events_due_idx" in plan
    assert "webhook_events_unconfirmed_" in plan  # by id or by provider
    assert "Seq Scan on webhook" not in plan
    assert "using webhook_events_provider_event_id_key" not in plan
    # By its primary key an event is only looked up for a hold.
    assert plan.count("webhook_events_pkey") == 1
    assert f"Scan using {DAY.table}_12_pkey on {DAY.table}_12" in plan
    retained = await rows(engine, "SELECT webhook_event_id FROM retained_payloads ORDER BY 1")
    assert retained == [(event_id,) for event_id in sorted(waiting)]


async def explain(connection: Connection, statement: str) -> str:
    """The plan. It is not run."""
    found = await connection.execute(text(f"EXPLAIN {statement}"))
    return "\n".join(row[0] for row in found)
