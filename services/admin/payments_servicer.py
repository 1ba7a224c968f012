"""PaymentsService: proto to domain and back."""

from collections.abc import Collection
from typing import Any

from grpc import aio

from tenrusl.api.admin.v1 import payments_pb2, payments_pb2_grpc
from tenrusl.rpc.payments import page_of_payments, payment_message
from tenrusl.rpc.statuses import read_payment_status
from tenrusl.store.engine import Engine

_Context = aio.ServicerContext[Any, Any]


class PaymentsServicer(payments_pb2_grpc.PaymentsServiceServicer):
    """Answers about payments. providers: the names that are known."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        self._engine = engine
        self._providers = frozenset(providers)

    async def ListPayments(  # noqa: N802 - the name of the RPC
        self, request: payments_pb2.ListPaymentsRequest, context: _Context
    ) -> payments_pb2.ListPaymentsResponse:
        page = await page_of_payments(
            self._engine,
            self._providers,
            page_size=request.page_size,
            token=request.page_token,
            provider=request.provider,
            status=read_payment_status(request.status),
        )
        return payments_pb2.ListPaymentsResponse(
            payments=[payment_message(payment) for payment in page.payments], next_page_token=page.next_page_token
        )
