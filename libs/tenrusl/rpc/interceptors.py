"""What happens around each call of our own services, outermost first: span (while tracing is on), request id, access
log and metrics, error mapping, deadline, concurrency limit.

Health and reflection pass untouched: probes must be answered when a server is full, and would drown its log.
Each step wraps a handler once, at its first call; the cost per call is five function calls. A handler that streams
its responses is one that returns when the last is written.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import structlog
from grpc import aio
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tenrusl.clock import Clock
from tenrusl.errors import OverloadedError, TenruslError
from tenrusl.observability import traces
from tenrusl.rpc.context import REQUEST_ID_KEY, request_id, request_id_or_new
from tenrusl.rpc.errors import DeadlinePassedError, internal_status, status_of

Context = aio.ServicerContext[Any, Any]
Handler = Callable[[Any, Context], Awaitable[Any]]
Step = Callable[[str, Handler], Handler]

EXEMPT_PREFIXES = ("/grpc.health.", "/grpc.reflection.")
# Called every second by every gateway: counted, and logged only when they fail.
QUIET_METHODS = frozenset({"/tenrusl.api.ingress.v1.ThrottleFeedService/GetThrottles"})

_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
_log = structlog.get_logger("rpc")


class RpcMetrics:
    """Counts of the calls that a server answers. One per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter("tenrusl_rpc", "calls by method and gRPC code", ["method", "code"], registry=registry)
        self.seconds = Histogram(
            "tenrusl_rpc_seconds",
            "time from the decoded request to the response",
            ["method"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.in_flight = Gauge("tenrusl_rpc_in_flight", "calls under way", registry=registry)


def standard_steps(metrics: RpcMetrics, clock: Clock, max_concurrent_rpcs: int) -> tuple[Step, ...]:
    """The steps of every server, outermost first. Calls beyond `max_concurrent_rpcs` are refused at once."""
    return (
        *((with_span,) if traces.enabled() else ()),
        with_request_id(clock),
        with_access_log(metrics),
        with_errors,
        with_deadline,
        with_limit(max_concurrent_rpcs),
    )


class Interceptor(aio.ServerInterceptor):
    """Puts the steps around every method with a single request that is not exempt."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = handler_call_details.method
        if wrapped := self._wrapped.get(method):
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or method.startswith(EXEMPT_PREFIXES):
            return handler
        behaviour: Any = _writing(handler.unary_stream) if handler.response_streaming else handler.unary_unary
        for step in reversed(self._steps):
            behaviour = step(method, behaviour)
        wrap = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        self._wrapped[method] = wrap(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return self._wrapped[method]


def _writing(responses: Any) -> Handler:
    """A handler that writes what an asynchronous generator yields, and closes it whatever happens."""

    async def call(request: Any, context: Context) -> None:
        async with aclosing(responses(request, context)) as stream:
            async for response in stream:
                await context.write(response)

    return call


def with_span(method: str, handler: Handler) -> Handler:
    """A span below the caller's. QUIET_METHODS have one only where the caller has."""
    name = method.removeprefix("/")
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}

    async def call(request: Any, context: Context) -> Any:
        metadata = context.invocation_metadata() or ()
        parent = traces.context_from((key, value) for key, value in metadata if isinstance(value, str))
        if method in QUIET_METHODS and parent is traces.NOWHERE:
            return await handler(request, context)
        with traces.span(name, kind=traces.Kind.SERVER, parent=parent, attributes=attributes) as span:
            try:
                return await handler(request, context)
            finally:
                span.set({"rpc.response.status_code": _code_name(context)})

    return call


def with_request_id(clock: Clock) -> Step:
    """Takes the request id from metadata, or makes one, and sets it for everything that the call does."""

    def step(method: str, handler: Handler) -> Handler:
        async def call(request: Any, context: Context) -> Any:
            given = next((value for key, value in context.invocation_metadata() or () if key == REQUEST_ID_KEY), "")
            token = request_id.set(request_id_or_new(given if isinstance(given, str) else "", clock))
            try:
                return await handler(request, context)
            finally:
                request_id.reset(token)

        return call

    return step


def with_access_log(metrics: RpcMetrics) -> Step:
    """One log line (but see QUIET_METHODS) and one count per call, with the code that the caller saw."""

    def step(method: str, handler: Handler) -> Handler:
        seconds = metrics.seconds.labels(method)

        async def call(request: Any, context: Context) -> Any:
            started = time.perf_counter()
            code = "CANCELLED"  # unless it ends by itself: the caller went away or its deadline came
            metrics.in_flight.inc()
            try:
                response = await handler(request, context)
                code = _code_name(context)
                return response
            except aio.AbortError:
                code = _code_name(context)
                raise
            finally:
                elapsed = time.perf_counter() - started
                metrics.in_flight.dec()
                metrics.calls.labels(method, code).inc()
                seconds.observe(elapsed)
                if code != "OK" or method not in QUIET_METHODS:
                    _log.info(
                        "rpc", method=method, code=code, duration_ms=round(elapsed * 1000, 2), peer=context.peer()
                    )

        return call

    return step


# We have taken the call and know that it cannot be served: the channel's retries are for calls that no server took, as
# on a connection that is just closing (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")


def with_errors(method: str, handler: Handler) -> Handler:
    """Domain errors become their status; anything else INTERNAL, with the traceback in our log only."""

    async def call(request: Any, context: Context) -> Any:
        try:
            return await handler(request, context)
        except TenruslError as exc:
            status = status_of(exc)
        except aio.AbortError:
            raise  # the servicer has answered by itself
        except Exception:
            _log.exception("rpc failed", method=method)
            status = internal_status()
        answer: Any = rpc_status.to_status(status)
        if answer.code is grpc.StatusCode.UNAVAILABLE:
            answer = answer._replace(trailing_metadata=(*answer.trailing_metadata, _DO_NOT_RETRY))
        await context.abort_with_status(answer)

    return call


def with_deadline(method: str, handler: Handler) -> Handler:
    """Refuses work that nobody waits for any more. Raises DeadlinePassedError."""

    async def call(request: Any, context: Context) -> Any:
        remaining: float | None = context.time_remaining()
        if remaining is not None and remaining <= 0:
            raise DeadlinePassedError
        return await handler(request, context)

    return call


def with_limit(max_concurrent_rpcs: int) -> Step:
    """At most that many calls at once over all methods. Raises OverloadedError for the next one."""
    under_way = 0

    def step(method: str, handler: Handler) -> Handler:
        async def call(request: Any, context: Context) -> Any:
            nonlocal under_way
            if under_way >= max_concurrent_rpcs:
                raise OverloadedError(f"{max_concurrent_rpcs} calls are under way")
            under_way += 1
            try:
                return await handler(request, context)
            finally:
                under_way -= 1

        return call

    return step


def _code_name(context: Context) -> str:
    code: Any = context.code()  # an int in grpc.aio, 0 or None for OK
    return _CODE_NAMES.get(code.value[0] if isinstance(code, grpc.StatusCode) else code or 0, "UNKNOWN")
