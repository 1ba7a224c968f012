"""Forgetting payloads row by row: of providers with a shorter retention than others, and in retained_payloads.

On a connection of `engine.patient`, under `retention.take_purge_lock`, in batches in the order of the ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import block, fetch
from tenrusl.store.retention import BATCH_PAYLOADS, IS_HELD, IS_UNFINISHED, PayloadDay, lock_holds, retain

# Of a day, those of some providers. copied: by a run that died before it removed the row.
_SPAN = f"""
    WITH span AS (
        SELECT webhook_event_id FROM {{table}} WHERE webhook_event_id > %(after)s
        ORDER BY webhook_event_id LIMIT %(limit)s
    ), taken AS (
        SELECT event.id, {IS_UNFINISHED} OR {IS_HELD} AS stays,
            EXISTS (SELECT FROM retained_payloads AS copy WHERE copy.webhook_event_id = event.id) AS copied
        FROM span JOIN webhook_events AS event ON event.id = span.webhook_event_id
        WHERE event.provider = ANY(%(providers)s)
    )
    SELECT
        (SELECT webhook_event_id FROM span ORDER BY webhook_event_id DESC LIMIT 1),
        ARRAY(SELECT id FROM taken WHERE stays),
        ARRAY(SELECT id FROM taken WHERE NOT stays),
        (SELECT count(*) FROM taken WHERE NOT stays AND NOT copied)
    """  # noqa: S608 - made of constants
_REMOVE = "DELETE FROM {table} WHERE webhook_event_id = ANY(%(ids)s)"

# The days and providers that have retained payloads, one index look-up each.
_GROUPS = """
    WITH RECURSIVE groups (received_on, provider) AS (
        (SELECT received_on, provider FROM retained_payloads ORDER BY received_on, provider LIMIT 1)
        UNION ALL
        SELECT next.received_on, next.provider FROM groups CROSS JOIN LATERAL (
            SELECT received_on, provider FROM retained_payloads AS retained
            WHERE (retained.received_on, retained.provider) > (groups.received_on, groups.provider)
            ORDER BY received_on, provider LIMIT 1
        ) AS next
    )
    SELECT received_on, provider FROM groups
    """

# The events are locked too: one that is being claimed must not lose its payload this moment.
_SWEEP_RETAINED = f"""
    WITH span AS (
        SELECT webhook_event_id FROM retained_payloads
        WHERE received_on = %(day)s AND provider = %(provider)s AND webhook_event_id > %(after)s
        ORDER BY webhook_event_id LIMIT %(limit)s
    ), gone AS (
        SELECT event.id FROM span
        JOIN webhook_events AS event ON event.id = span.webhook_event_id
        WHERE NOT {IS_UNFINISHED} AND NOT {IS_HELD}
        ORDER BY event.id
        FOR UPDATE OF event SKIP LOCKED
    ), removed AS (
        DELETE FROM retained_payloads AS payload USING gone WHERE payload.webhook_event_id = gone.id
    ), marked AS (
        UPDATE webhook_events AS event SET payload_purged_at = %(now)s FROM gone WHERE event.id = gone.id
    ), judged AS (
        SELECT {IS_UNFINISHED} AS unfinished, {IS_HELD} AS held
        FROM span JOIN webhook_events AS event ON event.id = span.webhook_event_id
    )
    SELECT
        (SELECT webhook_event_id FROM span ORDER BY webhook_event_id DESC LIMIT 1),
        (SELECT count(*) FROM gone),
        (SELECT count(*) FROM judged WHERE unfinished),
        (SELECT count(*) FROM judged WHERE held AND NOT unfinished)
    """  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Swept:
    """One batch. last: the id to go on after, None at the end. kept_held: those that are not unfinished as well."""

    last: UUID | None
    purged: int
    kept_unfinished: int = 0
    kept_held: int = 0


async def sweep_day(connection: AsyncConnection, day: PayloadDay, providers: Sequence[str], after: UUID) -> Swept:
    """Removes a day's payloads of these providers, one batch; those that must stay are moved to retained_payloads."""
    parameters = {"providers": list(providers), "after": after, "limit": BATCH_PAYLOADS}
    async with block(connection):
        await lock_holds(connection)
        last, staying, going, purged = (await fetch(connection, _SPAN.format(table=day.table), parameters))[0]
        if staying or going:
            await retain(connection, day, staying)
            await fetch(connection, _REMOVE.format(table=day.table), {"ids": staying + going})
    return Swept(last, purged)


async def retained_groups(connection: AsyncConnection) -> list[tuple[date, str]]:
    """The days and providers of which payloads are retained."""
    return [(day, provider) for day, provider in await fetch(connection, _GROUPS, {})]


async def sweep_retained(connection: AsyncConnection, day: date, provider: str, after: UUID, *, now: datetime) -> Swept:
    """Deletes what need not be retained any more of a day and provider past its retention, one batch."""
    parameters = {"day": day, "provider": provider, "after": after, "limit": BATCH_PAYLOADS, "now": now}
    async with block(connection):
        await lock_holds(connection)
        found = await fetch(connection, _SWEEP_RETAINED, parameters)
    return Swept(*found[0])
