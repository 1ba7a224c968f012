"""Forgetting payloads by whole days: a partition is detached, for which ingest waits 50 ms at the most, and dropped.

What only the owner of the tables may do is done by functions of the database (migration 0012), so that whoever purges
can read no payload.

In order, so that a run may end anywhere and the next one goes on:

1. `carry_over`: payloads that must stay are copied to retained_payloads. What is unfinished is found from the partial
   indexes, at the cost of the backlog and not of the day.
2. `detach_day`. Afterwards nobody adds to the table.
3. `carry_over` again, and `carry_over_providers`: all payloads of providers that keep theirs for longer.
4. `drop_hour` for each table of the day: once more what is held by now, the mark in purged_days, and DROP, in one
   transaction. `drop_day`: the same with what is left.

All on one connection of `engine.patient`, under `take_purge_lock`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import block, fetch, sqlstate
from tenrusl.store.partitions import partition_name

# In purged_days: of all providers.
ALL_PROVIDERS = "*"
BATCH_PAYLOADS = 1000
NIL = UUID(int=0)  # before every id
DETACH_TRIES = 30
DETACH_PAUSE_SECONDS = 1.0  # a twentieth of the time is the most that inserts may wait for
_LOCK_NOT_AVAILABLE = "55P03"

# Numbers of this project's own, chosen at random. One purge at a time, also when Redis forgets the lock of the run; and
# no hold is placed while payloads are being removed, or it would be seen too late.
_PURGE_LOCK = 4_860_217_933
_HOLDS_LOCK = 6_093_518_242

# Events whose payload must stay, as the partial indexes webhook_events_due_idx and those of unconfirmed events
# have them. A dead letter is finished: it can be tried again without its payload.
UNFINISHED = """
    SELECT id, provider FROM webhook_events WHERE status IN ('received', 'failed', 'processing')
    UNION ALL
    SELECT id, provider FROM webhook_events WHERE status = 'unconfirmed'
    """
HELD = """
    SELECT event.id, event.provider FROM retention_holds AS hold
    JOIN webhook_events AS event ON event.id = hold.webhook_event_id
    """
# The same of one row `event`.
IS_UNFINISHED = "event.status IN ('received', 'failed', 'processing', 'unconfirmed')"
IS_HELD = "EXISTS (SELECT FROM retention_holds AS hold WHERE hold.webhook_event_id = event.id)"

_DAYS = """
    SELECT to_date(right(class.relname, 8), 'YYYYMMDD'), inherits.inhrelid IS NULL, inherits.inhdetachpending
    FROM pg_class AS class
    LEFT JOIN pg_inherits AS inherits
        ON inherits.inhrelid = class.oid AND inherits.inhparent = 'webhook_payloads'::regclass
    WHERE class.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'webhook_payloads'::regclass)
        AND class.relkind IN ('r', 'p') AND class.relname ~ '^webhook_payloads_[0-9]{8}$'
    ORDER BY inherits.inhdetachpending DESC NULLS LAST, class.relname
    """
_CARRY_OVER = """
    SELECT tenrusl_retain_payloads('{table}', array_agg(id)) FROM (
        SELECT event.id, (row_number() OVER () - 1) / %(limit)s AS batch
        FROM ({events}) AS event
        JOIN {table} AS payload ON payload.webhook_event_id = event.id
    ) AS numbered GROUP BY batch
    """
_CARRY_OVER_PROVIDERS = """
    WITH span AS (
        SELECT webhook_event_id FROM {table} WHERE webhook_event_id > %(after)s
        ORDER BY webhook_event_id LIMIT %(limit)s
    )
    SELECT (SELECT webhook_event_id FROM span ORDER BY webhook_event_id DESC LIMIT 1),
        tenrusl_retain_payloads('{table}', ARRAY(
            SELECT event.id FROM span JOIN webhook_events AS event ON event.id = span.webhook_event_id
            WHERE event.provider = ANY(%(providers)s)
        ))
    """
# Ids are in the order of time: what is retained of an hour lies together.
_KEPT = """
    SELECT count(*) FROM retained_payloads AS retained
    JOIN {table} AS payload ON payload.webhook_event_id = retained.webhook_event_id
    WHERE retained.webhook_event_id >= (SELECT webhook_event_id FROM {table} ORDER BY webhook_event_id LIMIT 1)
        AND retained.webhook_event_id <= (SELECT webhook_event_id FROM {table} ORDER BY webhook_event_id DESC LIMIT 1)
    """
_MARK = """
    INSERT INTO purged_days (received_on, provider, purged_at)
    SELECT %(day)s, provider, %(now)s FROM unnest(CAST(%(providers)s AS text[])) AS provider
    ON CONFLICT (received_on, provider) DO NOTHING
    """


@dataclass(frozen=True, slots=True)
class PayloadDay:
    """A day that has a table. detached: it is not a partition any more. detaching: a run of an earlier
    release died while detaching it."""

    day: date
    detached: bool
    detaching: bool

    @property
    def table(self) -> str:
        """The table's name."""
        return partition_name(self.day)


async def take_purge_lock(connection: AsyncConnection) -> bool:
    """Whether no other purge goes on. The lock ends with the connection."""
    found = await fetch(connection, "SELECT pg_try_advisory_lock(%(key)s)", {"key": _PURGE_LOCK})
    return bool(found[0][0])


async def lock_holds(connection: AsyncConnection) -> None:
    """Until the transaction ends, nobody else places a hold or removes payloads."""
    await fetch(connection, "SELECT pg_advisory_xact_lock(%(key)s)", {"key": _HOLDS_LOCK})


async def database_now(connection: AsyncConnection) -> datetime:
    """The time of the database's clock."""
    found: list[tuple[datetime]] = await fetch(connection, "SELECT clock_timestamp()", {})
    return found[0][0]


async def payload_days(connection: AsyncConnection) -> list[PayloadDay]:
    """All days that have a table: first the one that is half detached, which stands in the way of all others, then
    partitions, oldest first, then those that are detached."""
    return [
        PayloadDay(day, detached=detached, detaching=bool(detaching))
        for day, detached, detaching in await fetch(connection, _DAYS, {})
    ]


async def purged_providers(connection: AsyncConnection, day: date) -> set[str]:
    """The providers of which a day's payloads have been removed, perhaps ALL_PROVIDERS among them."""
    statement = "SELECT provider FROM purged_days WHERE received_on = %(day)s"
    return {row[0] for row in await fetch(connection, statement, {"day": day})}


async def mark_purged(connection: AsyncConnection, day: date, providers: Sequence[str], now: datetime) -> None:
    """Notes that a day's payloads of these providers have been removed, but for what is in retained_payloads."""
    await fetch(connection, _MARK, {"day": day, "providers": list(providers), "now": now})


async def carry_over(connection: AsyncConnection, day: PayloadDay) -> None:
    """Copies the payloads of unfinished and of held events."""
    await _carry_over(connection, f"{UNFINISHED} UNION {HELD}", day.table)


async def carry_over_providers(
    connection: AsyncConnection, day: PayloadDay, providers: Sequence[str], after: UUID
) -> UUID | None:
    """Copies those of some providers from one batch in the order of the ids.

    Returns the id to go on after, None at the end of the table.
    """
    parameters = {"providers": list(providers), "after": after, "limit": BATCH_PAYLOADS}
    ((last, _copied),) = await fetch(connection, _CARRY_OVER_PROVIDERS.format(table=day.table), parameters)
    return cast("UUID | None", last)


async def retain(connection: AsyncConnection, day: PayloadDay, ids: Sequence[UUID]) -> None:
    """Copies these payloads of a day."""
    statement = "SELECT tenrusl_retain_payloads(%(table)s, %(ids)s)"
    await fetch(connection, statement, {"table": day.table, "ids": list(ids)})


async def detach_day(connection: AsyncConnection, day: PayloadDay) -> None:
    """Makes the partition a table of its own. For that moment nobody else uses any partition.

    It waits for transactions that have, and inserts wait for it: for 50 ms, after which it makes way, and tries again a
    second later. Raises ContentionError after DETACH_TRIES.
    """
    for left in reversed(range(DETACH_TRIES)):
        try:
            await fetch(connection, "SELECT tenrusl_detach_payload_day(%(day)s)", {"day": day.day})
            return
        except DBAPIError as exc:
            if sqlstate(exc) != _LOCK_NOT_AVAILABLE or not left:
                raise
        await asyncio.sleep(DETACH_PAUSE_SECONDS)


async def hour_tables(connection: AsyncConnection, day: PayloadDay) -> list[str]:
    """The tables of a day, earliest first."""
    statement = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(%(table)s) ORDER BY 1"
    return [row[0] for row in await fetch(connection, statement, {"table": day.table})]


async def drop_hour(connection: AsyncConnection, day: PayloadDay, table: str, now: datetime) -> int:
    """Drops one of the `hour_tables` of a detached day, but for what is held; returns how many payloads are gone."""
    return await _drop(connection, day, HELD, table, now)


async def drop_day(connection: AsyncConnection, day: PayloadDay, now: datetime) -> int:
    """Drops what is left of a detached day, but for what is unfinished or held; returns how many payloads are gone."""
    return await _drop(connection, day, f"{UNFINISHED} UNION {HELD}", day.table, now)


async def _carry_over(connection: AsyncConnection, events: str, table: str) -> None:
    await fetch(connection, _CARRY_OVER.format(events=events, table=table), {"limit": BATCH_PAYLOADS})


async def _drop(connection: AsyncConnection, day: PayloadDay, staying: str, table: str, now: datetime) -> int:
    total = (await fetch(connection, f"SELECT count(*) FROM {table}", {}))[0][0]  # noqa: S608 - a table of ours
    async with block(connection):
        await lock_holds(connection)
        await _carry_over(connection, staying, table)
        kept = (await fetch(connection, _KEPT.format(table=table), {}))[0][0]
        await mark_purged(connection, day.day, [ALL_PROVIDERS], now)
        await fetch(connection, "SELECT tenrusl_drop_payload_table(%(table)s)", {"table": table})
    return int(total - kept)
