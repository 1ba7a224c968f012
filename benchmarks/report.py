"""The report, in Markdown. Pure: results in, text out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.cells import (
    NOTHING,
    Value,
    acked_per_second,
    drain_seconds,
    labels_of,
    latencies,
    markdown,
    p99_ms,
    processed_per_second,
    receivers_of,
    select,
    spread,
    stored,
)
from benchmarks.cost import Cost, cost_table
from benchmarks.drain import DrainFigures, drain_report
from benchmarks.purge import PurgeFigures, purge_report
from benchmarks.rounds import Measurement
from benchmarks.sizes import Sizes
from benchmarks.soak import SoakFigures
from benchmarks.verdicts import failures, troubles, verdicts
from benchmarks.verification import Timing, verification_table, verification_verdict
from benchmarks.workloads import Kind

_MEBIBYTE = 1024 * 1024
_ODD = (Kind.REPEATS, Kind.BODY, Kind.MIXED)


@dataclass(slots=True, kw_only=True)
class Results:
    """What a run has found; what it did not measure is empty or None. machine: what it ran on. command: how."""

    machine: str
    command: str
    rounds: int
    seconds: float = 0.0
    measurements: list[Measurement] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    drain: DrainFigures | None = None
    purge: PurgeFigures | None = None
    costs: list[Cost] = field(default_factory=list)
    sizes: Sizes = field(default_factory=dict)
    soak: SoakFigures | None = None

    def all_loads(self) -> list[Measurement]:
        """Those of the contest, of the sizes, of the costs and of the soak."""
        of_sizes = [m for measurements in self.sizes.values() for m in measurements]
        return [
            *self.measurements,
            *of_sizes,
            *(cost.load for cost in self.costs),
            *(self.soak.loads if self.soak else []),
        ]


def progress_line(measurement: Measurement) -> str:
    """One load in one line."""
    result = measurement.result
    return (
        f"round {measurement.round} {f'{measurement.workload.kind} {measurement.workload.label}':<40}"
        f"{measurement.receiver:<36}"
        f"{result.acked_per_second:>7,.0f} acked/s  p99 {result.p99_ms:>8,.1f} ms "
        f"{measurement.processed_per_second:>7,.0f} processed/s  {troubles(measurement) or 'all as it should be'}"
    )


def report(results: Results, *, plot: str | None) -> str:
    """The whole text. plot: file name of the picture beside it."""
    wrong = failures(results.all_loads())
    lost = "Every acknowledged webhook is stored once, as it was sent." if not wrong else "\n".join(wrong)
    parts = [
        "# What TenRusl and others reach",
        _introduction(results),
        _section("Targets", _fenced([*verdicts(results.measurements, results.soak)])),
        _section("Acked = stored", lost),
        f"![throughput, latency, table size and memory]({plot})" if plot else "",
        *_contest(results.measurements),
        _section("Where the CPU goes", cost_table(results.costs)) if results.costs else "",
        _section("Beside a grown table", _sizes_table(results.sizes)) if results.sizes else "",
        _section("Backlog", drain_report(results.drain)) if results.drain else "",
        _section("Purge", purge_report(results.purge)) if results.purge else "",
        _section("Soak", _soak_text(results.soak)) if results.soak else "",
        _section("Verifying and reading", _verification_text(results.timings)) if results.timings else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _introduction(results: Results) -> str:
    return (
        f"{results.machine}; `{results.command}`, {results.seconds:.0f} s. Rounds: {results.rounds}, interleaved;"
        " a number is their median, in brackets is their range. The load generator runs on the same cores."
        " [How it is measured](../docs/performance.md)."
    )


def _contest(measurements: Sequence[Measurement]) -> list[str]:
    if not measurements:
        return []
    receivers = receivers_of(measurements)
    rates = [
        [label, *(latencies(select(measurements, receiver, label, Kind.RATE)) for receiver in receivers)]
        for label in labels_of(measurements, Kind.RATE)
    ]
    checked = [stored([m for m in measurements if m.receiver == receiver]) for receiver in receivers]
    return [
        _section("Bursts: acknowledged a second", _table(measurements, acked_per_second, Kind.BURST)),
        _section("Bursts: p99 ms", _table(measurements, p99_ms, Kind.BURST, form=",.1f")),
        _section(
            "Bursts: processed a second, first request to last payment",
            _table(measurements, processed_per_second, Kind.BURST),
        ),
        _section(
            "Bursts: seconds from the last answer to the last payment",
            _table(measurements, drain_seconds, Kind.BURST, form=",.1f"),
        ),
        _section(
            "Fixed rates: p50 / p95 / p99 ms from the intended time of sending",
            f"{markdown(['', *receivers], rates)}\n\nWho does not keep up with a rate gets no higher one.",
        ),
        _section("Repeats, bodies, providers: acknowledged a second", _table(measurements, acked_per_second, *_ODD)),
        _section("Repeats, bodies, providers: processed a second", _table(measurements, processed_per_second, *_ODD)),
        _section("Acknowledged, and stored once as sent", markdown(["", *receivers], [["events", *checked]])),
    ]


def _table(measurements: Sequence[Measurement], value: Value, *kinds: Kind, form: str = ",.0f") -> str:
    """Without receivers that have nothing to show, such as those that process nothing."""
    labels = labels_of(measurements, *kinds)
    columns = {
        receiver: [_cell(select(measurements, receiver, label, *kinds), value, form) for label in labels]
        for receiver in receivers_of(measurements)
    }
    shown = {receiver: cells for receiver, cells in columns.items() if any(cell != NOTHING for cell in cells)}
    rows = [[label, *(cells[number] for cells in shown.values())] for number, label in enumerate(labels)]
    return markdown(["", *shown], rows)


def _cell(measurements: Sequence[Measurement], value: Value, form: str) -> str:
    of_processing = value in (processed_per_second, drain_seconds)
    return spread([m for m in measurements if m.processes and m.check] if of_processing else measurements, value, form)


def _sizes_table(sizes: Sizes) -> str:
    rows = [
        [
            f"{size:,}",
            spread(loads, acked_per_second),
            spread(loads, processed_per_second),
            spread(loads, p99_ms, ",.1f"),
        ]
        for size, loads in sizes.items()
    ]
    return markdown(["processed events behind", "acked/s", "processed/s", "p99 ms"], rows)


def _soak_text(soak: SoakFigures) -> str:
    first, last = soak.samples[0], soak.samples[-1]
    memory = [
        [name, *(f"{sample.resident[name] / _MEBIBYTE:,.1f}" for sample in (first, last)), f"{soak.growth(name):+.1%}"]
        for name in last.resident
    ]
    tables = [
        [
            name,
            *(f"{sample.tables[name] / _MEBIBYTE:,.1f}" for sample in (first, last)),
            f"{soak.bytes_per_event(name):,.0f}",
        ]
        for name in last.tables
    ]
    p99 = statistics.median(load.result.p99_ms for load in soak.loads)
    worst = max(load.result.p99_ms for load in soak.loads)
    summary = (
        f"{soak.acked:,} webhooks at {soak.rate:,.0f}/s in {soak.seconds / 60:.1f} minutes, with pauses in which each"
        f" part is checked: p99 {p99:.1f} ms, in the worst part {worst:.1f} ms."
    )
    return "\n\n".join(
        [
            summary,
            markdown(["process", "MiB at first", "MiB at last", "after the first quarter"], memory),
            markdown(["table, with indexes", "MiB at first", "MiB at last", "bytes an event"], tables),
        ]
    )


def _verification_text(timings: Sequence[Timing]) -> str:
    return f"{verification_table(timings)}\n\n{_fenced([verification_verdict(timings)])}"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _fenced(lines: Sequence[str]) -> str:
    return "\n".join(["```", *lines, "```"]) if lines else ""
