"""POST /api/webhooks/{provider}[/…]: reads a provider's request, has it accepted, answers as the provider expects.

The hot path: plain ASGI, ahead of Starlette, with as few objects per request as there can be.
"""

import re
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

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
    SECURITY_HEADERS,
    RawHeaders,
    SourceAddress,
    declared_length,
    request_id_of,
    too_large,
)
from services.gateway.metrics import GatewayMetrics
from services.gateway.problems import CLOSE, CONTENT_TYPE, HEADERS_TOO_LARGE, TOO_LARGE, TOO_SLOW, Problem, unavailable
from services.gateway.throttle import Throttle
from services.gateway.tracing import OTHER_PROVIDER, server_span, tell_outcome, tell_status
from tenrusl.api.common.v1.common_pb2 import ErrorReason
from tenrusl.api.ingress.v1.ingress_pb2 import WebhookDisposition as Disposition
from tenrusl.clock import Clock
from tenrusl.errors import OverloadedError, Reason
from tenrusl.observability import traces
from tenrusl.providers.types import Outcome as ReplyTo
from tenrusl.providers.types import Reply

_log = structlog.get_logger("gateway")
Scope = MutableMapping[str, Any]

ROUTE = "webhooks"
# In spans, instead of the path: a provider's token may stand there.
_ROUTE_PATTERN = "/api/webhooks/{provider}"

# GET is passed on because some providers verify an address with it; ingress knows who uses what.
_METHODS = frozenset({"GET", "POST"})
_PROVIDER = re.compile(r"[a-z0-9_]{1,64}")
_REPLIED = {
    Disposition.WEBHOOK_DISPOSITION_ACCEPTED: ReplyTo.ACCEPTED,
    Disposition.WEBHOOK_DISPOSITION_DUPLICATE: ReplyTo.DUPLICATE,
    # The same bytes whatever the cause: a forger learns nothing from it. So no reason, and no request id either.
    Disposition.WEBHOOK_DISPOSITION_REJECTED: ReplyTo.REJECTED,
}

# How a signature is checked is nobody's business, also where it could not be checked yet.
_UNTOLD = frozenset({Reason.KEY_UNAVAILABLE, Reason.VERIFICATION_UNAVAILABLE})

# What bodies that are still coming may take, by their declared length: senders that never finish hold it for no
# longer than the body timeout.
MAX_READING_BYTES = 256 * 1024 * 1024
_OVERLOADED = unavailable("too many webhooks are waiting", Reason.OVERLOADED)
NOT_FOUND = Problem(status=HTTPStatus.NOT_FOUND, detail="no such provider", reason=Reason.PROVIDER_UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswers:
    """What the gateway knows about a provider: the answers that it expects, and its methods for `Allow`.

    takes_path_tail: its address may go on after its name. What stands there may be a secret: it is passed on to
    ingress and goes into no log and no metric.
    """

    replies: Mapping[ReplyTo, Reply]
    methods: frozenset[str]
    takes_path_tail: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """Ready to be sent, but for date, request id and connection. Lines end in CRLF."""

    status: int
    status_line: bytes
    head: bytes
    body: bytes
    closes: bool


class _RefusedError(Exception):
    """The request is not taken; `answer` says why."""

    def __init__(self, answer: _Answer) -> None:
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
        self._allow = {name: ", ".join(sorted(answers.methods)) for name, answers in providers.items()}
        self._replies = {
            (name, disposition): _prepared(answers.replies[to])
            for name, answers in providers.items()
            for disposition, to in _REPLIED.items()
        }

    def take_whole(self, request: WholeRequest, exchange: Exchange, *, path: str, query: str, provider: str) -> None:
        """Answers a request that has come as a whole, now or with its batch. Neither a task nor a span is made.

        path and query: of its target. provider: the rest of the path, unchecked.
        """
        started = time.perf_counter()
        request_id = request_id_of(request.headers, self._clock)

        def finish(answer: _Answer) -> None:
            self._send(exchange, answer, request_id, started)

        def on_outcome(outcome: Outcome | None) -> None:
            try:
                finish(self._answer_to(outcome, name, request_id))
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

    def _send(self, exchange: Exchange, answer: _Answer, request_id: str, started: float) -> None:
        head = b"%s%s: %s\r\n" % (answer.head, REQUEST_ID, request_id.encode())
        exchange.answer(answer.status_line, head, answer.body, closes=answer.closes)
        self._metrics.answered(ROUTE, answer.status, time.perf_counter() - started)

    async def _answer(
        self, scope: Scope, receive: Receive, provider: str, request_id: str, span: traces.Span
    ) -> _Answer:
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
            tell_outcome(span, provider if provider in self._allow else OTHER_PROVIDER, outcome)
        return self._answer_to(outcome, provider, request_id)

    def _admit(self, provider: str, method: str, headers: RawHeaders, peer: str, request_id: str) -> tuple[str, str]:
        """The provider's name and the sender's address, before the body is read. Raises _RefusedError."""
        if not _PROVIDER.fullmatch(provider):
            provider, _, tail = provider.partition("/")
            if not tail or provider not in self._with_tail:
                raise _RefusedError(_problem(NOT_FOUND, request_id))
        if method not in _METHODS:
            raise _RefusedError(self._method_not_allowed(provider, request_id))
        if too_large(headers):
            raise _RefusedError(_problem(HEADERS_TOO_LARGE, request_id))
        source_ip = self._source_address.find(peer, headers)
        refusal = self._throttle.refusal(provider, source_ip)
        if refusal is not None:
            raise _RefusedError(_problem(refusal, request_id))
        return provider, source_ip

    def _refused(self, exc: Exception, request_id: str) -> _Answer:
        match exc:
            case _RefusedError():
                return exc.answer
            case BodyTooLargeError():
                self._metrics.body_refused("too_large")
                return _problem(TOO_LARGE, request_id)
            case BodyTimeoutError():
                self._metrics.body_refused("too_slow")
                return _problem(TOO_SLOW, request_id)
            case _:
                return _problem(_OVERLOADED, request_id)

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

    def _answer_to(self, outcome: Outcome | None, provider: str, request_id: str) -> _Answer:
        if outcome is None:
            return _problem(unavailable("the webhook could not be stored", Reason.SERVICE_UNAVAILABLE), request_id)
        if outcome.HasField("reply"):
            given = outcome.reply
            return _prepared(Reply(given.status, given.body, given.content_type or None))
        if reply := self._replies.get((provider, outcome.disposition)):
            return reply
        match outcome.disposition:
            case Disposition.WEBHOOK_DISPOSITION_UNKNOWN_PROVIDER:
                return _problem(NOT_FOUND, request_id)
            case Disposition.WEBHOOK_DISPOSITION_METHOD_NOT_ALLOWED:
                return self._method_not_allowed(provider, request_id)
            case Disposition.WEBHOOK_DISPOSITION_UNSUPPORTED_MEDIA_TYPE:
                status, detail = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type is not the provider's"
            case Disposition.WEBHOOK_DISPOSITION_MALFORMED:
                status, detail = HTTPStatus.BAD_REQUEST, "the webhook cannot be read"
            case _:  # not stored; or a disposition newer than this gateway: the provider sends it again
                reason = _reason(outcome)
                shown = Reason.SERVICE_UNAVAILABLE if reason in _UNTOLD else reason
                return _problem(unavailable("the webhook could not be stored", shown), request_id)
        return _problem(Problem(status=status, detail=detail, reason=_reason(outcome)), request_id)

    def _method_not_allowed(self, provider: str, request_id: str) -> _Answer:
        return _problem(
            Problem(
                status=HTTPStatus.METHOD_NOT_ALLOWED,
                detail="the provider does not use this method",
                reason=Reason.METHOD_NOT_ALLOWED,
                headers=((b"allow", self._allow.get(provider, "POST").encode()),),
            ),
            request_id,
        )


def _reason(outcome: Outcome) -> Reason | None:
    name = ErrorReason.Name(outcome.reason).removeprefix("ERROR_REASON_")
    return Reason(name) if name in Reason.__members__ else None


def _prepared(reply: Reply) -> _Answer:
    content_type = ((b"content-type", reply.content_type.encode()),) if reply.content_type else ()
    return _finished(reply.status, reply.body, content_type)


def _problem(problem: Problem, request_id: str) -> _Answer:
    return _finished(problem.status, problem.body(request_id), ((b"content-type", CONTENT_TYPE), *problem.headers))


def _finished(status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> _Answer:
    # 204 has no body and says nothing about its length (RFC 9110, section 8.6).
    length = () if status == HTTPStatus.NO_CONTENT else ((b"content-length", str(len(body)).encode()),)
    phrase = HTTPStatus(status).phrase.encode()
    lines = [header for header in (*headers, *length, *SECURITY_HEADERS) if header != CLOSE]
    return _Answer(
        status=int(status),
        status_line=b"HTTP/1.1 %d %s\r\n" % (status, phrase),
        head=b"".join(b"%s: %s\r\n" % header for header in lines),
        body=body,
        closes=CLOSE in headers,
    )
