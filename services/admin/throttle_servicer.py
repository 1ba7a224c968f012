"""ThrottleService: proto to domain and back."""

from collections.abc import Collection
from typing import Any

from grpc import aio

from services.admin.throttle import Throttles
from tenrusl.api.admin.v1 import throttle_pb2, throttle_pb2_grpc
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.context import request_id
from tenrusl.rpc.operators import operator
from tenrusl.rpc.texts import text_violations
from tenrusl.store.throttles import ProviderThrottle
from tenrusl.token_bucket import MAX_RATE, MIN_RATE

MAX_REASON_CHARACTERS = 500
_Context = aio.ServicerContext[Any, Any]


class ThrottleServicer(throttle_pb2_grpc.ThrottleServiceServicer):
    """Answers for limits. providers: the names that are known."""

    def __init__(self, throttles: Throttles, providers: Collection[str]) -> None:
        self._throttles = throttles
        self._providers = frozenset(providers)

    async def SetThrottle(  # noqa: N802 - the name of the RPC
        self, request: throttle_pb2.SetThrottleRequest, context: _Context
    ) -> throttle_pb2.SetThrottleResponse:
        wrong = self._violations(request.provider, request.reason)
        if not MIN_RATE <= request.requests_per_second <= MAX_RATE:  # nor NaN
            wrong.append(FieldViolation("requests_per_second", f"must be {MIN_RATE:g} to {MAX_RATE:.0f}"))
        if wrong:
            raise InvalidFieldError(*wrong)
        throttle = await self._throttles.set(
            request.provider,
            request.requests_per_second,
            reason=request.reason,
            who=operator.get(),
            request_id=request_id.get(),
        )
        return throttle_pb2.SetThrottleResponse(throttle=_message(throttle))

    async def ClearThrottle(  # noqa: N802 - the name of the RPC
        self, request: throttle_pb2.ClearThrottleRequest, context: _Context
    ) -> throttle_pb2.ClearThrottleResponse:
        wrong = self._violations(request.provider, request.reason)
        if wrong:
            raise InvalidFieldError(*wrong)
        was_set = await self._throttles.clear(
            request.provider, reason=request.reason, who=operator.get(), request_id=request_id.get()
        )
        return throttle_pb2.ClearThrottleResponse(was_set=was_set)

    async def ListThrottles(  # noqa: N802 - the name of the RPC
        self, request: throttle_pb2.ListThrottlesRequest, context: _Context
    ) -> throttle_pb2.ListThrottlesResponse:
        found = await self._throttles.list()
        return throttle_pb2.ListThrottlesResponse(throttles=[_message(throttle) for throttle in found])

    def _violations(self, provider: str, reason: str) -> list[FieldViolation]:
        wrong = []
        if provider not in self._providers:
            wrong.append(FieldViolation("provider", f"must be one of {', '.join(sorted(self._providers))}"))
        return wrong + text_violations("reason", reason, MAX_REASON_CHARACTERS)


def _message(throttle: ProviderThrottle) -> throttle_pb2.Throttle:
    message = throttle_pb2.Throttle(
        provider=throttle.provider,
        requests_per_second=throttle.requests_per_second,
        reason=throttle.reason,
        set_by=throttle.set_by,
    )
    message.set_time.FromDatetime(throttle.set_at)
    return message
