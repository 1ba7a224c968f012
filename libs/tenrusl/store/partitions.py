"""Daily partitions of webhook_payloads, each with a table for every hour.

Ids are in the order of time (tenrusl.ids), so the rows of one hour lie in one table, and inserting costs the same. A
day that is removed goes hour by hour: to give back its whole space at once would keep the disk, and every commit, busy.

There is no default partition: to attach a day beside one, all that is in it would have to be read (PostgreSQL manual,
ALTER TABLE), and a day that is missing would go unnoticed.
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
    """The same, on a connection that is in a transaction. Raises UnavailableError before the first migration."""
    if connection.scalar(text("SELECT to_regclass('webhook_payloads')")) is None:
        raise UnavailableError(Reason.DATABASE_UNAVAILABLE, "the database is not migrated")
    wanted = [first_day + timedelta(days=offset) for offset in range(days)]
    existing = _partition_names(connection)
    if all(partition_name(day) in existing for day in wanted):
        return 0
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    # As the owner of the tables, which ingress and the scheduler need not be: migration 0012 has the function.
    made = [connection.scalar(text("SELECT tenrusl_add_payload_day(:day)"), {"day": day}) for day in wanted]
    return made.count(True)


def partition_name(day: date) -> str:
    """The name of the table that holds a day's payloads."""
    return f"webhook_payloads_{day:%Y%m%d}"


def _partition_names(connection: Connection) -> set[str]:
    rows = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'webhook_payloads'::regclass")
    )
    return set(rows.scalars())
