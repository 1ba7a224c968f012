"""The gateway as one ASGI application: webhooks on their own short path, everything else through Starlette."""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from grpc import aio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.body import BodyTimeoutError, BodyTooLargeError, ClientGoneError, Message, Receive
from services.gateway.exchange import Exchange, WholeRequest, below_prefix
from services.gateway.headers import REQUEST_ID, SECURITY_HEADERS, request_id_of, too_large
from services.gateway.metrics import GatewayMetrics
from services.gateway.problems import (
    CONTENT_TYPE,
    HEADERS_TOO_LARGE,
    TOO_LARGE,
    TOO_SLOW,
    Problem,
    ProblemError,
    from_rpc,
)
from services.gateway.tracing import rename_after_route, server_span, tell_status
from services.gateway.webhooks import Scope, WebhookEndpoint
from tenrusl.clock import Clock
from tenrusl.observability import traces
from tenrusl.rpc.context import request_id

Send = Callable[[Message], Awaitable[None]]

_API_PREFIX = "/api/"  # probes come every second
_log = structlog.get_logger("gateway")


class Gateway:
    """Dispatches by path, and gives every answer its request id and security headers."""

    def __init__(self, webhooks: WebhookEndpoint, routes: list[Route], metrics: GatewayMetrics, clock: Clock) -> None:
        self._webhooks = webhooks
        self._metrics = metrics
        self._clock = clock
        self.routes = routes
        self._api = Starlette(routes=routes, exception_handlers=_EXCEPTION_HANDLERS)
        self._api.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # the server is configured without the others
        path: str = scope["path"]
        provider = below_prefix(path)
        if provider is not None:
            await self._webhooks(scope, receive, provider)
            return
        token = request_id.set(request_id_of(scope["headers"], self._clock))
        traced = path.startswith(_API_PREFIX)
        with server_span(scope, "", request_id.get()) if traced else traces.NO_SPAN as span:
            try:
                await self._answer_api(scope, receive, send, span)
            finally:
                request_id.reset(token)

    def take_whole(self, request: WholeRequest, exchange: Exchange) -> None:
        """Answers a webhook that has come as a whole, see LimitedHttpProtocol."""
        path, _, query = request.target.decode("ascii").partition("?")
        self._webhooks.take_whole(request, exchange, path=path, query=query, provider=below_prefix(path) or "")

    async def _answer_api(self, scope: Scope, receive: Receive, send: Send, span: traces.Span) -> None:
        started = time.perf_counter()
        status = 0
        added = (*SECURITY_HEADERS, (REQUEST_ID, request_id.get().encode()))

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            if too_large(scope["headers"]):
                await _respond(HEADERS_TOO_LARGE)(scope, receive, send_with_headers)
            else:
                await self._api(scope, receive, send_with_headers)
        except ClientGoneError:
            self._metrics.body_refused("client_gone")
        except Exception:
            _log.exception("request failed", method=scope["method"])
            if status == 0:
                problem = Problem(status=HTTPStatus.INTERNAL_SERVER_ERROR, detail="internal error")
                await _respond(problem)(scope, receive, send_with_headers)
        finally:
            self._done(scope, status, time.perf_counter() - started)
            if span is not traces.NO_SPAN:
                rename_after_route(span, scope)
                tell_status(span, status)

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        endpoint = scope.get("endpoint")
        route = getattr(endpoint, "__name__", "none")
        self._metrics.answered(route, status, seconds)
        if scope["path"].startswith(_API_PREFIX):
            # Of an address that nothing serves only that: it may be a webhook's, misspelt, with a token in it.
            path = {} if endpoint is None else {"path": scope["raw_path"].decode("latin-1")[:512]}
            _log.info(
                "request",
                method=scope["method"],
                route=route,
                **path,
                status=status,
                duration_ms=round(seconds * 1000, 1),
            )


def _respond(problem: Problem) -> Response:
    response = Response(problem.body(request_id.get()), status_code=problem.status, media_type=CONTENT_TYPE.decode())
    response.raw_headers += problem.headers
    return response


async def _on_problem(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ProblemError)
    return _respond(exc.problem)


async def _on_rpc_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, aio.AioRpcError)
    problem = from_rpc(exc)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("call failed", code=exc.code().name, details=exc.details())
    return _respond(problem)


async def _on_http_exception(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    status = HTTPStatus(exc.status_code)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in (exc.headers or {}).items())
    return _respond(Problem(status=status, detail=status.description or status.phrase, headers=headers))


async def _on_large_body(request: Request, exc: Exception) -> Response:
    return _respond(TOO_LARGE)


async def _on_slow_body(request: Request, exc: Exception) -> Response:
    return _respond(TOO_SLOW)


_EXCEPTION_HANDLERS: Mapping[Any, Any] = {
    ProblemError: _on_problem,
    aio.AioRpcError: _on_rpc_error,
    HTTPException: _on_http_exception,
    BodyTooLargeError: _on_large_body,
    BodyTimeoutError: _on_slow_body,
}
