"""Does the steps of `make demo`, and looks what becomes of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.local.demo_lines import DEMO_PROVIDERS, Act, EventState, Expected, Request, Step
from tenrusl.local.stack import Stack
from tenrusl.providers.types import Reply
from tenrusl.rpc.operators import ADMIN_KEY

_SETTLE_SECONDS = 10.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What came of a step. reply: the answer, None where no webhook was sent; event, payment: as in Expected."""

    reply: Reply | None
    event: EventState | None
    payment: str | None

    def fulfils(self, expected: Expected) -> bool:
        if expected.reply is not None and self.reply != expected.reply:
            return False
        answer = None if self.reply is None else self.reply.status
        return (answer, self.event, self.payment) == (expected.answer, expected.event, expected.payment)


class Observer:
    """Sends webhooks, and asks the payments API and, for events, the database, the processor and admin."""

    def __init__(self, stack: Stack) -> None:
        assert stack.postgres is not None
        self._http = httpx.Client(base_url=stack.gateway_url, timeout=_SETTLE_SECONDS, trust_env=False)
        url = stack.postgres.url(stack.settings.db_database).replace("+psycopg", "")
        self._database = psycopg.connect(url, autocommit=True)
        self._channel = stack.channel("processor")
        self._processor = processor_pb2_grpc.ProcessorServiceStub(self._channel)
        self._admin = stack.channel("admin")
        self._backlog = backlog_pb2_grpc.BacklogServiceStub(self._admin)
        self._key = ((ADMIN_KEY, stack.settings.admin_key.reveal()),)

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()
        self._channel.close()
        self._database.close()
        self._http.close()

    def do(self, step: Step) -> Observed:
        """Does it and waits, at most ten seconds, until its event is as expected."""
        request = step.request
        reply = None
        if step.act is Act.SEND:
            reply = self._send(request)
            if step.learn is not None:
                step.learn(reply)
        else:
            self._decide(step.act, request)
        deadline = time.monotonic() + _SETTLE_SECONDS
        event = self._event(request)
        while event != step.expected.event and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            event = self._event(request)
        return Observed(reply=reply, event=event, payment=self._payment(request))

    def _send(self, request: Request) -> Reply:
        http = request.http
        answer = self._http.request(http.method, http.target, headers=dict(http.headers), content=http.body)
        return Reply(answer.status_code, answer.content, answer.headers.get("content-type"))

    def _decide(self, act: Act, request: Request) -> None:
        row = self._row(request)
        event_ids = [] if row is None else [row[0]]
        if act is Act.CONFIRM:
            confirm = backlog_pb2.ConfirmEventsRequest(event_ids=event_ids)
            self._backlog.ConfirmEvents(confirm, timeout=_SETTLE_SECONDS, metadata=self._key)
        else:
            refute = backlog_pb2.RefuteEventsRequest(event_ids=event_ids)
            self._backlog.RefuteEvents(refute, timeout=_SETTLE_SECONDS, metadata=self._key)

    def _event(self, request: Request) -> EventState | None:
        row = self._row(request)
        if row is None:
            return None
        event_id, status, attempts, deliveries = row
        if status == "failed":
            # What a scheduler does: offer what failed again. It is claimed when it is due.
            self._processor.ProcessEvents(
                processor_pb2.ProcessEventsRequest(event_ids=[event_id]), timeout=_SETTLE_SECONDS
            )
        return status, attempts, deliveries

    def _row(self, request: Request) -> tuple[str, str, int, int] | None:
        """Our id, status, attempts, deliveries."""
        row: tuple[str, str, int, int] | None = self._database.execute(
            "SELECT id::text, status, attempts, deliveries FROM webhook_events WHERE provider = %s AND event_id = %s",
            [request.provider, request.event_id],
        ).fetchone()
        return row

    def _payment(self, request: Request) -> str | None:
        if request.provider not in DEMO_PROVIDERS:
            return None
        answer = self._http.get(f"/api/v1/payments/{request.provider}/{request.reference}/status")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        document: dict[str, Any] = answer.raise_for_status().json()
        return str(document["status"])
