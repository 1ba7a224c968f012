"""The statements of the one transaction in which events change their payments."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.payments import Disposition, PaymentStatus, StatusReport
from tenrusl.store import arrays
from tenrusl.store.engine import fetch

_STATE = (
    "id, provider, payment_ref, provider_ref, merchant_ref, status, amount_minor, currency, last_occurred_at, origin"
)

# Payments that the references of a batch may mean. Plain index look-ups; pairs that were not asked for
# (the reference of one provider under another) are sorted out by the caller.
_FIND = f"""
    SELECT {_STATE} FROM payments
    WHERE provider = ANY(%(providers)s) AND payment_ref = ANY(%(payment_refs)s)
    UNION
    SELECT {_STATE} FROM payments
    WHERE provider = ANY(%(providers)s) AND provider_ref = ANY(%(provider_refs)s)
        AND provider_ref <> payment_ref
    """  # noqa: S608 - a constant

# In the order of the ids: whoever locks several payments must.
_LOCK = f"SELECT {_STATE} FROM payments WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"  # noqa: S608

_ENCODERS: dict[str, Callable[[list[Any]], bytes]] = dict.fromkeys(_STATE.split(", "), arrays.texts) | {
    "id": arrays.uuids,
    "amount_minor": arrays.bigints,
    "last_occurred_at": arrays.timestamps,
}
_UNNEST_STATES = f"unnest({', '.join(f'%({name})s' for name in _ENCODERS)}) AS state ({_STATE})"

# Payments that events bring with them. One that another transaction made meanwhile is left as it is; only those come
# back, because there are hardly ever any.
_INSERT = f"""
    WITH inserted AS (
        INSERT INTO payments ({_STATE}, created_at, updated_at)
        SELECT {_STATE}, %(now)s, %(now)s FROM {_UNNEST_STATES}
        ON CONFLICT (provider, payment_ref) DO NOTHING
        RETURNING id
    )
    SELECT given.id FROM unnest(%(id)s) AS given (id) WHERE given.id NOT IN (SELECT id FROM inserted)
    """  # noqa: S608 - made of the constants above

_UPDATE = f"""
    UPDATE payments SET status = state.status, provider_ref = state.provider_ref, merchant_ref = state.merchant_ref,
        amount_minor = state.amount_minor, currency = state.currency, last_occurred_at = state.last_occurred_at,
        updated_at = %(now)s
    FROM {_UNNEST_STATES} WHERE payments.id = state.id
    """  # noqa: S608 - made of the constants above

_HISTORY = """
    SELECT payment_id, webhook_event_id, reported_status, occurred_at, restores
    FROM payment_transitions WHERE payment_id = ANY(%(ids)s)
    """

_INSERT_TRANSITIONS = """
    INSERT INTO payment_transitions
        (webhook_event_id, payment_id, from_status, to_status, disposition, reported_status, restores, occurred_at,
         created_at)
    SELECT moved.*, CAST(%(now)s AS timestamptz)
    FROM unnest(%(event_ids)s, %(payment_ids)s, %(from_statuses)s,
                %(to_statuses)s, %(dispositions)s, %(reported)s,
                %(restores)s, %(occurred_ats)s) AS moved
    """

# Marks events as done whose claim still holds, and tells the others: hardly ever any. Locks in the order of the ids.
# || '': as in claims.py.
_PROCESSED = """
    WITH held AS (
        SELECT event.id FROM unnest(%(ids)s, %(attempts)s) AS given (id, attempts)
        JOIN webhook_events AS event
            ON event.id = given.id AND event.attempts = given.attempts AND event.status || '' = 'processing'
        ORDER BY event.id
        FOR UPDATE OF event
    ), done AS (
        UPDATE webhook_events AS event
        SET status = 'processed', processed_at = %(now)s, next_retry_at = NULL, failure_code = NULL,
            failure_message = NULL
        FROM held WHERE event.id = held.id
        RETURNING event.id
    )
    SELECT given.id FROM unnest(%(ids)s) AS given (id) WHERE given.id NOT IN (SELECT id FROM done)
    """


class PaymentState(NamedTuple):
    """What events change about a payment.

    last_occurred_at: the latest report so far, None before the first. origin: "api" when a merchant announced
    the payment, "event" when its first event brought it.
    """

    id: UUID
    provider: str
    payment_ref: str
    provider_ref: str | None
    merchant_ref: str | None
    status: PaymentStatus
    amount_minor: int | None
    currency: str | None
    last_occurred_at: datetime | None
    origin: str


_STATUS = PaymentState._fields.index("status")


class PaymentTransition(NamedTuple):
    """The effect of one event on its payment; `report` is what the event said."""

    payment_id: UUID
    from_status: PaymentStatus | None
    to_status: PaymentStatus
    disposition: Disposition
    report: StatusReport


async def find_payments(
    connection: AsyncConnection, *, providers: Sequence[str], payment_refs: Sequence[str], provider_refs: Sequence[str]
) -> list[PaymentState]:
    """Payments of these providers with one of these references, not locked."""
    parameters = {
        "providers": arrays.texts(providers),
        "payment_refs": arrays.texts(payment_refs),
        "provider_refs": arrays.texts(provider_refs),
    }
    return [_state(row) for row in await fetch(connection, _FIND, parameters)]


async def lock_payments(connection: AsyncConnection, ids: Sequence[UUID]) -> list[PaymentState]:
    """These payments as they are now, locked until the transaction ends."""
    return [_state(row) for row in await fetch(connection, _LOCK, {"ids": arrays.uuids(ids)})]


async def insert_payments(connection: AsyncConnection, states: Sequence[PaymentState], now: datetime) -> set[UUID]:
    """Inserts those whose (provider, payment_ref) is free; returns the ids of the others. states: sorted by it."""
    return {row[0] for row in await fetch(connection, _INSERT, {**_columns(states), "now": now})}


async def update_payments(connection: AsyncConnection, states: Sequence[PaymentState], now: datetime) -> None:
    """Writes these states over payments that this transaction has locked."""
    await fetch(connection, _UPDATE, {**_columns(states), "now": now})


async def payment_history(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[StatusReport]]:
    """What events have said about these payments, by payment, in no order."""
    history: dict[UUID, list[StatusReport]] = {}
    for payment_id, event_id, status, occurred_at, restores in await fetch(
        connection, _HISTORY, {"ids": arrays.uuids(ids)}
    ):
        history.setdefault(payment_id, []).append(
            StatusReport(event_id=event_id, status=PaymentStatus(status), occurred_at=occurred_at, restores=restores)
        )
    return history


async def insert_transitions(
    connection: AsyncConnection, transitions: Sequence[PaymentTransition], now: datetime
) -> None:
    """Appends transitions. Raises IntegrityError when an event has one already: it would be applied twice."""
    await fetch(
        connection,
        _INSERT_TRANSITIONS,
        {
            "event_ids": arrays.uuids([item.report.event_id for item in transitions]),
            "payment_ids": arrays.uuids([item.payment_id for item in transitions]),
            "from_statuses": arrays.texts([item.from_status for item in transitions]),
            "to_statuses": arrays.texts([item.to_status for item in transitions]),
            "dispositions": arrays.texts([item.disposition for item in transitions]),
            "reported": arrays.texts([item.report.status for item in transitions]),
            "restores": arrays.booleans([item.report.restores for item in transitions]),
            "occurred_ats": arrays.timestamps([item.report.occurred_at for item in transitions]),
            "now": now,
        },
    )


async def mark_processed(connection: AsyncConnection, claims: Sequence[tuple[UUID, int]], now: datetime) -> set[UUID]:
    """Marks as processed those of the (id, attempts) whose claim still holds; returns the ids of the others."""
    lost = await fetch(
        connection,
        _PROCESSED,
        {
            "ids": arrays.uuids([claim[0] for claim in claims]),
            "attempts": arrays.integers([claim[1] for claim in claims]),
            "now": now,
        },
    )
    return {row[0] for row in lost}


def _state(row: tuple[Any, ...]) -> PaymentState:
    return PaymentState._make((*row[:_STATUS], PaymentStatus(row[_STATUS]), *row[_STATUS + 1 :]))


def _columns(states: Sequence[PaymentState]) -> dict[str, object]:
    columns = map(list, zip(*states, strict=True))
    return {name: encode(column) for (name, encode), column in zip(_ENCODERS.items(), columns, strict=True)}
