"""Events that wait for an operator, since no signature covers what they say."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Update, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.tables import webhook_events

_IS_UNCONFIRMED = webhook_events.c.status == "unconfirmed"


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
