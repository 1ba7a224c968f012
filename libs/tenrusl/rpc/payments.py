"""Pages of payments, and payments as messages, for all services that show them."""

from collections.abc import Collection
from dataclasses import dataclass

from tenrusl.api.common.v1 import common_pb2
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.payments import PaymentStatus
from tenrusl.rpc.paging import page_token, read_id_token, read_page_size
from tenrusl.rpc.statuses import PAYMENT_STATUS_NUMBERS
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.payments import Payment, find_payments


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Payments, newest first, and the token of the next page (empty on the last).

    It may hold fewer than asked for, or none, and still have a next one: a page looks through a bounded number.
    """

    payments: list[Payment]
    next_page_token: str


async def page_of_payments(
    engine: Engine,
    providers: Collection[str],
    *,
    page_size: int,
    token: str,
    provider: str,
    status: PaymentStatus | None,
) -> PaymentPage:
    """A page. providers: the names that are known; provider: empty for all; page_size: 0 to 200, 0 means 50.

    Raises InvalidFieldError, UnavailableError.
    """
    if provider and provider not in providers:
        names = ", ".join(sorted(providers))
        raise InvalidFieldError(FieldViolation("provider", f"must be one of {names}"))
    filters = [provider, status.value if status else ""]
    limit, before = read_page_size(page_size), read_id_token(token, filters)
    async with autocommit(engine) as connection:
        found, end = await find_payments(connection, limit=limit, before=before, provider=provider, status=status)
    return PaymentPage(found, page_token(str(end), filters) if end else "")


def payment_message(payment: Payment) -> common_pb2.Payment:
    """A payment as a message."""
    message = common_pb2.Payment(
        id=str(payment.id),
        provider=payment.provider,
        payment_ref=payment.payment_ref,
        merchant_ref=payment.merchant_ref or "",
        provider_ref=payment.provider_ref or "",
        status=PAYMENT_STATUS_NUMBERS[payment.status],
        currency=payment.currency or "",
    )
    message.create_time.FromDatetime(payment.created_at)
    message.update_time.FromDatetime(payment.updated_at)
    if payment.amount_minor is not None:
        message.amount_minor = payment.amount_minor
    return message
