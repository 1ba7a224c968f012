"""`make demo`: real signed traffic through a real stack, and a table of what became of it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.local.addresses import free_addresses
from tenrusl.local.demo_steps import MAX_ATTEMPTS, Expected, Request, Step, demo_steps
from tenrusl.local.ports import PortReservations
from tenrusl.local.process import StartError
from tenrusl.local.stack import Stack
from tenrusl.providers import PROVIDERS

# What a shell may hold for other purposes must not reach the demo.
_OWN_NAMES = ("APP_", "DB_", "REDIS_", "TENRUSL_", "CACHE_")
# Failed events are due again at once, and given up soon.
_RETRIES = {
    "TENRUSL_RETRY_BASE_SECONDS": "0.02",
    "TENRUSL_RETRY_CAP_SECONDS": "0.05",
    "TENRUSL_RETRY_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
}
_SETTLE_SECONDS = 10.0
_POLL_SECONDS = 0.02
_TABLE_WIDTH = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What came of a request; the fields are those of Expected."""

    answer: int
    event: tuple[str, int, int] | None
    payment: str | None

    def fulfils(self, expected: Expected) -> bool:
        return (self.answer, self.event, self.payment) == (expected.answer, expected.event, expected.payment)


def demo(*, environ: Mapping[str, str]) -> bool:
    """Whether every line is as it must be. Leaves its logs only when one is not. Raises StartError."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-demo-"))
    ports = PortReservations()
    own = {name: value for name, value in environ.items() if not name.startswith(_OWN_NAMES)}
    passed = False
    try:
        print("starting PostgreSQL, Valkey and the five services on free ports …", flush=True)
        with (
            Stack(folder=folder, environ={**own, **_RETRIES, **free_addresses(ports)}, keep_data=False) as stack,
            _Observer(stack) as observer,
        ):
            began = time.monotonic()
            lines = _send_all(stack, observer)
            seconds = time.monotonic() - began
        passed = all(seen.fulfils(step.expected) for step, seen in lines)
        _print(lines, seconds)
        if not passed:
            print(f"the logs are in {folder}/logs")
    finally:
        ports.release()
        if passed or sys.exc_info()[0] is not None:
            shutil.rmtree(folder)
    return passed


def _send_all(stack: Stack, observer: _Observer) -> list[tuple[Step, Observed]]:
    try:
        return [(step, observer.send(step)) for step in demo_steps(stack.settings, SystemClock().now())]
    except (httpx.HTTPError, grpc.RpcError, psycopg.Error) as exc:
        ended = stack.ended()
        raise StartError(ended.obituary() if ended is not None else f"{type(exc).__name__}: {exc}") from exc


class _Observer:
    """Sends requests and looks what becomes of them: by the payments API, and in the database for events."""

    def __init__(self, stack: Stack) -> None:
        assert stack.postgres is not None
        self._http = httpx.Client(base_url=stack.gateway_url, timeout=_SETTLE_SECONDS, trust_env=False)
        url = stack.postgres.url(stack.settings.db_database).replace("+psycopg", "")
        self._database = psycopg.connect(url, autocommit=True)
        self._channel = grpc.insecure_channel(stack.target("processor"))
        self._processor = processor_pb2_grpc.ProcessorServiceStub(self._channel)

    def __enter__(self) -> _Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._database.close()
        self._http.close()

    def send(self, step: Step) -> Observed:
        """Sends it and waits, at most ten seconds, until its event is as expected."""
        request = step.request
        answer = self._http.post(f"/api/webhooks/{request.provider}", headers=request.headers, content=request.body)
        deadline = time.monotonic() + _SETTLE_SECONDS
        event = self._event(request)
        while event != step.expected.event and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            event = self._event(request)
        return Observed(answer=answer.status_code, event=event, payment=self._payment(request))

    def _event(self, request: Request) -> tuple[str, int, int] | None:
        row = self._database.execute(
            "SELECT id::text, status, attempts, deliveries FROM webhook_events WHERE provider = %s AND event_id = %s",
            [request.provider, request.event_id],
        ).fetchone()
        if row is None:
            return None
        event_id, status, attempts, deliveries = row
        if status == "failed":
            # What a scheduler does: offer what failed again. It is claimed when it is due.
            self._processor.ProcessEvents(
                processor_pb2.ProcessEventsRequest(event_ids=[event_id]), timeout=_SETTLE_SECONDS
            )
        return status, attempts, deliveries

    def _payment(self, request: Request) -> str | None:
        if request.provider not in PROVIDERS:
            return None
        answer = self._http.get(f"/api/v1/payments/{request.provider}/{request.payment_ref}/status")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        document: dict[str, Any] = answer.raise_for_status().json()
        return str(document["status"])


def _print(lines: list[tuple[Step, Observed]], seconds: float) -> None:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("provider", "sent", "answered", "event", "payment", "expected", ""):
        table.add_column(heading)
    for step, seen in lines:
        expected = step.expected
        table.add_row(
            step.request.provider,
            step.what,
            str(seen.answer),
            _event_text(seen.event),
            seen.payment or "none",
            f"{expected.answer}, {_event_text(expected.event)}, {expected.payment or 'none'}",
            "[green]ok[/]" if seen.fulfils(expected) else "[red]WRONG[/]",
        )
    console = Console(width=None if sys.stdout.isatty() else _TABLE_WIDTH, highlight=False)
    console.print(table)
    good = sum(seen.fulfils(step.expected) for step, seen in lines)
    console.print("event: its status, tries where not one, x2: delivered twice")
    console.print(f"{good} of {len(lines)} lines are as they must be, in {seconds:.1f} s")


def _event_text(event: tuple[str, int, int] | None) -> str:
    if event is None:
        return "not stored"
    status, attempts, deliveries = event
    return f"{status}{f' {attempts} tries' if attempts != 1 else ''}{f' x{deliveries}' if deliveries != 1 else ''}"
