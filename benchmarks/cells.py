"""Tables of medians and ranges. Pure: measurements in, Markdown out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.rounds import Measurement
from benchmarks.workloads import Kind

Value = Callable[[Measurement], float]
NOTHING = "–"  # noqa: RUF001 - an empty cell


def acked_per_second(measurement: Measurement) -> float:
    return measurement.result.acked_per_second


def processed_per_second(measurement: Measurement) -> float:
    return measurement.processed_per_second


def drain_seconds(measurement: Measurement) -> float:
    return measurement.drain_seconds


def p50_ms(measurement: Measurement) -> float:
    return measurement.result.p50_ms


def p99_ms(measurement: Measurement) -> float:
    return measurement.result.p99_ms


def receivers_of(measurements: Sequence[Measurement]) -> list[str]:
    """Names, in the order of their first measurement."""
    return list(dict.fromkeys(m.receiver for m in measurements))


def labels_of(measurements: Sequence[Measurement], *kinds: Kind) -> list[str]:
    """Of the workloads of these kinds, in the order in which they were run."""
    return list(dict.fromkeys(m.workload.label for m in measurements if m.workload.kind in kinds))


def select(measurements: Sequence[Measurement], receiver: str, label: str, *kinds: Kind) -> list[Measurement]:
    """The rounds of one receiver with one workload."""
    return [
        m for m in measurements if m.receiver == receiver and m.workload.kind in kinds and m.workload.label == label
    ]


def median(measurements: Sequence[Measurement], value: Value) -> float:
    """Of the rounds; at least one."""
    return statistics.median(value(m) for m in measurements)


def spread(measurements: Sequence[Measurement], value: Value, form: str = ",.0f") -> str:
    """The median and, with more than one round, the range in brackets."""
    if not measurements:
        return NOTHING
    values = [value(m) for m in measurements]
    text = f"{statistics.median(values):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values):{form}}–{max(values):{form}})"  # noqa: RUF001 - a range


def latencies(measurements: Sequence[Measurement]) -> str:
    """p50 / p95 / p99 in ms, each the median of the rounds, and what was acknowledged where it did not keep up."""
    if not measurements:
        return NOTHING
    p95 = statistics.median(m.result.p95_ms for m in measurements)
    text = f"{median(measurements, p50_ms):,.1f} / {p95:,.1f} / {median(measurements, p99_ms):,.1f}"
    behind = [m for m in measurements if not m.keeps_up]
    return f"{text}, **only {median(behind, acked_per_second):,.0f}/s**" if behind else text


def stored(measurements: Sequence[Measurement]) -> str:
    """How many acknowledged events are stored once as sent."""
    checks = [m.check for m in measurements if m.check is not None]
    if not checks:
        return NOTHING
    acked = sum(check.acked for check in checks)
    wrong = sum(check.missing + check.altered + check.repeated for check in checks)
    return f"{acked:,} of {acked:,}" if not wrong else f"**{acked - wrong:,} of {acked:,}**"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
