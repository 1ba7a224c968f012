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
from rich.markup import escape
from rich.table import Table

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.local.addresses import free_addresses
from tenrusl.local.demo_steps import MAX_ATTEMPTS, Expected, Request, Step, demo_steps
from tenrusl.local.ports import PortReservations
from tenrusl.local.process import StartError
from tenrusl.local.stack import Stack
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Reply

# What a shell may hold for other purposes must not reach the demo.
_OWN_NAMES = ("APP_", "DB_", "REDIS_", "TENRUSL_", "CACHE_")
# Failed events are due again at once, and given up soon. This machine is its own proxy, see ELSEWHERE.
_SETTINGS = {
    "TENRUSL_TRUSTED_PROXIES": "127.0.0.1/32",
    "TENRUSL_RETRY_BASE_SECONDS": "0.02",
    "TENRUSL_RETRY_CAP_SECONDS": "0.05",
    "TENRUSL_RETRY_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
}
_SETTLE_SECONDS = 10.0
_POLL_SECONDS = 0.02
_TABLE_WIDTH = 140
_MAX_SHOWN = 36  # characters of an answer
_PROBLEM = "application/problem+json"  # RFC 9457


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What came of a request. reply: the answer; event, payment: as in Expected."""

    reply: Reply
    event: tuple[str, int, int] | None
    payment: str | None

    def fulfils(self, expected: Expected) -> bool:
        if expected.reply is not None and self.reply != expected.reply:
            return False
        return (self.reply.status, self.event, self.payment) == (expected.answer, expected.event, expected.payment)


def demo(*, environ: Mapping[str, str]) -> bool:
    """Whether every line is as it must be. Leaves its logs only when one is not. Raises StartError."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-demo-"))
    ports = PortReservations()
    own = {name: value for name, value in environ.items() if not name.startswith(_OWN_NAMES)}
    passed = False
    try:
        print("starting PostgreSQL, Valkey and the five services on free ports …", flush=True)
        with (
            Stack(folder=folder, environ={**own, **_SETTINGS, **free_addresses(ports)}, keep_data=False) as stack,
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
        return [(step, observer.send(step)) for step in demo_steps(stack.signers, SystemClock())]
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
        request, http = step.request, step.request.http
        answer = self._http.request(http.method, http.target, headers=dict(http.headers), content=http.body)
        deadline = time.monotonic() + _SETTLE_SECONDS
        event = self._event(request)
        while event != step.expected.event and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            event = self._event(request)
        reply = Reply(answer.status_code, answer.content, answer.headers.get("content-type"))
        return Observed(reply=reply, event=event, payment=self._payment(request))

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
        answer = self._http.get(f"/api/v1/payments/{request.provider}/{request.reference}/status")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        document: dict[str, Any] = answer.raise_for_status().json()
        return str(document["status"])


def _print(lines: list[tuple[Step, Observed]], seconds: float) -> None:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("provider", "sent", "answered", "event", "payment", ""):
        table.add_column(heading, no_wrap=heading in ("sent", "answered"))
    shown = ""
    for step, seen in lines:
        provider = step.request.provider
        if shown and provider != shown:
            table.add_section()
        table.add_row(
            provider if provider != shown else "",
            step.what,
            _reply_text(seen.reply),
            _event_text(seen.event),
            seen.payment or "none",
            "[green]ok[/]"
            if seen.fulfils(step.expected)
            else f"[red]WRONG[/], must be {_expected_text(step.expected)}",
        )
        shown = provider
    console = Console(width=None if sys.stdout.isatty() else _TABLE_WIDTH, highlight=False)
    console.print(table)
    good = sum(seen.fulfils(step.expected) for step, seen in lines)
    console.print("event: its status, tries where not one, x2: delivered twice")
    console.print(f"{good} of {len(lines)} lines are as they must be, in {seconds:.1f} s")


def _reply_text(reply: Reply) -> str:
    """Answers with a problem are the gateway's own and all alike."""
    if not reply.body or reply.content_type == _PROBLEM:
        return str(reply.status)
    text = f"{reply.status} {reply.body.decode('utf-8', 'replace')}"
    return escape(text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…")


def _expected_text(expected: Expected) -> str:
    reply = str(expected.answer) if expected.reply is None else _reply_text(expected.reply)
    return f"{reply}, {_event_text(expected.event)}, {expected.payment or 'none'}"


def _event_text(event: tuple[str, int, int] | None) -> str:
    if event is None:
        return "not stored"
    status, attempts, deliveries = event
    return f"{status}{f' {attempts} tries' if attempts != 1 else ''}{f' x{deliveries}' if deliveries != 1 else ''}"
