"""A gateway in a thread, and a processor that knows its events. Tests make them do wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import grpc

from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.payments import StatusReport, fold
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, PaymentKey, Webhook

_PAYMENTS = "/api/v1/payments/"


class FakeGateway(ThreadingHTTPServer):
    """forced: answers every webhook so, whatever it is. forgets, misjudges: of payments, when it is asked for them.

    loses: of every provider in it, the first event that was acknowledged. statuses: what the processor tells of an
    event, by provider; processed for all others. slow: so many look-ups find nothing processed yet. processor: its
    gRPC target, while it runs.
    """

    daemon_threads = True

    def __init__(self, credentials: Mapping[str, Credentials]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.credentials = credentials
        self.forced: int | None = None
        self.forgets = False
        self.misjudges = False
        self.loses: set[str] = set()
        self.statuses: dict[str, common_pb2.EventStatus] = {}
        self.slow = 0
        self.processor = ""
        self.asked: list[tuple[str, int]] = []
        self.connections = 0
        self.received = threading.Event()
        self._lock = threading.Lock()
        self._stored: dict[tuple[str, str], int] = {}
        self._reports: dict[tuple[str, str], dict[str, StatusReport]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def events(self) -> int:
        """How many events were acknowledged; a busy machine may send fewer than it was told to."""
        return len(self._stored)

    @property
    def options(self) -> tuple[str, ...]:
        """Of the command line."""
        return ("--target", self.url, "--processor", self.processor)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def judge(self, name: str, webhook: Webhook) -> int:
        """The answer's status."""
        self.received.set()
        if self.forced is not None:
            return self.forced
        provider, now = PROVIDERS[name], datetime.now(UTC)
        if not provider.verify(webhook, self.credentials[name], now.timestamp()).valid:
            return 401
        event = provider.extract(webhook)
        with self._lock:
            if name in self.loses:
                self.loses.remove(name)
            else:
                key = (name, event.event_id)
                self._stored[key] = self._stored.get(key, 0) + 1
        by_merchant = provider.payment_key is PaymentKey.MERCHANT_REF
        reference = event.merchant_ref if by_merchant else event.provider_ref
        if event.payment_status is None or reference is None:
            return 200
        report = StatusReport(event_id=uuid4(), status=event.payment_status, occurred_at=event.occurred_at or now)
        if self.statuses.get(name, common_pb2.EVENT_STATUS_PROCESSED) != common_pb2.EVENT_STATUS_PROCESSED:
            return 200
        with self._lock:
            self._reports.setdefault((name, reference), {}).setdefault(event.event_id, report)
        return 200

    def state(self, name: str, reference: str) -> str | None:
        """What it tells of a payment."""
        with self._lock:
            reports = list(self._reports.get((name, reference), {}).values())
        if self.forgets or not reports:
            return None
        return "nonsense" if self.misjudges else str(fold(reports))

    def look_up(self, name: str, event_id: str) -> processor_pb2.EventLookup:
        """What the processor tells of an event."""
        with self._lock:
            deliveries = self._stored.get((name, event_id), 0)
            self.slow -= 1
            is_early = self.slow >= 0
        if not deliveries:
            return processor_pb2.EventLookup(event_id=event_id, missing=True)
        status = self.statuses.get(name, common_pb2.EVENT_STATUS_PROCESSED)
        if is_early:
            status = common_pb2.EVENT_STATUS_RECEIVED
        return processor_pb2.EventLookup(event_id=event_id, status=status, attempts=1, deliveries=deliveries)


class _Processor(processor_pb2_grpc.ProcessorServiceServicer):
    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    def LookUpEvents(  # noqa: N802 - the name of the RPC
        self, request: processor_pb2.LookUpEventsRequest, context: Any
    ) -> processor_pb2.LookUpEventsResponse:
        self._gateway.asked.append((request.provider, len(request.event_ids)))
        results = [self._gateway.look_up(request.provider, event_id) for event_id in request.event_ids]
        return processor_pb2.LookUpEventsResponse(results=results)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeGateway

    def do_GET(self) -> None:
        if self.path.startswith(_PAYMENTS):
            name, _, reference = self.path.removeprefix(_PAYMENTS).removesuffix("/status").partition("/")
            state = self.server.state(name, unquote(reference))
            self._answer(404 if state is None else 200, {"status": state})
        elif self.path == "/up":
            self._answer(200, {})
        else:
            self._webhook()

    def do_POST(self) -> None:
        self._webhook()

    def _webhook(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path, _, query = self.path.partition("?")
        webhook = Webhook(
            method=self.command,
            path=path,
            query=query,
            headers=Headers(list(self.headers.items())),
            body=body,
            source_ip="127.0.0.1",
        )
        self._answer(self.server.judge(path.rpartition("/")[2], webhook), {})

    def _answer(self, status: int, document: Mapping[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def fake_gateway(credentials: Mapping[str, Credentials]) -> Iterator[FakeGateway]:
    """Serves until the block is left, as does the processor beside it."""
    gateway = FakeGateway(credentials)
    thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    processor = grpc.server(ThreadPoolExecutor(4))
    processor_pb2_grpc.add_ProcessorServiceServicer_to_server(_Processor(gateway), processor)
    gateway.processor = f"dns:///127.0.0.1:{processor.add_insecure_port('127.0.0.1:0')}"
    processor.start()
    try:
        yield gateway
    finally:
        processor.stop(None).wait()
        gateway.shutdown()
        thread.join()
        gateway.server_close()
