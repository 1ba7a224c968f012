"""Puts the webhooks that wait at the same moment into one AcceptWebhooks call.

Self-clocking: a batch leaves at once when none is under way, and beside others (fewer than `max_in_flight`) as
soon as it is as large as they are. An idle gateway adds no delay, a busy one fills its batches: one call per
webhook would cost about 250 µs of CPU on each side.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from grpc import aio

from services.gateway.headers import RawHeaders
from tenrusl.api.ingress.v1 import ingress_pb2
from tenrusl.errors import OverloadedError
from tenrusl.observability import traces

# Far below the largest message; more in one batch would only make the first wait for the last.
MAX_BATCH_BYTES = 8 * 1024 * 1024
# Senders who wait for their answers come again together. All in one batch, nothing would overlap: the gateway would
# stand still while ingress works, and ingress while the database does. Fewer than these are not worth a second call.
MIN_SHARE = 16
# Bounds memory when ingress is slow and bodies are large.
MAX_WAITING_BYTES = 128 * 1024 * 1024

Outcome = ingress_pb2.WebhookOutcome
OnOutcome = Callable[[Outcome | None], None]
Accept = Callable[[ingress_pb2.AcceptWebhooksRequest, str], Awaitable[ingress_pb2.AcceptWebhooksResponse]]


@dataclass(slots=True, kw_only=True)
class ReceivedWebhook:
    """One HTTP request of a provider, as in ingress.proto; header names in lower case. trace: of its span."""

    provider: str
    method: str
    path: str
    query: str
    headers: RawHeaders
    body: bytes
    source_ip: str
    request_id: str
    trace: traces.TraceContext = traces.NOWHERE


class BatchObserver(Protocol):
    """Is told about every batch that came back."""

    def batch_done(
        self,
        webhooks: Sequence[ReceivedWebhook],
        outcomes: Sequence[Outcome] | None,
        error: aio.AioRpcError | None,
        seconds: float,
    ) -> None:
        """`outcomes` is None when the whole batch failed; then `error` is the call's, or None for a wrong answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """max_wait_seconds: a webhook that waits longer for its batch to leave is given up."""

    max_webhooks: int
    max_in_flight: int
    max_waiting: int
    max_wait_seconds: float
    max_bytes: int = MAX_BATCH_BYTES
    max_waiting_bytes: int = MAX_WAITING_BYTES


@dataclass(slots=True)
class _Waiting:
    webhook: ReceivedWebhook
    on_outcome: OnOutcome
    since: float
    size: int


class Batcher:
    """Collects webhooks and sends them with `accept(request, request_id)`, which raises AioRpcError."""

    def __init__(self, accept: Accept, limits: BatchLimits, observer: BatchObserver) -> None:
        self._accept = accept
        self._limits = limits
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._in_flight: dict[asyncio.Task[None], int] = {}
        self._pump_is_due = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """Webhooks that wait for their batch to leave."""
        return len(self._waiting)

    def submit(self, webhook: ReceivedWebhook) -> asyncio.Future[Outcome | None]:
        """Its outcome, see `submit_to`."""
        outcome: asyncio.Future[Outcome | None] = self._loop.create_future()

        def settle(result: Outcome | None) -> None:
            if not outcome.done():  # a request that was cancelled waits no more
                outcome.set_result(result)

        self.submit_to(webhook, settle)
        return outcome

    def submit_to(self, webhook: ReceivedWebhook, on_outcome: OnOutcome) -> None:
        """Calls `on_outcome` once, with the outcome or None when it was not stored and the provider should send it
        again. It must not raise.

        Raises OverloadedError when as many wait as may, and after `close`.
        """
        size = len(webhook.body)
        if (
            self._closed
            or len(self._waiting) >= self._limits.max_waiting
            or self._waiting_bytes + size > self._limits.max_waiting_bytes
        ):
            raise OverloadedError("too many webhooks are waiting")
        self._waiting.append(_Waiting(webhook, on_outcome, self._loop.time(), size))
        self._waiting_bytes += size
        if not self._pump_is_due and self._may_leave():
            # After the requests that the event loop has in hand already: they join without a delay.
            self._pump_is_due = True
            self._loop.call_soon(self._pump)

    async def close(self) -> None:
        """Takes no more, and returns when all that waited have their outcome."""
        self._closed = True
        while self._waiting or self._in_flight:
            self._pump()
            await asyncio.gather(*self._in_flight)

    def _pump(self) -> None:
        self._pump_is_due = False
        while self._may_leave() and (batch := self._take_batch()):
            task = self._loop.create_task(self._send(batch))
            self._in_flight[task] = len(batch)
            task.add_done_callback(self._sent)

    def _may_leave(self) -> bool:
        """The first batch leaves at once. One beside it is worth a call only if it is as large."""
        if not self._in_flight:
            return True
        if len(self._in_flight) >= self._limits.max_in_flight:
            return False
        return len(self._waiting) >= min(max(self._in_flight.values()), self._limits.max_webhooks)

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._pump()

    def _even_share(self) -> int:
        """Webhooks in each batch, if all that wait and are under way were in as many as may be under way."""
        outstanding = len(self._waiting) + sum(self._in_flight.values())
        return -(-outstanding // self._limits.max_in_flight)

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        oldest = self._loop.time() - self._limits.max_wait_seconds
        most = min(self._limits.max_webhooks, max(self._even_share(), MIN_SHARE))
        while self._waiting and len(batch) < most:
            item = self._waiting[0]
            if batch and size + item.size > self._limits.max_bytes:
                break
            self._waiting.popleft()
            self._waiting_bytes -= item.size
            if item.since < oldest:
                item.on_outcome(None)
                continue
            batch.append(item)
            size += item.size
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        webhooks = [item.webhook for item in batch]
        if not traces.enabled():
            await self._call(batch, webhooks)
            return
        with traces.batch_span("AcceptWebhooks", [webhook.trace for webhook in webhooks], kind=traces.Kind.CLIENT):
            await self._call(batch, webhooks)

    async def _call(self, batch: list[_Waiting], webhooks: Sequence[ReceivedWebhook]) -> None:
        outcomes: Sequence[Outcome] | None = None
        error: aio.AioRpcError | None = None
        started = self._loop.time()
        try:
            response = await self._accept(to_request(webhooks), webhooks[0].request_id)
            if len(response.outcomes) == len(batch):
                outcomes = response.outcomes
        except aio.AioRpcError as exc:
            error = exc
        finally:
            for index, item in enumerate(batch):
                item.on_outcome(None if outcomes is None else outcomes[index])
        self._observer.batch_done(webhooks, outcomes, error, self._loop.time() - started)


def to_request(webhooks: Sequence[ReceivedWebhook]) -> ingress_pb2.AcceptWebhooksRequest:
    """The message. Header values are ISO 8859-1 (RFC 9110, section 5.5), so that no byte is lost."""
    request = ingress_pb2.AcceptWebhooksRequest()
    for webhook in webhooks:
        message = request.webhooks.add(
            provider=webhook.provider,
            method=webhook.method,
            path=webhook.path,
            query=webhook.query,
            body=webhook.body,
            source_ip=webhook.source_ip,
            request_id=webhook.request_id,
        )
        if webhook.trace is not traces.NOWHERE:
            message.traceparent, message.tracestate = webhook.trace.traceparent, webhook.trace.tracestate
        add_header = message.headers.add
        for name, value in webhook.headers:
            add_header(name=name.decode("latin-1"), value=value.decode("latin-1"))
    return request
