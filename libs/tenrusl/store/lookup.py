"""Finding events by the ids that their providers gave them."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store import arrays
from tenrusl.store.engine import fetch

# By the unique index on (provider, event_id): one look-up for each id, however many rows there are.
_LOOK_UP = """
    SELECT event_id, id, status, attempts, deliveries, unauthenticated_body FROM webhook_events
    WHERE provider = %(provider)s AND event_id = ANY (%(event_ids)s)
    """


class FoundEvent(NamedTuple):
    """How far an event is. status: one of tables.EVENT_STATUSES."""

    event_id: str
    id: UUID
    status: str
    attempts: int
    deliveries: int
    unauthenticated_body: bool


async def look_up_events(
    connection: AsyncConnection, *, provider: str, event_ids: Sequence[str]
) -> dict[str, FoundEvent]:
    """Those of the events that are stored, by the provider's id."""
    parameters = {"provider": provider, "event_ids": arrays.texts(list(event_ids))}
    return {row[0]: FoundEvent._make(row) for row in await fetch(connection, _LOOK_UP, parameters)}
