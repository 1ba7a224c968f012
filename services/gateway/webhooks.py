"""POST /api/webhooks/{provider}[/…]: reads a provider's request, has it accepted, answers as the provider expects.

The hot path: plain ASGI, ahead of Starlette, with as few objects per request as there can be.
"""

import re
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from services.gateway.answers import NOT_FOUND, Answer, ProviderAnswers, WebhookAnswers, problem_answer
from services.gateway.batching import Batcher, Outcome, ReceivedWebhook
from services.gateway.body import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientGoneError,
    Receive,
    read_body,
)
from services.gateway.exchange import EXCHANGE, Exchange, WholeRequest
from services.gateway.headers import (
    REQUEST_ID,
    RawHeaders,
    SourceAddress,
    declared_length,
    request_id_of,
    too_large,
)
from services.gateway.metrics import GatewayMetrics
from services.gateway.problems import HEADERS_TOO_LARGE, TOO_LARGE, TOO_SLOW, unavailable
from services.gateway.throttle import Throttle
from services.gateway.tracing import OTHER_PROVIDER, server_span, tell_outcome, tell_status
from tenrusl.clock import Clock
from tenrusl.errors import OverloadedError, Reason
from tenrusl.observability import traces

_log = structlog.get_logger("gateway")
Scope = MutableMapping[str, Any]

ROUTE = "webhooks"
# In spans, instead of the path: a provider's token may stand there.
_ROUTE_PATTERN = "/api/webhooks/{provider}"

# GET is passed on because some providers verify an address with it; ingress knows who uses what.
_METHODS = frozenset({"GET", "POST"})
_PROVIDER = re.compile(r"[a-z0-9_]{1,64}")
# What bodies that are still coming may take, by their declared length: senders that never finish hold it for no
# longer than the body timeout.
MAX_READING_BYTES = 256 * 1024 * 1024
_OVERLOADED = unavailable("too many webhooks are waiting", Reason.OVERLOADED)


class _RefusedError(Exception):
    """The request is not taken; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class WebhookEndpoint:
    """Answers webhooks: those that have come as a whole at once, all others as an ASGI application."""

    def __init__(
        self,
        *,
        batcher: Batcher,
        providers: Mapping[str, ProviderAnswers],
        source_address: SourceAddress,
        throttle: Throttle,
        metrics: GatewayMetrics,
        clock: Clock,
        max_body_bytes: int,
        body_timeout_seconds: float,
    ) -> None:
        self._batcher = batcher
        self._source_address = source_address
        self._throttle = throttle
        self._metrics = metrics
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._body_timeout_seconds = body_timeout_seconds
        self._reading_bytes = 0
        self._with_tail = frozenset(name for name, answers in providers.items() if answers.takes_path_tail)
        self._known = frozenset(providers)
        self._answers = WebhookAnswers(providers)

    def take_whole(self, request: WholeRequest, exchange: Exchange, *, path: str, query: str, provider: str) -> None:
        """Answers a request that has come as a whole, now or with its batch. Neither a task nor a span is made.

        path and query: of its target. provider: the rest of the path, unchecked.
        """
        started = time.perf_counter()
        request_id = request_id_of(request.headers, self._clock)

        def finish(answer: Answer) -> None:
            self._send(exchange, answer, request_id, started)

        def on_outcome(outcome: Outcome | None) -> None:
            try:
                finish(self._answers.to_outcome(outcome, name, request_id))
            except Exception:
                # A defect must not cost the batch's other webhooks their answers; the provider sends this one again.
                _log.exception("webhook not answered", provider=name, request_id=request_id)
                exchange.abort()

        try:
            name, source_ip = self._admit(provider, request.method, request.headers, request.peer, request_id)
            if len(request.body) > self._max_body_bytes:
                raise BodyTooLargeError
            webhook = ReceivedWebhook(
                provider=name,
                method=request.method,
                path=path,
                query=query,
                headers=request.headers,
                body=request.body,
                source_ip=source_ip,
                request_id=request_id,
            )
            self._batcher.submit_to(webhook, on_outcome)
        except (_RefusedError, BodyTooLargeError, OverloadedError) as exc:
            finish(self._refused(exc, request_id))

    async def __call__(self, scope: Scope, receive: Receive, provider: str) -> None:
        """Answers one request. `provider` is the rest of the path, unchecked."""
        started = time.perf_counter()
        request_id = request_id_of(scope["headers"], self._clock)
        with server_span(scope, _ROUTE_PATTERN, request_id) as span:
            try:
                answer = await self._answer(scope, receive, provider, request_id, span)
            except ClientGoneError:
                self._metrics.body_refused("client_gone")
                return
            except (_RefusedError, BodyTooLargeError, BodyTimeoutError, OverloadedError) as exc:
                answer = self._refused(exc, request_id)
            if span is not traces.NO_SPAN:
                tell_status(span, answer.status)
            self._send(scope[EXCHANGE], answer, request_id, started)

    def _send(self, exchange: Exchange, answer: Answer, request_id: str, started: float) -> None:
        head = b"%s%s: %s\r\n" % (answer.head, REQUEST_ID, request_id.encode())
        exchange.answer(answer.status_line, head, answer.body, closes=answer.closes)
        self._metrics.answered(ROUTE, answer.status, time.perf_counter() - started)

    async def _answer(
        self, scope: Scope, receive: Receive, provider: str, request_id: str, span: traces.Span
    ) -> Answer:
        method, headers = scope["method"], scope["headers"]
        peer = scope["client"][0] if scope["client"] else ""
        provider, source_ip = self._admit(provider, method, headers, peer, request_id)
        body = scope[EXCHANGE].body_at_hand()
        if body is None or len(body) > self._max_body_bytes:
            body = await self._read_body(receive, headers)
        webhook = ReceivedWebhook(
            provider=provider,
            method=method,
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            source_ip=source_ip,
            request_id=request_id,
            trace=span.context,
        )
        outcome = await self._batcher.submit(webhook)
        if span is not traces.NO_SPAN:
            tell_outcome(span, provider if provider in self._known else OTHER_PROVIDER, outcome)
        return self._answers.to_outcome(outcome, provider, request_id)

    def _admit(self, provider: str, method: str, headers: RawHeaders, peer: str, request_id: str) -> tuple[str, str]:
        """The provider's name and the sender's address, before the body is read. Raises _RefusedError."""
        if not _PROVIDER.fullmatch(provider):
            provider, _, tail = provider.partition("/")
            if not tail or provider not in self._with_tail:
                raise _RefusedError(problem_answer(NOT_FOUND, request_id))
        if method not in _METHODS:
            raise _RefusedError(self._answers.method_not_allowed(provider, request_id))
        if too_large(headers):
            raise _RefusedError(problem_answer(HEADERS_TOO_LARGE, request_id))
        source_ip = self._source_address.find(peer, headers)
        refusal = self._throttle.refusal(provider, source_ip)
        if refusal is not None:
            raise _RefusedError(problem_answer(refusal, request_id))
        return provider, source_ip

    def _refused(self, exc: Exception, request_id: str) -> Answer:
        match exc:
            case _RefusedError():
                return exc.answer
            case BodyTooLargeError():
                self._metrics.body_refused("too_large")
                return problem_answer(TOO_LARGE, request_id)
            case BodyTimeoutError():
                self._metrics.body_refused("too_slow")
                return problem_answer(TOO_SLOW, request_id)
            case _:
                return problem_answer(_OVERLOADED, request_id)

    async def _read_body(self, receive: Receive, headers: RawHeaders) -> bytes:
        """A body that is still coming. Raises OverloadedError when those that come may fill MAX_READING_BYTES."""
        declared = declared_length(headers)
        reserved = min(declared or self._max_body_bytes, self._max_body_bytes)
        if self._reading_bytes + reserved > MAX_READING_BYTES:
            raise OverloadedError("too many bodies are being read")
        self._reading_bytes += reserved
        try:
            return await read_body(
                receive, declared, max_bytes=self._max_body_bytes, timeout_seconds=self._body_timeout_seconds
            )
        finally:
            self._reading_bytes -= reserved
