"""Claiming events for processing, and what becomes of those that fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.payments import PaymentStatus
from tenrusl.store import arrays
from tenrusl.store.engine import fetch

# Takes those of the given events that may be taken. The lease's end stands in next_retry_at; `attempts` is
# the token of the claim: whoever writes later proves by it that no other claim came between.
_CLAIM = """
    WITH claimable AS (
        SELECT id, status, next_retry_at, last_attempt_at FROM webhook_events
        WHERE id = ANY(%(ids)s) AND (
            status = 'received'
            OR (status IN ('failed', 'processing') AND next_retry_at <= %(now)s)
            OR (%(force)s AND status IN ('failed', 'dead_letter'))
            -- no claim that begins now ends so late: a clock was wrong, and `attempts` keeps its holder off
            OR (%(force)s AND status = 'processing' AND next_retry_at > %(out_of_reach)s)
        )
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_events AS event
    SET status = 'processing', attempts = event.attempts + 1, next_retry_at = %(lease_ends_at)s,
        last_attempt_at = %(now)s, processed_at = NULL
    FROM claimable WHERE event.id = claimable.id
    -- in the order of ClaimedEvent's fields
    RETURNING event.id, event.provider, event.event_id, event.payment_status, event.payment_ref, event.provider_ref,
        event.merchant_ref, event.amount_minor, event.currency, event.occurred_at, event.received_at, event.restores,
        event.attempts, event.unauthenticated_body, event.confirmed_at IS NOT NULL,
        claimable.status = 'processing' AS lease_ended,
        CASE WHEN claimable.status = 'failed' THEN claimable.next_retry_at - claimable.last_attempt_at END
            AS previous_delay
    """

# Locks in the order of the ids, as all do that lock several events: without an order, two could wait for
# each other for ever.
# || '' keeps the planner from the partial indexes of what is unfinished. When the statistics are from a moment at which
# nothing was, it would read the whole backlog there, and compare each of its events with each of the batch.
_RELEASE = """
    WITH unapplied AS (
        SELECT event.id, given.status, given.next_retry_at, given.failure_code, given.failure_message
        FROM unnest(%(ids)s, %(attempts)s, %(statuses)s,
                    %(next_retry_ats)s, %(codes)s, %(messages)s)
            AS given (id, attempts, status, next_retry_at, failure_code, failure_message)
        JOIN webhook_events AS event
            ON event.id = given.id AND event.attempts = given.attempts AND event.status || '' = 'processing'
        ORDER BY event.id
        FOR UPDATE OF event
    )
    UPDATE webhook_events AS event
    SET status = unapplied.status, next_retry_at = unapplied.next_retry_at, failure_code = unapplied.failure_code,
        failure_message = unapplied.failure_message,
        -- the last MAX_FAILED_TRIES: one goes when one more comes
        failed_tries = CASE WHEN unapplied.failure_code IS NULL THEN event.failed_tries ELSE
            CASE WHEN jsonb_array_length(event.failed_tries) >= %(most)s THEN event.failed_tries - 0
                ELSE COALESCE(event.failed_tries, '[]') END
            || jsonb_build_array(jsonb_build_object('try', event.attempts, 'at', event.last_attempt_at,
                'failure_code', unapplied.failure_code, 'next', unapplied.next_retry_at)) END
    FROM unapplied WHERE event.id = unapplied.id
    RETURNING event.id
    """

# Undoes claims of a batch that the database failed: nobody could have processed them. The times of the claim, which is
# the only one at that moment, tell it; where its work was committed after all, nothing matches.
_UNCLAIM = """
    WITH unclaimed AS (
        SELECT id FROM webhook_events
        WHERE id = ANY(%(ids)s) AND status = 'processing' AND attempts > 0
            AND last_attempt_at = %(claimed_at)s AND next_retry_at = %(lease_ends_at)s
        ORDER BY id
        FOR UPDATE
    )
    UPDATE webhook_events AS event
    SET status = CASE WHEN event.attempts = 1 THEN 'received' ELSE 'failed' END, attempts = event.attempts - 1,
        next_retry_at = %(now)s
    FROM unclaimed WHERE event.id = unclaimed.id
    RETURNING event.id
    """

_PAYLOADS = """
    SELECT webhook_event_id, body FROM webhook_payloads
    WHERE webhook_event_id = ANY(%(ids)s) AND received_on = ANY(CAST(%(days)s AS date[]))
    UNION ALL
    SELECT webhook_event_id, body FROM retained_payloads WHERE webhook_event_id = ANY(%(ids)s)
    """


# Of one event; a policy of more tries keeps the last ones.
MAX_FAILED_TRIES = 20


class ClaimedEvent(NamedTuple):
    """An event under a lease.

    attempts: 1 or more, this try included. unauthenticated_body: no signature covers what it says; confirmed: an
    operator said that it is true. lease_ended: the try before ended without a result. previous_delay: before this try,
    if any.
    """

    id: UUID
    provider: str
    event_id: str
    payment_status: PaymentStatus | None
    payment_ref: str | None
    provider_ref: str | None
    merchant_ref: str | None
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime | None
    received_at: datetime
    restores: bool
    attempts: int
    unauthenticated_body: bool
    confirmed: bool
    lease_ended: bool
    previous_delay: timedelta | None


_STATUS = ClaimedEvent._fields.index("payment_status")
_STATUSES: dict[str | None, PaymentStatus | None] = {None: None} | {status.value: status for status in PaymentStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnappliedEvent:
    """What a claimed event becomes that was not applied.

    status: failed (next_retry_at is set), dead_letter or unconfirmed (it is not). attempts: those of the claim.
    """

    id: UUID
    attempts: int
    status: str
    next_retry_at: datetime | None = None
    failure_code: str | None = None
    failure_message: str | None = None


async def claim_events(
    connection: AsyncConnection,
    ids: Sequence[UUID],
    *,
    now: datetime,
    lease_ends_at: datetime,
    out_of_reach: datetime,
    force: bool,
) -> list[ClaimedEvent]:
    """Claims those that are received, due, or whose lease ended; with `force` all that are not done or claimed.

    out_of_reach: a lease that ends later was made by a clock that was wrong, whoever else's clock is.
    """
    parameters = {
        "ids": arrays.uuids(ids),
        "now": now,
        "lease_ends_at": lease_ends_at,
        "out_of_reach": out_of_reach,
        "force": force,
    }
    return [_claimed(row) for row in await fetch(connection, _CLAIM, parameters)]


async def release_events(connection: AsyncConnection, events: Sequence[UnappliedEvent]) -> set[UUID]:
    """Ends the claims of events that were not applied, of those whose claim still holds; returns their ids.

    What failed is noted among the event's failed tries.
    """
    released = await fetch(
        connection,
        _RELEASE,
        {
            "ids": arrays.uuids([event.id for event in events]),
            "attempts": arrays.integers([event.attempts for event in events]),
            "statuses": arrays.texts([event.status for event in events]),
            "next_retry_ats": arrays.timestamps([event.next_retry_at for event in events]),
            "codes": arrays.texts([event.failure_code for event in events]),
            "messages": arrays.texts([event.failure_message for event in events]),
            "most": MAX_FAILED_TRIES,
        },
    )
    return {row[0] for row in released}


async def unclaim_events(
    connection: AsyncConnection, ids: Sequence[UUID], *, claimed_at: datetime, lease_ends_at: datetime, now: datetime
) -> set[UUID]:
    """Takes back the claims that were made with these times and still hold; their events are due, with an attempt
    less. Returns the ids."""
    parameters = {"ids": arrays.uuids(ids), "claimed_at": claimed_at, "lease_ends_at": lease_ends_at, "now": now}
    return {row[0] for row in await fetch(connection, _UNCLAIM, parameters)}


async def sealed_payloads(connection: AsyncConnection, events: Sequence[ClaimedEvent]) -> dict[UUID, bytes]:
    """The encrypted payloads by event id; those that were purged are missing."""
    payloads = await fetch(
        connection,
        _PAYLOADS,
        {
            "ids": arrays.uuids([event.id for event in events]),
            "days": list({event.received_at.date() for event in events}),
        },
    )
    return {event_id: bytes(body) for event_id, body in payloads}


def _claimed(row: tuple[Any, ...]) -> ClaimedEvent:
    return ClaimedEvent._make((*row[:_STATUS], _STATUSES[row[_STATUS]], *row[_STATUS + 1 :]))
