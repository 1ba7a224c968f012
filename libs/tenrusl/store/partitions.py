"""Daily partitions of webhook_payloads, each with a table for every hour.

Ids are in the order of time (tenrusl.ids), so the rows of one hour lie in one table, and inserting costs the same. A
day that is removed goes hour by hour: to give back its whole space at once would keep the disk, and every commit, busy.

There is no default partition: DETACH CONCURRENTLY, by which a day is purged without making ingest wait, is
not possible beside one (PostgreSQL manual, ALTER TABLE).
"""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from sqlalchemy import Connection, text

from tenrusl.errors import Reason, UnavailableError
from tenrusl.store.engine import Engine, transaction

# Held while partitions are made; the number is this project's own, chosen at random.
_ADVISORY_LOCK = 5_120_774_368
_HOURS = 24
_HOUR_MS = 3_600_000


async def add_partitions(engine: Engine, first_day: date, days: int) -> int:
    """Makes the partitions that are missing for `days` days from `first_day` on; returns how many."""
    async with transaction(engine) as connection:
        return await connection.run_sync(add_partitions_sync, first_day, days)


def add_partitions_sync(connection: Connection, first_day: date, days: int) -> int:
    """The same, on a connection that is in a transaction. Raises UnavailableError before the first migration.

    CREATE and ATTACH instead of CREATE … PARTITION OF: attaching does not lock the parent against inserts.
    """
    if connection.scalar(text("SELECT to_regclass('webhook_payloads')")) is None:
        raise UnavailableError(Reason.DATABASE_UNAVAILABLE, "the database is not migrated")
    wanted = [first_day + timedelta(days=offset) for offset in range(days)]
    existing = _partition_names(connection)
    if all(partition_name(day) in existing for day in wanted):
        return 0
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    missing = [day for day in wanted if partition_name(day) not in _partition_names(connection)]
    for day in missing:
        connection.execute(text(";".join(_create(day))))
    return len(missing)


def partition_name(day: date) -> str:
    """The name of the table that holds a day's payloads."""
    return f"webhook_payloads_{day:%Y%m%d}"


def _create(day: date) -> list[str]:
    name, end = partition_name(day), day + timedelta(days=1)
    midnight_ms = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    # Open at both ends, so that an id of whatever time finds its table.
    bounds = ["MINVALUE", *(f"'{_first_id(midnight_ms + hour * _HOUR_MS)}'" for hour in range(1, _HOURS)), "MAXVALUE"]
    hours = [
        f"CREATE TABLE {name}_{hour:02} PARTITION OF {name} FOR VALUES FROM ({first}) TO ({beyond})"
        for hour, (first, beyond) in enumerate(pairwise(bounds))
    ]
    return [
        f"CREATE TABLE {name} (LIKE webhook_payloads INCLUDING ALL) PARTITION BY RANGE (webhook_event_id)",
        *hours,
        f"ALTER TABLE webhook_payloads ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{end}')",
    ]


def _first_id(unix_ms: int) -> UUID:
    """No UUIDv7 of this millisecond or later is smaller."""
    return UUID(int=unix_ms << 80)


def _partition_names(connection: Connection) -> set[str]:
    rows = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'webhook_payloads'::regclass")
    )
    return set(rows.scalars())
