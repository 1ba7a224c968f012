"""A gateway in a thread: verifies, and tells the payments' states. Tests make it do wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from tenrusl.payments import StatusReport, fold
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, PaymentKey, Webhook

_PAYMENTS = "/api/v1/payments/"


class FakeGateway(ThreadingHTTPServer):
    """forced: answers every webhook so, whatever it is. forgets, misjudges: of payments, when it is asked for them."""

    daemon_threads = True

    def __init__(self, credentials: Mapping[str, Credentials]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.credentials = credentials
        self.forced: int | None = None
        self.forgets = False
        self.misjudges = False
        self.connections = 0
        self.received = threading.Event()
        self._lock = threading.Lock()
        self._reports: dict[tuple[str, str], dict[str, StatusReport]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

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
        by_merchant = provider.payment_key is PaymentKey.MERCHANT_REF
        reference = event.merchant_ref if by_merchant else event.provider_ref
        if event.payment_status is None or reference is None:
            return 200
        report = StatusReport(event_id=uuid4(), status=event.payment_status, occurred_at=event.occurred_at or now)
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
    """Serves until the block is left."""
    gateway = FakeGateway(credentials)
    thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()
