"""PaymentsService: proto to domain and back."""

from typing import Any, cast

from grpc import aio

from services.admin.payments import Payments
from tenrusl.api.admin.v1 import payments_pb2, payments_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.payments import PaymentStatus
from tenrusl.store.payments import Payment

_NUMBERS = {
    status: cast("common_pb2.PaymentStatus", common_pb2.PaymentStatus.Value(f"PAYMENT_STATUS_{status.name}"))
    for status in PaymentStatus
}
_STATUSES = {number: status for status, number in _NUMBERS.items()}
_Context = aio.ServicerContext[Any, Any]


class PaymentsServicer(payments_pb2_grpc.PaymentsServiceServicer):
    """Answers about payments."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments

    async def ListPayments(  # noqa: N802 - the name of the RPC
        self, request: payments_pb2.ListPaymentsRequest, context: _Context
    ) -> payments_pb2.ListPaymentsResponse:
        if request.status and request.status not in _STATUSES:
            raise InvalidFieldError(FieldViolation("status", "is not a PaymentStatus"))
        page = await self._payments.page(
            page_size=request.page_size,
            token=request.page_token,
            provider=request.provider,
            status=_STATUSES.get(request.status),
        )
        return payments_pb2.ListPaymentsResponse(
            payments=[_message(payment) for payment in page.payments], next_page_token=page.next_page_token
        )


def _message(payment: Payment) -> common_pb2.Payment:
    message = common_pb2.Payment(
        id=str(payment.id),
        provider=payment.provider,
        payment_ref=payment.payment_ref,
        merchant_ref=payment.merchant_ref or "",
        provider_ref=payment.provider_ref or "",
        status=_NUMBERS[payment.status],
        currency=payment.currency or "",
    )
    message.create_time.FromDatetime(payment.created_at)
    message.update_time.FromDatetime(payment.updated_at)
    if payment.amount_minor is not None:
        message.amount_minor = payment.amount_minor
    return message
