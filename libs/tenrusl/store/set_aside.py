"""Dead letters that get another chance, and events that never get one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store import arrays
from tenrusl.store.engine import fetch

# Locks in the order of the ids, as all do that lock several events. Tries begin anew: an event beyond its last try
# would be set aside again without one. What an old claim could still write is kept off by the key of
# payment_transitions, as everywhere.
_REQUEUE = """
    WITH chosen AS (
        SELECT id FROM webhook_events WHERE id = ANY(%(ids)s) AND status = 'dead_letter' ORDER BY id FOR UPDATE
    )
    UPDATE webhook_events AS event SET status = 'received', attempts = 0, next_retry_at = %(now)s
    FROM chosen WHERE event.id = chosen.id
    RETURNING event.id
    """
_DISCARD = """
    WITH chosen AS (
        SELECT id FROM webhook_events
        WHERE id = ANY(%(ids)s) AND status IN ('dead_letter', 'failed', 'unconfirmed') ORDER BY id FOR UPDATE
    )
    UPDATE webhook_events AS event
    SET status = 'discarded', next_retry_at = NULL, discarded_at = %(now)s, discarded_by = %(by)s,
        discard_reason = %(reason)s
    FROM chosen WHERE event.id = chosen.id
    RETURNING event.id
    """


async def requeue_dead_letters(connection: AsyncConnection, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Makes those due that are dead letters; returns their ids."""
    return sorted(row[0] for row in await fetch(connection, _REQUEUE, {"ids": arrays.uuids(ids), "now": now}))


async def discard_events(
    connection: AsyncConnection, ids: Sequence[UUID], *, by: str, reason: str, now: datetime
) -> list[UUID]:
    """Sets those aside for good that are dead letters, failed or unconfirmed; returns their ids."""
    parameters = {"ids": arrays.uuids(ids), "now": now, "by": by, "reason": reason}
    return sorted(row[0] for row in await fetch(connection, _DISCARD, parameters))
