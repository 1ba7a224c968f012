"""The closing report of `tenrusl simulate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tenrusl.cli.aftermath import Aftermath
from tenrusl.simulator.ledger import Ledger, Tally

_MAX_LISTED = 10
_PERCENTS = (50, 95, 99, 100)


def print_report(console: Console, ledger: Ledger, aftermath: Aftermath, *, unsent: int) -> None:
    """What was sent, answered, how fast, and what became of it."""
    console.print(_table("provider", ledger.by_provider, total=ledger.all))
    console.print(_table("kind", {kind.value: tally for kind, tally in ledger.by_kind.items()}))
    if unsent:
        console.print(f"{unsent} webhooks were not sent: the answers before them took too long")
    checked = aftermath.right + len(aftermath.wrong) + aftermath.late + aftermath.untold
    console.print(f"payments: {aftermath.right} of {checked} are as they must be")
    if aftermath.late:
        console.print(f"  {aftermath.late} whose processing was told to fail are not there yet")
    for expectation, state in aftermath.wrong[:_MAX_LISTED]:
        wanted = " or ".join(sorted(expectation.statuses))
        console.print(f"  {expectation.provider} {expectation.reference}: {state}, must be {wanted}")
    if len(aftermath.wrong) > _MAX_LISTED:
        console.print(f"  and {len(aftermath.wrong) - _MAX_LISTED} more")


def findings(ledger: Ledger, aftermath: Aftermath) -> list[str]:
    """What is not as it must be, a line each; empty when all is well."""
    lines = []
    if ledger.wrongly_acked:
        lines.append(f"{ledger.wrongly_acked} forged or stale webhooks were accepted")
    if ledger.wrongly_refused:
        lines.append(
            f"{ledger.wrongly_refused} authentic webhooks were refused: is the provider allowed, are these its keys?"
        )
    if not ledger.all.acked:
        lines.append("no webhook was accepted")
    if aftermath.wrong:
        lines.append(f"{len(aftermath.wrong)} payments of acknowledged events are missing or in another state")
    if aftermath.untold:
        lines.append(f"of {aftermath.untold} payments of acknowledged events nobody could tell what became")
    return lines


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` (over 0, to 100) of the values do not exceed (nearest rank). NaN for none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _table(heading: str, tallies: Mapping[str, Tally], total: Tally | None = None) -> Table:
    table = Table(heading, "sent", "answers", "p50 ms", "p95 ms", "p99 ms", "max ms", box=SIMPLE_HEAD)
    for column in table.columns[1:2] + table.columns[3:]:
        column.justify = "right"
    for name, tally in sorted(tallies.items()):
        table.add_row(name, *_cells(tally))
    if total is not None and len(tallies) > 1:
        table.add_section()
        table.add_row("all", *_cells(total))
    return table


def _cells(tally: Tally) -> list[str]:
    answers = sorted(tally.answers.items(), key=lambda item: item[0] or 0)
    text = "  ".join(f"{'none' if status is None else status}: {count}" for status, count in answers)
    return [str(tally.sent), text, *(_milliseconds(percentile(tally.seconds, percent)) for percent in _PERCENTS)]


def _milliseconds(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.1f}"
