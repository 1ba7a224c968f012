"""Payloads that are kept beyond their retention: retention_holds."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.errors import NotFoundError, Reason
from tenrusl.store.engine import fetch
from tenrusl.store.payloads import require_payload
from tenrusl.store.retention import lock_holds

_FIND = "SELECT held_at, reason, held_by FROM retention_holds WHERE webhook_event_id = %(id)s"
_PLACE = """
    INSERT INTO retention_holds (webhook_event_id, reason, held_by, held_at)
    VALUES (%(id)s, %(reason)s, %(held_by)s, %(now)s)
    """
_RELEASE = "DELETE FROM retention_holds WHERE webhook_event_id = %(id)s RETURNING held_at, reason, held_by"
_EVENT = "SELECT 1 FROM webhook_events WHERE id = %(id)s"


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when, why and by whom a payload is held."""

    held_at: datetime
    reason: str
    held_by: str


async def place_hold(
    connection: AsyncConnection, event_id: UUID, *, reason: str, held_by: str, now: datetime
) -> tuple[Hold, bool]:
    """Places a hold, unless there is one; the one that stands, and whether it is new. connection: in a transaction.

    Raises NotFoundError(EVENT_NOT_FOUND), ConflictError(PAYLOAD_PURGED).
    """
    await lock_holds(connection)
    standing = await fetch(connection, _FIND, {"id": event_id})
    if standing:
        return Hold(*standing[0]), False
    await require_payload(connection, event_id)
    await fetch(connection, _PLACE, {"id": event_id, "reason": reason, "held_by": held_by, "now": now})
    return Hold(now, reason, held_by), True


async def release_hold(connection: AsyncConnection, event_id: UUID) -> Hold | None:
    """Ends a hold and returns it, None when there was none. Raises NotFoundError(EVENT_NOT_FOUND)."""
    released = await fetch(connection, _RELEASE, {"id": event_id})
    if released:
        return Hold(*released[0])
    if not await fetch(connection, _EVENT, {"id": event_id}):
        raise NotFoundError(Reason.EVENT_NOT_FOUND, f"there is no event {event_id}")
    return None
