"""What a purge would remove, by the predicates of `retention` and `sweeps`. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch
from tenrusl.store.retention import HELD, IS_HELD, IS_UNFINISHED, UNFINISHED, PayloadDay

# Everything of the day but what stays: copied already, to be copied, or of a provider that keeps it.
_DROP = f"""
    WITH staying AS (
        SELECT kept.id FROM (
            SELECT id FROM ({UNFINISHED}) AS unfinished
            UNION SELECT id FROM ({HELD}) AS held
            UNION SELECT webhook_event_id FROM retained_payloads WHERE received_on = %(day)s
            {{keepers}}
        ) AS kept JOIN {{table}} AS payload ON payload.webhook_event_id = kept.id
    ), late AS (
        SELECT {IS_UNFINISHED} AS unfinished
        FROM ({UNFINISHED} UNION {HELD}) AS kept
        JOIN {{table}} AS payload ON payload.webhook_event_id = kept.id
        JOIN webhook_events AS event ON event.id = kept.id
        WHERE event.provider <> ALL(%(providers)s) AND NOT EXISTS (
            SELECT FROM retained_payloads AS copy WHERE copy.webhook_event_id = kept.id
        )
    )
    SELECT
        (SELECT count(*) FROM {{table}}) - (SELECT count(*) FROM staying),
        (SELECT count(*) FROM late WHERE unfinished),
        (SELECT count(*) FROM late WHERE NOT unfinished)
    """  # noqa: S608 - made of constants
_KEEPERS = """
    UNION SELECT event.id FROM {table} AS payload
    JOIN webhook_events AS event ON event.id = payload.webhook_event_id
    WHERE event.provider = ANY(%(providers)s)
    """
_COUNTS = f"""
    count(*) FILTER (WHERE NOT {IS_UNFINISHED} AND NOT {IS_HELD}),
    count(*) FILTER (WHERE {IS_UNFINISHED}),
    count(*) FILTER (WHERE {IS_HELD} AND NOT {IS_UNFINISHED})
    """
_SWEEP_DAY = f"""
    SELECT {_COUNTS} FROM {{table}} AS payload JOIN webhook_events AS event ON event.id = payload.webhook_event_id
    WHERE event.provider = ANY(%(providers)s) AND NOT EXISTS (
        SELECT FROM retained_payloads AS copy WHERE copy.webhook_event_id = payload.webhook_event_id
    )
    """  # noqa: S608 - made of constants
_SWEEP_RETAINED = f"""
    SELECT {_COUNTS}
    FROM retained_payloads AS payload JOIN webhook_events AS event ON event.id = payload.webhook_event_id
    WHERE payload.received_on = %(day)s AND payload.provider = %(provider)s
    """  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Preview:
    """Payloads that would go and, past the retention of their provider, stay."""

    purged: int
    kept_unfinished: int
    kept_held: int


async def preview_drop(connection: AsyncConnection, day: PayloadDay, keepers: Sequence[str]) -> Preview:
    """Of dropping a day, copies in retained_payloads left out. keepers: providers whose retention is not over."""
    statement = _DROP.format(table=day.table, keepers=_KEEPERS.format(table=day.table) if keepers else "")
    return await _preview(connection, statement, {"day": day.day, "providers": list(keepers)})


async def preview_day_sweep(connection: AsyncConnection, day: PayloadDay, providers: Sequence[str]) -> Preview:
    """Of sweeping a day, copies in retained_payloads left out."""
    return await _preview(connection, _SWEEP_DAY.format(table=day.table), {"providers": list(providers)})


async def preview_retained_sweep(connection: AsyncConnection, day: date, provider: str) -> Preview:
    """Of sweeping what is retained of a day and provider past its retention."""
    return await _preview(connection, _SWEEP_RETAINED, {"day": day, "provider": provider})


async def _preview(connection: AsyncConnection, statement: str, parameters: dict[str, object]) -> Preview:
    return Preview(*(await fetch(connection, statement, parameters))[0])
