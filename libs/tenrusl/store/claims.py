"""Claiming events for processing, and what becomes of those that fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.payments import PaymentStatus
from tenrusl.store import arrays

# Takes those of the given events that may be taken. The lease's end stands in next_retry_at; `attempts` is
# the token of the claim: whoever writes later proves by it that no other claim came between.
_CLAIM = text(
    """
    WITH claimable AS (
        SELECT id, status, next_retry_at, last_attempt_at FROM webhook_events
        WHERE id = ANY(:ids) AND (
            status = 'received'
            OR (status IN ('failed', 'processing') AND next_retry_at <= :now)
            OR (:force AND status IN ('failed', 'dead_letter'))
        )
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_events AS event
    SET status = 'processing', attempts = event.attempts + 1, next_retry_at = :lease_ends_at,
        last_attempt_at = :now, processed_at = NULL
    FROM claimable WHERE event.id = claimable.id
    RETURNING event.id, event.provider, event.event_id, event.payment_status, event.payment_ref, event.provider_ref,
        event.merchant_ref, event.amount_minor, event.currency, event.occurred_at, event.received_at, event.restores,
        event.attempts,
        CASE WHEN claimable.status = 'failed' THEN claimable.next_retry_at - claimable.last_attempt_at END
            AS previous_delay
    """
)

# Locks in the order of the ids, as all do that lock several events: without an order, two could wait for
# each other for ever.
_FAIL = text(
    """
    WITH failure AS (
        SELECT event.id, given.status, given.next_retry_at, given.failure_code, given.failure_message
        FROM unnest(:ids, :attempts, :statuses,
                    :next_retry_ats, :codes, :messages)
            AS given (id, attempts, status, next_retry_at, failure_code, failure_message)
        JOIN webhook_events AS event
            ON event.id = given.id AND event.attempts = given.attempts AND event.status = 'processing'
        ORDER BY event.id
        FOR UPDATE OF event
    )
    UPDATE webhook_events AS event
    SET status = failure.status, next_retry_at = failure.next_retry_at, failure_code = failure.failure_code,
        failure_message = failure.failure_message
    FROM failure WHERE event.id = failure.id
    RETURNING event.id
    """
)

_PAYLOADS = text(
    """
    SELECT webhook_event_id, body FROM webhook_payloads
    WHERE webhook_event_id = ANY(:ids) AND received_on = ANY(CAST(:days AS date[]))
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedEvent:
    """An event under a lease. attempts: 1 or more, this try included; previous_delay: before this try, if any."""

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
    previous_delay: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedEvent:
    """What a claimed event becomes when its try failed. next_retry_at None: a dead letter."""

    id: UUID
    attempts: int
    next_retry_at: datetime | None
    failure_code: str
    failure_message: str

    @property
    def status(self) -> str:
        return "dead_letter" if self.next_retry_at is None else "failed"


async def claim_events(
    connection: AsyncConnection, ids: Sequence[UUID], *, now: datetime, lease_ends_at: datetime, force: bool
) -> list[ClaimedEvent]:
    """Claims those that are received, due, or whose lease ended; with `force` all that are not done or claimed."""
    result = await connection.execute(
        _CLAIM, {"ids": arrays.uuids(ids), "now": now, "lease_ends_at": lease_ends_at, "force": force}
    )
    return [_claimed(row) for row in result]


async def fail_events(connection: AsyncConnection, failures: Sequence[FailedEvent]) -> set[UUID]:
    """Writes failures of events whose claim still holds; returns their ids."""
    result = await connection.execute(
        _FAIL,
        {
            "ids": arrays.uuids([failure.id for failure in failures]),
            "attempts": arrays.integers([failure.attempts for failure in failures]),
            "statuses": arrays.texts([failure.status for failure in failures]),
            "next_retry_ats": arrays.timestamps([failure.next_retry_at for failure in failures]),
            "codes": arrays.texts([failure.failure_code for failure in failures]),
            "messages": arrays.texts([failure.failure_message for failure in failures]),
        },
    )
    return set(result.scalars())


async def sealed_payloads(connection: AsyncConnection, events: Sequence[ClaimedEvent]) -> dict[UUID, bytes]:
    """The encrypted payloads by event id; those that were purged are missing."""
    result = await connection.execute(
        _PAYLOADS,
        {
            "ids": arrays.uuids([event.id for event in events]),
            "days": list({event.received_at.date() for event in events}),
        },
    )
    return {row.webhook_event_id: bytes(row.body) for row in result}


def _claimed(row: Row[tuple[object, ...]]) -> ClaimedEvent:
    values = dict(row._mapping)
    status = values["payment_status"]
    values["payment_status"] = None if status is None else PaymentStatus(status)
    return ClaimedEvent(**values)
