"""Events with payloads of past days, for the tests of retention."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import text

from tenrusl.errors import ConflictError
from tenrusl.ids import uuid7
from tenrusl.store.engine import Engine, autocommit, patient
from tenrusl.store.event_store import EventStore
from tenrusl.store.partitions import add_partitions
from tenrusl.store.payloads import read_payload
from tenrusl.store.retention import PayloadDay, carry_over, detach_day
from tests.builders import START, new_event, rows

TODAY = START.date()
UNFINISHED = ("received", "processing", "failed", "unconfirmed")
FINISHED = ("processed", "dead_letter")


def days_ago(days: int) -> date:
    """A day before TODAY, which is that of FixedClock."""
    return TODAY - timedelta(days=days)


async def put(
    engine: Engine, days: int, *, status: str = "processed", provider: str = "stripe", count: int = 1, hour: int = 12
) -> list[UUID]:
    """Stores events received so many days ago, in this status; returns their ids. A payload is `payload(id)`."""
    received_at = datetime.combine(days_ago(days), time(hour), tzinfo=UTC)
    ids = [uuid7(received_at) for _ in range(count)]
    store = EventStore(engine, partition_days=1)
    await add_partitions(engine, received_at.date(), 1)
    batch = [new_event(id=event_id, provider=provider, sealed_payload=payload(event_id)) for event_id in ids]
    await store.store(batch, received_at=received_at, next_retry_at=received_at)
    await set_status(engine, status, *ids)
    return ids


async def put_one(engine: Engine, days: int, *, status: str = "processed", provider: str = "stripe") -> UUID:
    """The same with one event."""
    return (await put(engine, days, status=status, provider=provider))[0]


def payload(event_id: UUID) -> bytes:
    """The payload that `put` gives an event."""
    return b"payload of " + event_id.bytes


async def set_status(engine: Engine, status: str, *ids: UUID) -> None:
    """What a processor does to events."""
    async with autocommit(engine) as connection:
        await connection.execute(
            text("UPDATE webhook_events SET status = :status WHERE id = ANY(:ids)"),
            {"status": status, "ids": list(ids)},
        )


async def readable(engine: Engine, *ids: UUID) -> list[bool]:
    """Whether each payload can be read as it was stored; False when it is forgotten."""
    found = []
    async with autocommit(engine) as connection:
        for event_id in ids:
            try:
                found.append(await read_payload(connection, event_id) == payload(event_id))
            except ConflictError:
                found.append(False)
    return found


async def partition_days(engine: Engine) -> Mapping[date, bool]:
    """The days before TODAY that have a table, and whether it is a partition."""
    found = await rows(
        engine,
        """
        SELECT to_date(right(relname, 8), 'YYYYMMDD'), relispartition FROM pg_class
        WHERE relkind IN ('r', 'p') AND relname ~ '^webhook_payloads_[0-9]+$'
        """,
    )
    return {day: attached for day, attached in found if day < TODAY}


async def die_after_detaching(engine: Engine, days: int) -> None:
    """Does the first steps of removing a day, and then nothing more."""
    day = PayloadDay(days_ago(days), detached=False, detaching=False)
    async with patient(engine) as connection:
        await carry_over(connection, day)
        await detach_day(connection, day)
