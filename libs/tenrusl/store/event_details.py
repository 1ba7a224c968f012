"""Events with all that is known about them, for operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store import arrays
from tenrusl.store.engine import fetch

_READ = """
    SELECT id, provider, event_id, event_type, status, payment_status, payment_ref, provider_ref, merchant_ref,
        amount_minor, currency, occurred_at, received_at, attempts, deliveries, next_retry_at, last_attempt_at,
        processed_at, failure_code, failure_message, request_id, source_ip, headers, signature_version, payload_sha256,
        payload_bytes, payload_content_type, unauthenticated_body, confirmed_at, confirmed_by, discarded_at,
        discarded_by, discard_reason, failed_tries
    FROM webhook_events WHERE id = ANY(%(ids)s)
    """
_TRANSITION = """
    SELECT payment_id, from_status, to_status, disposition, created_at FROM payment_transitions
    WHERE webhook_event_id = %(id)s
    """
_TRANSITIONS = """
    SELECT webhook_event_id, payment_id, from_status, to_status, reported_status, disposition, occurred_at, created_at
    FROM payment_transitions WHERE payment_id = %(id)s ORDER BY occurred_at DESC, webhook_event_id DESC
    LIMIT %(limit)s
    """


class EventDetails(NamedTuple):
    """A row of webhook_events. amount_minor: minor units of `currency`."""

    id: UUID
    provider: str
    event_id: str
    event_type: str
    status: str
    payment_status: str | None
    payment_ref: str | None
    provider_ref: str | None
    merchant_ref: str | None
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime | None
    received_at: datetime
    attempts: int
    deliveries: int
    next_retry_at: datetime | None
    last_attempt_at: datetime | None
    processed_at: datetime | None
    failure_code: str | None
    failure_message: str | None
    request_id: str
    source_ip: str
    headers: Mapping[str, Any]
    signature_version: str
    payload_sha256: bytes
    payload_bytes: int
    payload_content_type: str | None
    unauthenticated_body: bool
    confirmed_at: datetime | None
    confirmed_by: str | None
    discarded_at: datetime | None
    discarded_by: str | None
    discard_reason: str | None
    failed_tries: Sequence[Mapping[str, Any]] | None

    def failures(self) -> list[FailedTry]:
        """The last tries that failed, oldest first."""
        return [
            FailedTry(
                number=item["try"],
                at=datetime.fromisoformat(item["at"]),
                failure_code=item["failure_code"],
                next_at=datetime.fromisoformat(item["next"]) if item["next"] else None,
            )
            for item in self.failed_tries or ()
        ]


class FailedTry(NamedTuple):
    """A try that failed. number: from 1, anew after each requeue. next_at: when the next was due; None after the
    last."""

    number: int
    at: datetime
    failure_code: str
    next_at: datetime | None


class Effect(NamedTuple):
    """What an event did to its payment."""

    payment_id: UUID
    from_status: str | None
    to_status: str
    disposition: str
    at: datetime


class Transition(NamedTuple):
    """What one event did to a payment."""

    event_id: UUID
    payment_id: UUID
    from_status: str | None
    to_status: str
    reported_status: str
    disposition: str
    occurred_at: datetime
    at: datetime


async def read_events(connection: AsyncConnection, ids: Sequence[UUID]) -> list[EventDetails]:
    """Those of the events that there are, in the order of the ids given."""
    found = {row[0]: EventDetails._make(row) for row in await fetch(connection, _READ, {"ids": arrays.uuids(ids)})}
    return [found[event_id] for event_id in ids if event_id in found]


async def effect_of(connection: AsyncConnection, event_id: UUID) -> Effect | None:
    """What the event did, None when it did nothing to a payment."""
    found = await fetch(connection, _TRANSITION, {"id": event_id})
    return Effect._make(found[0]) if found else None


async def transitions_of(connection: AsyncConnection, payment_id: UUID, *, limit: int) -> list[Transition]:
    """What events did to a payment, oldest first; when there are more than `limit`, those that happened last."""
    found = await fetch(connection, _TRANSITIONS, {"id": payment_id, "limit": limit})
    return [Transition._make(row) for row in reversed(found)]
