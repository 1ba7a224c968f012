"""Events are stored once, with their payloads, in one commit."""

import asyncio
from datetime import timedelta

import pytest

from tenrusl.ids import uuid7
from tenrusl.store.engine import Engine
from tenrusl.store.event_store import EventStore, StoreRefusedError, StoreResult
from tenrusl.store.events import NewEvent
from tests.builders import START, new_event, rows


@pytest.fixture
def store(engine: Engine) -> EventStore:
    return EventStore(engine, partition_days=2)


async def put(store: EventStore, *events: NewEvent) -> StoreResult:
    batch = sorted(events, key=lambda event: (event.provider, event.event_id))
    return await store.store(batch, received_at=START, next_retry_at=START + timedelta(seconds=10))


async def test_a_new_event_is_stored_with_its_payload(engine: Engine, store: EventStore) -> None:
    event = new_event(headers='{"user-agent": "x"}', sealed_payload=b"\x00\xff sealed")
    result = await put(store, event)
    assert result == StoreResult(fresh={("stripe", event.event_id): event.id}, known={}, untried=[])
    assert await rows(
        engine, "SELECT id, status, attempts, deliveries, headers->>'user-agent' FROM webhook_events"
    ) == [(event.id, "received", 0, 1, "x")]
    assert await rows(engine, "SELECT webhook_event_id, received_on::text, body FROM webhook_payloads") == [
        (event.id, "2026-03-01", b"\x00\xff sealed")
    ]


async def test_a_second_delivery_only_counts(engine: Engine, store: EventStore) -> None:
    first = new_event()
    await put(store, first)
    again = new_event(event_id=first.event_id, deliveries=3, sealed_payload=b"other")
    fresh = new_event()
    result = await put(store, again, fresh)
    assert result.known == {("stripe", first.event_id): first.id}
    assert result.fresh == {("stripe", fresh.event_id): fresh.id}
    assert await rows(engine, f"SELECT deliveries FROM webhook_events WHERE id = '{first.id}'") == [(4,)]
    assert await rows(engine, "SELECT count(*) FROM webhook_payloads") == [(2,)]


async def test_the_same_id_at_two_providers_is_two_events(store: EventStore) -> None:
    result = await put(store, new_event(event_id="1"), new_event(event_id="1", provider="xendit"))
    assert len(result.fresh) == 2


async def test_batches_with_the_same_events_at_once_store_each_once(engine: Engine, store: EventStore) -> None:
    ids = [f"evt_{number}" for number in range(40)]
    batches = [[new_event(event_id=event_id) for event_id in ids[start : start + 20]] for start in range(21)]
    results = await asyncio.gather(*(put(store, *batch) for batch in batches))
    fresh = [key for result in results for key in result.fresh]
    assert sorted(fresh) == sorted(("stripe", event_id) for event_id in ids)
    total = sum(len(batch) for batch in batches)
    assert await rows(engine, "SELECT count(*), sum(deliveries) FROM webhook_events") == [(40, total)]
    assert await rows(engine, "SELECT count(*) FROM webhook_payloads") == [(40,)]


async def test_a_day_without_partition_gets_one(engine: Engine, store: EventStore) -> None:
    # START lies far before the partitions that the migration made.
    await put(store, new_event())
    made = await rows(engine, "SELECT to_regclass('webhook_payloads_20260301') IS NOT NULL")
    assert made == [(True,)]


async def test_the_payloads_of_an_hour_lie_together(engine: Engine, store: EventStore) -> None:
    times = [START.replace(hour=hour, minute=minute) for hour in (0, 11, 23) for minute in (0, 59)]
    for time in (START - timedelta(days=9), *times, START + timedelta(days=9)):
        await put(store, new_event(id=uuid7(time)))
    found = await rows(
        engine, "SELECT right(tableoid::regclass::text, 2) FROM webhook_payloads ORDER BY webhook_event_id"
    )
    # Ids of other days, whose clock was another, find a table too.
    assert [hour for (hour,) in found] == ["00", "00", "00", "11", "11", "23", "23", "23"]


async def test_partitions_made_by_several_at_once_are_made_once(engine: Engine, store: EventStore) -> None:
    made = await asyncio.gather(*(store.prepare_partitions(START) for _ in range(6)))
    assert sorted(made) == [0, 0, 0, 0, 0, 3]


async def test_what_the_database_refuses_leaves_nothing_behind(engine: Engine, store: EventStore) -> None:
    with pytest.raises(StoreRefusedError):
        await put(store, new_event(), new_event(amount_minor=2**70))
    assert await rows(engine, "SELECT count(*) FROM webhook_events") == [(0,)]
    assert await rows(engine, "SELECT count(*) FROM webhook_payloads") == [(0,)]
