"""Finding events that are due, at the cost of what is found, whatever lies behind it.

Due: `received` or `failed` with next_retry_at passed, or `processing` whose lease, which ends there too, has. One
partial index (provider, next_retry_at, id) answers all; the conditions below repeat its predicate word for word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch

UNFINISHED = "status IN ('received', 'failed', 'processing')"


def providers_with(condition: str) -> str:
    """The recursive part of a WITH: `providers`, those that have such events and one NULL. One look-up for each, in
    an index that begins with the provider and has this condition."""
    return f"""
    RECURSIVE providers (provider) AS (
        (SELECT provider FROM webhook_events WHERE {condition} ORDER BY provider LIMIT 1)
        UNION ALL
        SELECT (
            SELECT next.provider FROM webhook_events AS next
            WHERE {condition} AND next.provider > providers.provider ORDER BY next.provider LIMIT 1
        )
        FROM providers WHERE providers.provider IS NOT NULL
    )"""  # noqa: S608 - of constants


PROVIDERS = providers_with(UNFINISHED)
_WANTED = "providers.provider IS NOT NULL AND (%(provider)s = '' OR providers.provider = %(provider)s)"

# In turn, one of each provider: the flood of one provider does not starve the others.
_DUE = f"""
    WITH {PROVIDERS}
    SELECT due.id FROM providers CROSS JOIN LATERAL (
        SELECT id, next_retry_at, row_number() OVER (ORDER BY next_retry_at, id) AS turn
        FROM webhook_events
        WHERE {UNFINISHED} AND provider = providers.provider AND next_retry_at <= %(due_by)s
        ORDER BY next_retry_at, id LIMIT %(limit)s
    ) AS due
    WHERE {_WANTED}
    ORDER BY due.turn, due.next_retry_at LIMIT %(limit)s
    """  # noqa: S608 - made of constants

# Those that failed and are not due as well; not those that were tried since the run began.
_FORCED = f"""
    WITH {PROVIDERS}
    SELECT due.id FROM providers CROSS JOIN LATERAL (
        SELECT id, next_retry_at, row_number() OVER (ORDER BY next_retry_at, id) AS turn
        FROM webhook_events
        WHERE {UNFINISHED} AND provider = providers.provider
            AND (status <> 'processing' OR next_retry_at <= %(began_at)s)
            AND (last_attempt_at IS NULL OR last_attempt_at < %(began_at)s)
        ORDER BY next_retry_at, id LIMIT %(limit)s
    ) AS due
    WHERE {_WANTED}
    ORDER BY due.turn, due.next_retry_at LIMIT %(limit)s
    """  # noqa: S608 - made of constants

_BACKLOG = f"""
    WITH {PROVIDERS}
    SELECT provider,
        (SELECT count(*) FROM (
            SELECT FROM webhook_events AS event
            WHERE {UNFINISHED} AND event.provider = providers.provider AND event.next_retry_at <= %(now)s
            LIMIT %(most)s
        ) AS due),
        (SELECT event.next_retry_at FROM webhook_events AS event
         WHERE {UNFINISHED} AND event.provider = providers.provider AND event.next_retry_at <= %(now)s
         ORDER BY event.next_retry_at LIMIT 1)
    FROM providers WHERE provider IS NOT NULL
    """  # noqa: S608 - made of constants

_STRANDED = f"""
    WITH {PROVIDERS}
    SELECT event.id, event.provider, event.status, event.next_retry_at
    FROM providers CROSS JOIN LATERAL (
        SELECT id, provider, status, next_retry_at FROM webhook_events
        WHERE {UNFINISHED} AND provider = providers.provider AND next_retry_at > %(beyond)s
        ORDER BY next_retry_at LIMIT %(limit)s
    ) AS event
    WHERE providers.provider IS NOT NULL
    ORDER BY event.id LIMIT %(limit)s
    """  # noqa: S608 - made of constants

# By the index of leases alone, whatever else is due.
_STALE_LEASES = """
    SELECT count(*) FROM (
        SELECT FROM webhook_events WHERE status = 'processing' AND next_retry_at <= %(now)s
        ORDER BY next_retry_at LIMIT %(limit)s
    ) AS stale
    """

_ONE = "SELECT provider FROM webhook_events WHERE id = %(id)s"

# A backlog is counted up to this for each provider: more would scale nothing further.
MAX_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class ProviderBacklog:
    """due: events, counted up to MAX_COUNTED. oldest: since when the one is due that is due longest; None for none."""

    provider: str
    due: int
    oldest: datetime | None

    def oldest_seconds(self, now: datetime) -> float:
        """For how many seconds the oldest is due, 0 for none."""
        return 0.0 if self.oldest is None else max(0.0, (now - self.oldest) / timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class StrandedEvent:
    """An event that is not due before `next_retry_at`, which lies too far away."""

    id: UUID
    provider: str
    status: str
    next_retry_at: datetime


async def due_events(connection: AsyncConnection, *, due_by: datetime, limit: int, provider: str = "") -> list[UUID]:
    """At most `limit` ids of events that were due at `due_by`: the providers in turn, of each the longest due first."""
    found = await fetch(connection, _DUE, {"due_by": due_by, "limit": limit, "provider": provider})
    return [row[0] for row in found]


async def unfinished_events(
    connection: AsyncConnection, *, began_at: datetime, limit: int, provider: str = ""
) -> list[UUID]:
    """The same of all that is unfinished, due or not, and neither under a lease nor tried since `began_at`."""
    found = await fetch(connection, _FORCED, {"began_at": began_at, "limit": limit, "provider": provider})
    return [row[0] for row in found]


async def provider_of(connection: AsyncConnection, event_id: UUID) -> str | None:
    """The provider of an event, None when there is no such event."""
    found = await fetch(connection, _ONE, {"id": event_id})
    return found[0][0] if found else None


async def backlog(connection: AsyncConnection, now: datetime) -> Sequence[ProviderBacklog]:
    """What is due, by provider; providers without unfinished events are left out."""
    found = await fetch(connection, _BACKLOG, {"now": now, "most": MAX_COUNTED})
    return [ProviderBacklog(*row) for row in found]


async def stranded_events(connection: AsyncConnection, *, beyond: datetime, limit: int) -> list[StrandedEvent]:
    """At most `limit` events that are not due before `beyond`, oldest first."""
    found = await fetch(connection, _STRANDED, {"beyond": beyond, "limit": limit})
    return [StrandedEvent(*row) for row in found]


async def count_stale_leases(connection: AsyncConnection, *, now: datetime, limit: int) -> int:
    """Events whose processing ended without a result, counted up to `limit`."""
    found = await fetch(connection, _STALE_LEASES, {"now": now, "limit": limit})
    return int(found[0][0])
