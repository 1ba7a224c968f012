"""`tenrusl report`: the daily and the weekly review."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import typer
from rich.table import Table

from tenrusl.api.admin.v1 import report_pb2, report_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json
from tenrusl.cli.rpc import call
from tenrusl.cli.tables import new_table, print_table, time_text

reviews = typer.Typer(no_args_is_help=True, help="What to review each day and each week.")
_CALL_SECONDS = 30.0
_Stub = report_pb2_grpc.ReportServiceStub


@reviews.command()
def daily(json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Count what failed and what is due, and find the busiest hour and minute of the last 24 hours.

    Example: tenrusl report daily
    """
    answer = _ask(admin, lambda stub: stub.GetDailyReport(report_pb2.GetDailyReportRequest(), timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
        return
    at_least = "at least " if answer.capped else ""
    about = "about " if answer.traffic_estimated else ""
    rows = [
        ("failed, to be tried again", f"{at_least}{answer.failed}"),
        ("due now", f"{at_least}{answer.due} of {answer.unfinished} unfinished"),
        ("tries of unfinished, average", f"{answer.average_attempts:.1f}"),
        ("dead letters", f"{at_least}{answer.dead_letters}"),
        ("wait for confirmation", f"{at_least}{answer.unconfirmed}"),
        ("arrived in 24 hours", f"{about}{answer.arrived}"),
    ]
    for name, peak in (("busiest hour", answer.busiest_hour), ("busiest minute", answer.busiest_minute)):
        rows.append((name, f"{about}{peak.events} from {time_text(peak.start_time)}" if peak.events else "none came"))
    print_table(new_table("daily report", f"{time_text(answer.time)} UTC", rows=rows))


@reviews.command()
def weekly(json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """List the secrets with their age and whether they are due to be rotated, and the state of retention.

    A secret of the environment has no age that is known: whoever set it knows whether it is due.

    Example: tenrusl report weekly
    """
    answer = _ask(admin, lambda stub: stub.GetWeeklyReport(report_pb2.GetWeeklyReportRequest(), timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
        return
    print(f"weekly report, {time_text(answer.time)} UTC; secrets are due after {answer.secret_max_age_days} days\n")
    print_table(_secrets(answer))
    print()
    print_table(_retention(answer))
    print()
    print(
        f"oldest day with payloads: {answer.oldest_day or 'none'}; {answer.overdue_days} days past the retention still "
        f"have theirs; {answer.purged_days} of the last 90 days were purged"
    )
    print(f"{answer.held_payloads} payloads are held, {answer.retained_payloads} outlived their day (10000: or more)")


def _secrets(answer: report_pb2.GetWeeklyReportResponse) -> Table:
    return new_table("provider", "field", "version", "since (UTC)", "days", "", rows=map(_secret_cells, answer.secrets))


def _secret_cells(item: report_pb2.SecretAge) -> tuple[str, ...]:
    state = "rotating" if item.rotating else "due" if item.due else "age unknown" if item.age_unknown else ""
    age = "" if item.age_unknown else str(item.age_days)
    return item.provider, item.field, item.version, time_text(item.create_time), age, state


def _retention(answer: report_pb2.GetWeeklyReportResponse) -> Table:
    rows = (
        ("all others" if item.provider == "*" else item.provider, str(item.days), item.first_kept)
        for item in answer.retention
    )
    return new_table("payloads of", "days kept", "first day kept", rows=rows)


def _ask(admin: str, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    return call(admin, _Stub, ask)
