"""Daily partitions of webhook_payloads.

There is no default partition: DETACH CONCURRENTLY, by which a day is purged without making ingest wait, is
not possible beside one (PostgreSQL manual, ALTER TABLE).
"""

from datetime import date, timedelta

from sqlalchemy import Connection, text

from tenrusl.errors import Reason, UnavailableError
from tenrusl.store.engine import Engine, transaction

# Held while partitions are made; the number is this project's own, chosen at random.
_ADVISORY_LOCK = 5_120_774_368


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
        name, end = partition_name(day), day + timedelta(days=1)
        connection.execute(text(f"CREATE TABLE {name} (LIKE webhook_payloads INCLUDING ALL)"))
        connection.execute(
            text(f"ALTER TABLE webhook_payloads ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{end}')")
        )
    return len(missing)


def partition_name(day: date) -> str:
    """The name of the table that holds a day's payloads."""
    return f"webhook_payloads_{day:%Y%m%d}"


def _partition_names(connection: Connection) -> set[str]:
    rows = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'webhook_payloads'::regclass")
    )
    return set(rows.scalars())
