"""Payments as the API asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.errors import AlreadyExistsError, Reason
from tenrusl.payments import PaymentStatus
from tenrusl.store.tables import payments

MAX_LOOKED_THROUGH = 10_000
_COLUMNS = (
    payments.c.id,
    payments.c.provider,
    payments.c.payment_ref,
    payments.c.provider_ref,
    payments.c.merchant_ref,
    payments.c.status,
    payments.c.amount_minor,
    payments.c.currency,
    payments.c.created_at,
    payments.c.updated_at,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment at one provider. amount_minor: minor units of `currency`, None until somebody said it."""

    id: UUID
    provider: str
    payment_ref: str
    provider_ref: str | None
    merchant_ref: str | None
    status: PaymentStatus
    amount_minor: int | None
    currency: str | None
    created_at: datetime
    updated_at: datetime


async def insert_payment(
    connection: AsyncConnection, payment: Payment, *, idempotency_key_sha256: bytes | None
) -> None:
    """Stores a payment that a merchant announces.

    Raises AlreadyExistsError(PAYMENT_EXISTS) when its provider and reference are taken.
    """
    try:
        await connection.execute(
            insert(payments).values(
                id=payment.id,
                provider=payment.provider,
                payment_ref=payment.payment_ref,
                provider_ref=payment.provider_ref,
                merchant_ref=payment.merchant_ref,
                status=payment.status.value,
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                origin="api",
                idempotency_key_sha256=idempotency_key_sha256,
                created_at=payment.created_at,
                updated_at=payment.updated_at,
            )
        )
    except IntegrityError as exc:
        if getattr(getattr(exc.orig, "diag", None), "constraint_name", "") != "payments_provider_payment_ref_key":
            raise
        message = f"{payment.provider} has a payment {payment.payment_ref!r}"
        raise AlreadyExistsError(Reason.PAYMENT_EXISTS, message) from exc


async def get_payment(connection: AsyncConnection, payment_id: UUID) -> Payment | None:
    """The payment with that id."""
    return await _first(connection, select(*_COLUMNS).where(payments.c.id == payment_id))


async def get_payment_by_reference(connection: AsyncConnection, provider: str, reference: str) -> Payment | None:
    """The payment with that payment_ref, else with that provider_ref, else the newest with that merchant_ref."""
    by_payment_ref = payments.c.payment_ref == reference
    # The second condition of each is that of its index.
    by_provider_ref = and_(payments.c.provider_ref == reference, payments.c.provider_ref != payments.c.payment_ref)
    by_merchant_ref = and_(payments.c.merchant_ref == reference, payments.c.merchant_ref != payments.c.payment_ref)
    for condition in (by_payment_ref, by_provider_ref, by_merchant_ref):
        query = select(*_COLUMNS).where(payments.c.provider == provider, condition)
        found = await _first(connection, query.order_by(payments.c.id.desc()).limit(1))
        if found is not None:
            return found
    return None


async def lock_idempotency_key(connection: AsyncConnection, idempotency_key_sha256: bytes) -> None:
    """One transaction at a time goes beyond this under a key, also when Redis has lost its lock."""
    key = int.from_bytes(idempotency_key_sha256[:8], signed=True)
    await connection.execute(select(func.pg_advisory_xact_lock(key)))


async def get_payment_by_idempotency_key(
    connection: AsyncConnection, idempotency_key_sha256: bytes, *, created_after: datetime
) -> Payment | None:
    """The payment that a request with this key created: its reply may have been lost with Redis."""
    query = select(*_COLUMNS).where(
        payments.c.idempotency_key_sha256 == idempotency_key_sha256, payments.c.created_at > created_after
    )
    return await _first(connection, query)


async def find_payments(
    connection: AsyncConnection, *, limit: int, before: UUID | None, provider: str, status: PaymentStatus | None
) -> tuple[list[Payment], UUID | None]:
    """At most `limit` payments, newest first, and the id before which it goes on; None when there is nothing left.

    Looks through MAX_LOOKED_THROUGH at the most: no index serves each filter, and so a rare one may find fewer than
    asked for while there are more. provider: empty for all.
    """
    newest = select(*_COLUMNS).order_by(payments.c.id.desc()).limit(MAX_LOOKED_THROUGH)
    if before is not None:
        newest = newest.where(payments.c.id < before)
    span = newest.subquery()
    query = select(span).order_by(span.c.id.desc()).limit(limit + 1)
    if provider:
        query = query.where(span.c.provider == provider)
    if status is not None:
        query = query.where(span.c.status == status.value)
    found = [_payment(row) for row in (await connection.execute(query)).mappings()]
    if len(found) > limit:
        return found[:limit], found[limit - 1].id
    last = newest.with_only_columns(payments.c.id).offset(MAX_LOOKED_THROUGH - 1).limit(1)
    return found, await connection.scalar(last)


async def _first(connection: AsyncConnection, query: Select[Any]) -> Payment | None:
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _payment(row)


def _payment(row: Mapping[Any, Any]) -> Payment:
    return Payment(**{**row, "status": PaymentStatus(row["status"])})
