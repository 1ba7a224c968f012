"""Where an event's payload is, or since when it is gone.

Removing a day marks none of its million events: whether a payload is gone follows from purged_days and from what is
retained. Here is the only place that says so.
"""

from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.errors import ConflictError, NotFoundError, Reason
from tenrusl.store.engine import fetch, sqlstate
from tenrusl.store.partitions import partition_name
from tenrusl.store.retention import ALL_PROVIDERS

_UNDEFINED_TABLE = "42P01"

_FACTS = """
    SELECT CAST(event.received_at AS date), retained.{column}, COALESCE(event.payload_purged_at, (
        SELECT min(purged_at) FROM purged_days
        WHERE received_on = CAST(event.received_at AS date) AND provider IN (event.provider, %(all)s)
    ))
    FROM webhook_events AS event
    LEFT JOIN retained_payloads AS retained ON retained.webhook_event_id = event.id
    WHERE event.id = %(id)s
    """
_OF_DAY = "SELECT {column} FROM {table} WHERE webhook_event_id = %(id)s AND received_on = %(day)s"


async def read_payload(connection: AsyncConnection, event_id: UUID) -> bytes:
    """The sealed payload of an event.

    connection: of `engine.autocommit`, or in a transaction under `retention.lock_holds`.
    Raises NotFoundError(EVENT_NOT_FOUND), ConflictError(PAYLOAD_PURGED), which says since when.
    """
    return bytes(await _find(connection, event_id, "body"))


async def require_payload(connection: AsyncConnection, event_id: UUID) -> None:
    """Raises as `read_payload` does when there is none, and needs no right to read it."""
    await _find(connection, event_id, "webhook_event_id")


async def _find(connection: AsyncConnection, event_id: UUID, column: str) -> Any:
    first = await _look(connection, event_id, column)
    # Looked for again: a purge may have moved or removed it between two of the statements.
    found = first if first.value is not None or first.purged_at else await _look(connection, event_id, column)
    if found.value is not None:
        return found.value
    since = f"since {found.purged_at}" if found.purged_at else "and nobody noted since when"
    raise ConflictError(Reason.PAYLOAD_PURGED, f"the payload of event {event_id} is forgotten {since}")


class _Found(NamedTuple):
    value: Any
    purged_at: str = ""


async def _look(connection: AsyncConnection, event_id: UUID, column: str) -> _Found:
    facts = await fetch(connection, _FACTS.format(column=column), {"id": event_id, "all": ALL_PROVIDERS})
    if not facts:
        raise NotFoundError(Reason.EVENT_NOT_FOUND, f"there is no event {event_id}")
    day, value, purged_at = facts[0]
    if value is None:
        value = await _of_day(connection, "webhook_payloads", event_id, day, column)
    if value is None:
        # A day that is being removed is no partition any more, and some of its hours still have their tables.
        table = partition_name(day)
        if (await fetch(connection, "SELECT to_regclass(%(table)s) IS NOT NULL", {"table": table}))[0][0]:
            value = await _of_day(connection, table, event_id, day, column)
    return _Found(value, "" if purged_at is None else purged_at.isoformat(timespec="seconds"))


async def _of_day(connection: AsyncConnection, table: str, event_id: UUID, day: date, column: str) -> Any:
    try:
        found = await fetch(connection, _OF_DAY.format(table=table, column=column), {"id": event_id, "day": day})
    except DBAPIError as exc:
        if sqlstate(exc) == _UNDEFINED_TABLE:
            return None
        raise
    return found[0][0] if found else None
