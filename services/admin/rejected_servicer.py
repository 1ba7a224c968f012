"""RejectedService: proto to domain and back."""

from collections.abc import AsyncIterator, Collection
from dataclasses import asdict
from typing import Any, cast

from grpc import aio

from services.admin.rejected import RejectedWebhooks
from tenrusl.api.admin.v1 import rejected_pb2, rejected_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.caller import current_caller
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.texts import text_violations
from tenrusl.store.rejected import RejectedWebhook

MAX_REASON_CHARACTERS = 500
_Context = aio.ServicerContext[Any, Any]


class RejectedServicer(rejected_pb2_grpc.RejectedServiceServicer):
    """Answers for rejected webhooks. providers: the names that are known."""

    def __init__(self, rejected: RejectedWebhooks, providers: Collection[str]) -> None:
        self._rejected = rejected
        self._providers = frozenset(providers)

    async def ListRejected(  # noqa: N802 - the name of the RPC
        self, request: rejected_pb2.ListRejectedRequest, context: _Context
    ) -> rejected_pb2.ListRejectedResponse:
        wrong = self._provider_violations(request.provider)
        if wrong:
            raise InvalidFieldError(*wrong)
        page = await self._rejected.page(request.provider, page_size=request.page_size, token=request.page_token)
        return rejected_pb2.ListRejectedResponse(
            webhooks=[_message(webhook) for webhook in page.webhooks], next_page_token=page.next_page_token
        )

    async def ReverifyRejected(  # noqa: N802 - the name of the RPC
        self, request: rejected_pb2.ReverifyRejectedRequest, context: _Context
    ) -> AsyncIterator[rejected_pb2.ReverifyRejectedResponse]:
        wrong = self._provider_violations(request.provider)
        wrong += text_violations("reason", request.reason, MAX_REASON_CHARACTERS)
        if wrong:
            raise InvalidFieldError(*wrong)
        progress = self._rejected.reverify(request.provider, reason=request.reason, caller=current_caller())
        async for step in progress:
            yield rejected_pb2.ReverifyRejectedResponse(**asdict(step))

    def _provider_violations(self, provider: str) -> list[FieldViolation]:
        if provider in self._providers:
            return []
        return [FieldViolation("provider", f"must be one of {', '.join(sorted(self._providers))}")]


def _message(webhook: RejectedWebhook) -> rejected_pb2.RejectedWebhook:
    message = rejected_pb2.RejectedWebhook(
        id=str(webhook.id),
        provider=webhook.provider,
        reason=cast("common_pb2.ErrorReason", common_pb2.ErrorReason.Value(f"ERROR_REASON_{webhook.reason}")),
        request_id=webhook.request_id,
        source_ip=webhook.source_ip,
        size_bytes=webhook.sealed_bytes,
    )
    message.receive_time.FromDatetime(webhook.received_at)
    return message
