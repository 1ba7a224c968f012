"""The table that `make demo` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tenrusl.local.demo_lines import EventState, Expected, Step
from tenrusl.local.demo_observer import Observed
from tenrusl.providers.types import Reply

_TABLE_WIDTH = 140
_MAX_SHOWN = 36  # characters of an answer
_PROBLEM = "application/problem+json"  # RFC 9457


def print_table(lines: Sequence[tuple[Step, Observed]], seconds: float) -> None:
    """A line for each step. seconds: that they took."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("provider", "what", "answered", "event", "payment", ""):
        table.add_column(heading, no_wrap=heading in ("what", "answered"))
    shown = ""
    for step, seen in lines:
        provider = step.request.provider
        if shown and provider != shown:
            table.add_section()
        table.add_row(
            provider if provider != shown else "",
            step.what,
            step.act if seen.reply is None else _reply_text(seen.reply),
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
    reply = str(expected.answer or "no answer") if expected.reply is None else _reply_text(expected.reply)
    return f"{reply}, {_event_text(expected.event)}, {expected.payment or 'none'}"


def _event_text(event: EventState | None) -> str:
    if event is None:
        return "not stored"
    status, attempts, deliveries = event
    return f"{status}{f' {attempts} tries' if attempts != 1 else ''}{f' x{deliveries}' if deliveries != 1 else ''}"
