"""`tenrusl backlog`: what is not done yet, and why."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json
from tenrusl.cli.rpc import CallError, call, try_call
from tenrusl.cli.tables import duration_text, new_console, new_table, plain, print_table, time_text

backlog = typer.Typer()  # its help is that of `show`
_CALL_SECONDS = 30.0
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

    --watch goes on when a call fails, and shows how, but for a key that is not accepted.

    Example: tenrusl backlog --watch
    """
    if context.invoked_subcommand is not None:
        return
    if not watch:
        answer = _ask(admin)
        print_json(answer) if json else new_console().print(_screen(answer))
        return
    try:
        _watch_lines(admin, every) if json else _watch_screen(admin, every)
    except KeyboardInterrupt:
        raise typer.Exit from None
    except CallError as exc:
        print(exc, file=sys.stderr)
        raise typer.Exit(exc.exit_status) from None


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
        print_table(new_table("check", "", "found", "helps", rows=map(_finding_cells, answer.findings)))
    if any(finding.severity == backlog_pb2.SEVERITY_CRITICAL for finding in answer.findings):
        raise typer.Exit(1)


def _watch_lines(admin: str, every: float) -> None:
    while True:
        try:
            print_json(_try_ask(admin))
        except CallError as exc:
            if exc.final:
                raise
            print(exc, file=sys.stderr)
        time.sleep(every)


def _watch_screen(admin: str, every: float) -> None:
    """After a failed call what was known stays, with the error below."""
    known = Group()
    with Live(console=new_console(), auto_refresh=False) as live:
        while True:
            failed: list[Text] = []
            try:
                known = _screen(_try_ask(admin))
            except CallError as exc:
                if exc.final:
                    raise
                failed = [Text(), plain(str(exc))]
            live.update(Group(known, *failed), refresh=True)
            time.sleep(every)


def _ask(admin: str) -> backlog_pb2.GetBacklogResponse:
    return call(admin, _Stub, _get)


def _try_ask(admin: str) -> backlog_pb2.GetBacklogResponse:
    return try_call(admin, _Stub, _get)


async def _get(stub: _Stub) -> backlog_pb2.GetBacklogResponse:
    answer: backlog_pb2.GetBacklogResponse = await stub.GetBacklog(
        backlog_pb2.GetBacklogRequest(), timeout=_CALL_SECONDS
    )
    return answer


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
    parts: list[Text | Table] = [plain(line) for line in lines]
    if answer.providers:
        parts += [Text(), _providers(answer), Text(), _attempts(answer)]
    if answer.dead_letters:
        parts += [Text(), _dead_letters(answer)]
    return Group(*parts)


def _providers(answer: backlog_pb2.GetBacklogResponse) -> Table:
    rows = (
        (
            item.provider,
            *map(str, (item.received, item.processing, item.failed, item.due)),
            time_text(item.oldest_due_time),
            str(item.unconfirmed),
        )
        for item in answer.providers
    )
    return new_table(
        *("provider", "received", "processing", "failed", "due", "oldest due (UTC)", "unconfirmed"), rows=rows
    )


def _attempts(answer: backlog_pb2.GetBacklogResponse) -> Table:
    return new_table("tries", "unfinished", rows=((str(item.attempts), str(item.events)) for item in answer.attempts))


def _dead_letters(answer: backlog_pb2.GetBacklogResponse) -> Table:
    rows = ((item.provider, item.failure_code, str(item.events)) for item in answer.dead_letters)
    return new_table("dead letters of", "cause", "events", rows=rows)


def _finding_cells(finding: backlog_pb2.Finding) -> tuple[str | Text, ...]:
    word = backlog_pb2.Severity.Name(finding.severity).removeprefix("SEVERITY_").lower()
    color = _COLORS.get(finding.severity, "red")
    return finding.check, Text(word, style=color), finding.evidence, finding.command
