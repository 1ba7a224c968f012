"""`tenrusl backlog`: what is not done yet, and why."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.rpc import call
from tenrusl.cli.runs import Json, print_json
from tenrusl.cli.tables import duration_text, plain, time_text

backlog = typer.Typer(help="What is not done yet, and why.")
_CALL_SECONDS = 30.0
_WIDTH = 200  # where there is no terminal
_Stub = backlog_pb2_grpc.BacklogServiceStub
_COLORS = {backlog_pb2.SEVERITY_OK: "green", backlog_pb2.SEVERITY_WARNING: "yellow"}


@backlog.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two, with --watch.")] = 2.0,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Count what is unfinished. With --watch and --json one line each time.

    Example: tenrusl backlog --watch
    """
    if context.invoked_subcommand is not None:
        return
    if not watch:
        answer = _ask(admin)
        print_json(answer) if json else _console().print(_screen(answer))
        return
    try:
        _watch(admin, every, json=json)
    except KeyboardInterrupt:
        raise typer.Exit from None


@backlog.command()
def diagnose(json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Measure what makes the backlog grow, the worst first, with the command that helps.

    Exit status 1 when something is critical. Example: tenrusl backlog diagnose
    """

    async def ask(stub: _Stub) -> backlog_pb2.DiagnoseBacklogResponse:
        request = backlog_pb2.DiagnoseBacklogRequest()
        answer: backlog_pb2.DiagnoseBacklogResponse = await stub.DiagnoseBacklog(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    else:
        table = Table("check", "", "found", "helps", box=None)
        for finding in answer.findings:
            word = backlog_pb2.Severity.Name(finding.severity).removeprefix("SEVERITY_").lower()
            color = _COLORS.get(finding.severity, "red")
            table.add_row(finding.check, Text(word, style=color), plain(finding.evidence), plain(finding.command))
        _console().print(table)
    if any(finding.severity == backlog_pb2.SEVERITY_CRITICAL for finding in answer.findings):
        raise typer.Exit(1)


def _watch(admin: str, every: float, *, json: bool) -> None:
    if json:
        while True:
            print_json(_ask(admin))
            time.sleep(every)
    with Live(console=_console(), auto_refresh=False) as live:
        while True:
            live.update(_screen(_ask(admin)), refresh=True)
            time.sleep(every)


def _ask(admin: str) -> backlog_pb2.GetBacklogResponse:
    async def ask(stub: _Stub) -> backlog_pb2.GetBacklogResponse:
        answer: backlog_pb2.GetBacklogResponse = await stub.GetBacklog(
            backlog_pb2.GetBacklogRequest(), timeout=_CALL_SECONDS
        )
        return answer

    return call(admin, _Stub, ask)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _screen(answer: backlog_pb2.GetBacklogResponse) -> Group:
    at_least = "at least " if answer.capped else ""
    drain = "it does not shrink"
    if answer.HasField("time_to_drain"):
        drain = f"gone in {at_least}{duration_text(answer.time_to_drain)}" if answer.unfinished else "nothing to do"
    lines = [
        f"{time_text(answer.time)} UTC",
        f"{at_least}{answer.unfinished} unfinished, {answer.due} due now"
        + (f" since {time_text(answer.oldest_due_time)}" if answer.due else "")
        + f", {answer.average_attempts:.1f} tries on average, {answer.unconfirmed} wait for confirmation",
        f"{answer.arrivals_per_second:.1f} arrive and {answer.settled_per_second:.1f} are settled a second: {drain}",
    ]
    parts: list[Text | Table] = [Text(line) for line in lines]
    if answer.providers:
        parts += [Text(), _providers(answer), Text(), _attempts(answer)]
    if answer.dead_letters:
        parts += [Text(), _dead_letters(answer)]
    return Group(*parts)


def _providers(answer: backlog_pb2.GetBacklogResponse) -> Table:
    table = Table("provider", "received", "processing", "failed", "due", "oldest due (UTC)", "unconfirmed", box=None)
    for item in answer.providers:
        counts = (str(number) for number in (item.received, item.processing, item.failed, item.due))
        table.add_row(item.provider, *counts, time_text(item.oldest_due_time), str(item.unconfirmed))
    return table


def _attempts(answer: backlog_pb2.GetBacklogResponse) -> Table:
    table = Table("tries", "unfinished", box=None)
    for item in answer.attempts:
        table.add_row(str(item.attempts), str(item.events))
    return table


def _dead_letters(answer: backlog_pb2.GetBacklogResponse) -> Table:
    table = Table("dead letters of", "cause", "events", box=None)
    for item in answer.dead_letters:
        table.add_row(plain(item.provider), plain(item.failure_code), str(item.events))
    return table
