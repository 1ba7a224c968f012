"""The closing report of `tenrusl simulate`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tenrusl.cli.aftermath import Aftermath
from tenrusl.cli.event_fates import Fate, Fates, Found
from tenrusl.cli.tables import new_table, plain
from tenrusl.simulator.ledger import Ledger, Tally

_MAX_LISTED = 10
_PERCENTS = (50, 95, 99, 100)


def print_report(console: Console, ledger: Ledger, fates: Fates | None, aftermath: Aftermath, *, unsent: int) -> None:
    """What was sent, answered, how fast, and what became of it. fates: None where nobody told."""
    console.print(_table("provider", ledger.by_provider, total=ledger.all))
    console.print(_table("kind", {kind.value: tally for kind, tally in ledger.by_kind.items()}))
    if unsent:
        console.print(f"{unsent} webhooks were not sent: the answers before them took too long")
    if fates is None:
        console.print("events: nobody told what became of them")
    else:
        console.print(_fates_table(fates))
        missing = [event for event, found in fates.items() if found.fate is Fate.MISSING]
        for event in missing[:_MAX_LISTED]:
            console.print(plain(f"  missing: {event.provider} {event.event_id}"))
        _print_rest(console, len(missing))
    checked = aftermath.right + len(aftermath.wrong) + aftermath.absent + aftermath.untold
    console.print(f"payments: {aftermath.right} of {checked} are as they must be")
    if aftermath.absent:
        console.print(f"  {aftermath.absent} are not there, and need not be: their events are not applied yet")
    for expectation, state in aftermath.wrong[:_MAX_LISTED]:
        wanted = " or ".join(sorted(expectation.statuses))
        console.print(plain(f"  {expectation.provider} {expectation.reference}: {state}, must be {wanted}"))
    _print_rest(console, len(aftermath.wrong))


def report_document(
    ledger: Ledger, fates: Fates | None, aftermath: Aftermath, *, unsent: int, wrong: Sequence[str]
) -> dict[str, object]:
    """The report as JSON. events: by what became of them; null where nobody told. wrong: empty when all is well."""
    events = None if fates is None else Counter(found.fate.value for found in fates.values())
    return {
        "sent": ledger.all.sent,
        "unsent": unsent,
        "acked": ledger.all.acked,
        "wrongly_acked": ledger.wrongly_acked,
        "wrongly_refused": ledger.wrongly_refused,
        "events": events,
        "payments": {
            "right": aftermath.right,
            "wrong": len(aftermath.wrong),
            "absent": aftermath.absent,
            "untold": aftermath.untold,
        },
        "wrong": list(wrong),
    }


def findings(ledger: Ledger, fates: Fates | None, aftermath: Aftermath) -> list[str]:
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
    lines += _findings_of_events(fates or {})
    if aftermath.wrong:
        lines.append(f"{len(aftermath.wrong)} payments of acknowledged events are missing or in another state")
    if aftermath.untold:
        lines.append(f"of {aftermath.untold} payments of acknowledged events nobody could tell what became")
    return lines


def _findings_of_events(fates: Fates) -> list[str]:
    # Unconfirmed events wait for somebody, as they should, and those that were told to fail for their next try.
    at_fault = Counter(
        found.fate for event, found in fates.items() if not (found.fate is Fate.TO_BE_RETRIED and event.failing)
    )
    said = {
        Fate.MISSING: "acknowledged events are missing in the store",
        Fate.DEAD_LETTER: "acknowledged events became dead letters",
        Fate.TO_BE_RETRIED: "acknowledged events failed that were not told to",
        Fate.UNDER_WAY: "acknowledged events were not processed in time",
    }
    return [f"{at_fault[fate]} {text}" for fate, text in said.items() if at_fault[fate]]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` (over 0, to 100) of the values do not exceed (nearest rank). NaN for none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _table(heading: str, tallies: Mapping[str, Tally], total: Tally | None = None) -> Table:
    table = new_table(heading, "sent", "answers", "p50 ms", "p95 ms", "p99 ms", "max ms", box=SIMPLE_HEAD)
    for column in table.columns[1:2] + table.columns[3:]:
        column.justify = "right"
    for name, tally in sorted(tallies.items()):
        table.add_row(name, *_cells(tally))
    if total is not None and len(tallies) > 1:
        table.add_section()
        table.add_row("all", *_cells(total))
    return table


def _fates_table(fates: Fates) -> Table:
    table = new_table("events", "acked", *Fate, "uncovered", box=SIMPLE_HEAD)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    names = sorted({event.provider for event in fates})
    for name in names:
        _add_fates(table, name, [found for event, found in fates.items() if event.provider == name])
    if len(names) > 1:
        table.add_section()
        _add_fates(table, "all", list(fates.values()))
    table.caption = "uncovered: the signature does not cover what the event says"
    return table


def _add_fates(table: Table, name: str, found: Sequence[Found]) -> None:
    counted = Counter(one.fate for one in found)
    numbers = (len(found), *(counted[fate] for fate in Fate), sum(one.uncovered for one in found))
    table.add_row(name, *(str(number) for number in numbers))


def _print_rest(console: Console, number: int) -> None:
    if number > _MAX_LISTED:
        console.print(f"  and {number - _MAX_LISTED} more")


def _cells(tally: Tally) -> list[str]:
    answers = sorted(tally.answers.items(), key=lambda item: item[0] or 0)
    text = "  ".join(f"{'none' if status is None else status}: {count}" for status, count in answers)
    return [str(tally.sent), text, *(_milliseconds(percentile(tally.seconds, percent)) for percent in _PERCENTS)]


def _milliseconds(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.1f}"
