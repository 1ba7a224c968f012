"""PaymentService: proto to domain and back; idempotent creation."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from grpc import aio

from services.processor.payments import PaymentOrder, Payments
from tenrusl.api.processor.v1 import payment_pb2, payment_pb2_grpc
from tenrusl.coordination.idempotency import IdempotencyStore, Replay
from tenrusl.errors import UnavailableError
from tenrusl.rpc.payments import payment_message
from tenrusl.rpc.statuses import read_payment_status

_log = structlog.get_logger("payments")
_Context = aio.ServicerContext[Any, Any]


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Answers the payments API."""

    def __init__(self, payments: Payments, idempotency: IdempotencyStore) -> None:
        self._payments = payments
        self._idempotency = idempotency

    async def CreatePayment(  # noqa: N802 - the name of the RPC
        self, request: payment_pb2.CreatePaymentRequest, context: _Context
    ) -> payment_pb2.CreatePaymentResponse:
        order = PaymentOrder(
            provider=request.provider,
            payment_ref=request.payment_ref,
            amount_minor=request.amount_minor,
            currency=request.currency,
            merchant_ref=request.merchant_ref,
            idempotency_key=request.idempotency_key,
        )
        self._payments.validate(order)

        async def create() -> payment_pb2.CreatePaymentResponse:
            payment, replayed = await self._payments.create(order)
            return payment_pb2.CreatePaymentResponse(payment=payment_message(payment), replayed=replayed)

        return await self._once(request, create) if request.idempotency_key else await create()

    async def GetPayment(  # noqa: N802 - the name of the RPC
        self, request: payment_pb2.GetPaymentRequest, context: _Context
    ) -> payment_pb2.GetPaymentResponse:
        return payment_pb2.GetPaymentResponse(payment=payment_message(await self._payments.get(request.payment_id)))

    async def GetPaymentByReference(  # noqa: N802 - the name of the RPC
        self, request: payment_pb2.GetPaymentByReferenceRequest, context: _Context
    ) -> payment_pb2.GetPaymentByReferenceResponse:
        payment = await self._payments.get_by_reference(request.provider, request.reference)
        return payment_pb2.GetPaymentByReferenceResponse(payment=payment_message(payment))

    async def ListPayments(  # noqa: N802 - the name of the RPC
        self, request: payment_pb2.ListPaymentsRequest, context: _Context
    ) -> payment_pb2.ListPaymentsResponse:
        page = await self._payments.page(
            page_size=request.page_size,
            token=request.page_token,
            provider=request.provider,
            status=read_payment_status(request.status),
        )
        return payment_pb2.ListPaymentsResponse(
            payments=[payment_message(payment) for payment in page.payments], next_page_token=page.next_page_token
        )

    async def _once(
        self,
        request: payment_pb2.CreatePaymentRequest,
        create: Callable[[], Awaitable[payment_pb2.CreatePaymentResponse]],
    ) -> payment_pb2.CreatePaymentResponse:
        """The stored reply of the same request, or a new one that is stored. A failure is not stored."""
        fingerprint = request.SerializeToString(deterministic=True)
        begun = await self._idempotency.begin(request.idempotency_key, fingerprint)
        if isinstance(begun, Replay):
            response = payment_pb2.CreatePaymentResponse.FromString(begun.reply)
            response.replayed = True
            return response
        try:
            response = await create()
        except BaseException:
            with suppress(UnavailableError):  # then the lock ends by itself
                await self._idempotency.abandon(begun)
            raise
        try:
            await self._idempotency.finish(begun, response.SerializeToString())
        except UnavailableError:
            # The payment is committed and its row knows the key, so a repetition finds it all the same.
            _log.warning("reply not stored", payment_id=response.payment.id)
        return response
