"""The payments API: announcing payments, and finding them."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tenrusl.clock import Clock
from tenrusl.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidFieldError,
    NotFoundError,
    Reason,
)
from tenrusl.ids import uuid7
from tenrusl.payments import PaymentStatus
from tenrusl.rpc.payments import PaymentPage, page_of_payments
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.payments import (
    Payment,
    get_payment,
    get_payment_by_idempotency_key,
    get_payment_by_reference,
    insert_payment,
    lock_idempotency_key,
)

MAX_REFERENCE_CHARACTERS = 255
MAX_AMOUNT_MINOR = 10**15
_CURRENCY = re.compile(r"[A-Z]{3}")
_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """What a merchant announces; the fields are those of CreatePaymentRequest."""

    provider: str
    payment_ref: str
    amount_minor: int
    currency: str
    merchant_ref: str
    idempotency_key: str


class Payments:
    """Creates and finds payments. providers: the names that a payment may have.

    idempotency_ttl: how long a created payment is remembered under its idempotency key.
    """

    def __init__(self, *, engine: Engine, providers: Collection[str], idempotency_ttl: timedelta, clock: Clock) -> None:
        self._engine = engine
        self._providers = frozenset(providers)
        self._idempotency_ttl = idempotency_ttl
        self._clock = clock

    async def create(self, order: PaymentOrder) -> tuple[Payment, bool]:
        """The payment, and whether the same idempotency key had created it before.

        The key is kept on the row too: a reply that was lost together with Redis, or between the commit and
        the reply, is found again. Raises InvalidFieldError, AlreadyExistsError(PAYMENT_EXISTS),
        ConflictError(IDEMPOTENCY_KEY_REUSED), UnavailableError.
        """
        self.validate(order)
        now = self._clock.now()
        payment_id = uuid7(now)
        reference = order.payment_ref or order.merchant_ref
        payment = Payment(
            id=payment_id,
            provider=order.provider,
            payment_ref=reference or str(payment_id),
            provider_ref=None,
            merchant_ref=order.merchant_ref or None,
            status=PaymentStatus.PENDING,
            amount_minor=order.amount_minor,
            currency=order.currency,
            created_at=now,
            updated_at=now,
        )
        key_sha256 = hashlib.sha256(order.idempotency_key.encode()).digest() if order.idempotency_key else None
        async with transaction(self._engine) as connection:
            if key_sha256 is not None:
                await lock_idempotency_key(connection, key_sha256)
                earlier = await get_payment_by_idempotency_key(
                    connection, key_sha256, created_after=now - self._idempotency_ttl
                )
                if earlier is not None:
                    return _same(earlier, order), True
            if reference:
                # An event may have brought it already, under the provider's own reference.
                known = await get_payment_by_reference(connection, order.provider, reference)
                if known is not None:
                    message = f"{order.provider} has a payment {reference!r}: {known.id}"
                    raise AlreadyExistsError(Reason.PAYMENT_EXISTS, message)
            await insert_payment(connection, payment, idempotency_key_sha256=key_sha256)
        return payment, False

    async def get(self, payment_id: str) -> Payment:
        """The payment with that id. Raises InvalidFieldError, NotFoundError, UnavailableError."""
        try:
            identifier = UUID(payment_id)
        except ValueError:
            raise InvalidFieldError(FieldViolation("payment_id", "must be a UUID")) from None
        async with autocommit(self._engine) as connection:
            payment = await get_payment(connection, identifier)
        return _found(payment, f"no payment has the id {identifier}")

    async def get_by_reference(self, provider: str, reference: str) -> Payment:
        """The payment with that reference. Raises InvalidFieldError, NotFoundError, UnavailableError."""
        if violations := _reference_violations("reference", reference, True):
            raise InvalidFieldError(*violations)
        async with autocommit(self._engine) as connection:
            payment = await get_payment_by_reference(connection, provider, reference)
        return _found(payment, f"no payment of {provider} has the reference {reference!r}")

    async def page(self, *, page_size: int, token: str, provider: str, status: PaymentStatus | None) -> PaymentPage:
        """A page of payments. provider: empty for all. Raises InvalidFieldError, UnavailableError."""
        return await page_of_payments(
            self._engine, self._providers, page_size=page_size, token=token, provider=provider, status=status
        )

    def validate(self, order: PaymentOrder) -> None:
        """Raises InvalidFieldError, naming every field that is wrong."""
        violations = [
            *self._provider_violations(order.provider),
            *_reference_violations("payment_ref", order.payment_ref, False),
            *_reference_violations("merchant_ref", order.merchant_ref, False),
        ]
        if not 1 <= order.amount_minor <= MAX_AMOUNT_MINOR:
            violations.append(FieldViolation("amount_minor", "must be from 1 to 10^15, in minor units of the currency"))
        if not _CURRENCY.fullmatch(order.currency):
            violations.append(FieldViolation("currency", "must be an ISO 4217 code in capitals, e.g. IDR"))
        if order.idempotency_key and not _PRINTABLE_ASCII.fullmatch(order.idempotency_key):
            violations.append(FieldViolation("idempotency_key", "must be 1 to 255 printable ASCII characters"))
        if violations:
            raise InvalidFieldError(*violations)

    def _provider_violations(self, provider: str) -> list[FieldViolation]:
        if provider in self._providers:
            return []
        return [FieldViolation("provider", f"must be one of {', '.join(sorted(self._providers))}")]


def _reference_violations(field: str, text: str, required: bool) -> list[FieldViolation]:
    if required and not text:
        return [FieldViolation(field, "is missing")]
    if len(text) > MAX_REFERENCE_CHARACTERS or "\x00" in text:
        return [FieldViolation(field, f"must have at most {MAX_REFERENCE_CHARACTERS} characters, none of them NUL")]
    return []


def _same(payment: Payment, order: PaymentOrder) -> Payment:
    # What the order left open may have been filled in by events since.
    asked = (order.provider, order.amount_minor, order.currency)
    same = (
        asked == (payment.provider, payment.amount_minor, payment.currency)
        and order.payment_ref in ("", payment.payment_ref)
        and order.merchant_ref in ("", payment.merchant_ref)
    )
    if not same:
        raise ConflictError(
            Reason.IDEMPOTENCY_KEY_REUSED, "this idempotency key was used with another request; use a new one"
        )
    return payment


def _found(payment: Payment | None, message: str) -> Payment:
    if payment is None:
        raise NotFoundError(Reason.PAYMENT_NOT_FOUND, message)
    return payment
