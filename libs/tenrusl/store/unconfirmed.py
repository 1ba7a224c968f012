"""Events that wait for an operator, since no signature covers what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Update, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.payments import PaymentStatus
from tenrusl.store.tables import webhook_events

_COLUMNS = (
    webhook_events.c.id,
    webhook_events.c.provider,
    webhook_events.c.event_id,
    webhook_events.c.event_type,
    webhook_events.c.payment_status,
    webhook_events.c.payment_ref,
    webhook_events.c.provider_ref,
    webhook_events.c.merchant_ref,
    webhook_events.c.amount_minor,
    webhook_events.c.currency,
    webhook_events.c.occurred_at,
    webhook_events.c.received_at,
    webhook_events.c.attempts,
    webhook_events.c.deliveries,
)
_IS_UNCONFIRMED = webhook_events.c.status == "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """An unconfirmed event. amount_minor: minor units of `currency`."""

    id: UUID
    provider: str
    event_id: str
    event_type: str
    payment_status: PaymentStatus
    payment_ref: str | None
    provider_ref: str | None
    merchant_ref: str | None
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime | None
    received_at: datetime
    attempts: int
    deliveries: int


async def list_unconfirmed(
    connection: AsyncConnection, *, limit: int, after: UUID | None = None, provider: str | None = None
) -> list[WaitingEvent]:
    """At most `limit` with ids above `after`, oldest first: ids are ordered by time."""
    conditions = [_IS_UNCONFIRMED]
    if after is not None:
        conditions.append(webhook_events.c.id > after)
    if provider is not None:
        conditions.append(webhook_events.c.provider == provider)
    query = select(*_COLUMNS).where(*conditions).order_by(webhook_events.c.id).limit(limit)
    return [_waiting(row) for row in (await connection.execute(query)).mappings()]


async def confirm_events(
    connection: AsyncConnection, ids: Sequence[UUID], *, confirmed_by: str, now: datetime
) -> set[UUID]:
    """Makes those due that wait for confirmation; returns their ids."""
    change = _of_waiting(ids).values(status="received", next_retry_at=now, confirmed_at=now, confirmed_by=confirmed_by)
    return set((await connection.execute(change.returning(webhook_events.c.id))).scalars())


async def refute_events(connection: AsyncConnection, ids: Sequence[UUID], *, message: str) -> set[UUID]:
    """Sets those aside that wait for confirmation; returns their ids."""
    change = _of_waiting(ids).values(status="dead_letter", failure_code="refuted", failure_message=message)
    return set((await connection.execute(change.returning(webhook_events.c.id))).scalars())


def _of_waiting(ids: Sequence[UUID]) -> Update:
    # Locks in the order of the ids, as all do that lock several events.
    waiting = (
        select(webhook_events.c.id)
        .where(webhook_events.c.id.in_(ids), _IS_UNCONFIRMED)
        .order_by(webhook_events.c.id)
        .with_for_update()
        .cte("waiting")
    )
    return update(webhook_events).where(webhook_events.c.id == waiting.c.id)


def _waiting(row: Mapping[Any, Any]) -> WaitingEvent:
    return WaitingEvent(**{**row, "payment_status": PaymentStatus(row["payment_status"])})
