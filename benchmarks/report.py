"""The table. Pure: measurements in, text out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.rounds import Measurement, Plan, Workload

# What issue and design promise for two cores with the generator on them.
TARGET_ACKED_PER_SECOND = 5_000
TARGET_P99_MS = 20.0
TARGET_RATIO = 8.0


def progress_line(measurement: Measurement) -> str:
    """One load in one line."""
    result = measurement.result
    return (
        f"round {measurement.round} {measurement.workload:<8}{measurement.receiver:<34}"
        f"{result.acked_per_second:>7,.0f} acked/s  p99 {result.p99_ms:>8,.1f} ms "
        f"{measurement.processed_per_second:>7,.0f} processed/s  {_troubles(measurement) or 'all stored'}"
    )


def table(measurements: Sequence[Measurement], plan: Plan) -> str:
    """Markdown: one line a number, one column a receiver; the median of the rounds and, in brackets, their range."""
    receivers = list(dict.fromkeys(m.receiver for m in measurements))
    rows = [
        (label, [_cell(_select(measurements, receiver, workload), value, form) for receiver in receivers])
        for label, workload, value, form in _rows(plan)
    ]
    checked = [_stored_cell([m for m in measurements if m.receiver == receiver]) for receiver in receivers]
    rows.append(("acknowledged, and stored once as sent", checked))
    lines = [f"| | {' | '.join(receivers)} |", f"|---|{'---:|' * len(receivers)}"]
    lines += [f"| {label} | {' | '.join(cells)} |" for label, cells in rows]
    return "\n".join(lines)


def verdicts(measurements: Sequence[Measurement]) -> list[str]:
    """One line a target, of the first receiver; that of the ratio only when there is a second one."""
    receivers = list(dict.fromkeys(m.receiver for m in measurements))
    rates = [_median(_select(measurements, receiver, Workload.BURST), _acked_per_second) for receiver in receivers]
    p99 = _median(_select(measurements, receivers[0], Workload.STEADY), _p99_ms)
    lines = [
        _verdict(f"{rates[0]:,.0f} acked/s, at least {TARGET_ACKED_PER_SECOND:,}", rates[0] >= TARGET_ACKED_PER_SECOND),
        _verdict(f"p99 {p99:.1f} ms at the fixed rate, under {TARGET_P99_MS:g}", p99 < TARGET_P99_MS),
    ]
    if len(rates) > 1 and rates[1]:
        ratio = rates[0] / rates[1]
        lines.append(_verdict(f"{ratio:.1f} times {receivers[1]}, at least {TARGET_RATIO:g}", ratio >= TARGET_RATIO))
    return lines


def failures(measurements: Sequence[Measurement]) -> list[str]:
    """What must not be: an acknowledged event that is not stored once as sent, or a load without any answer."""
    return [
        f"round {m.round}, {m.workload}, {m.receiver}: {_troubles(m) or 'nothing was acknowledged'}"
        for m in measurements
        if not m.check.complete or not m.result.acked or m.check.acked != len(m.result.acked_events)
    ]


_Value = Callable[[Measurement], float]


def _acked_per_second(measurement: Measurement) -> float:
    return measurement.result.acked_per_second


def _p50_ms(measurement: Measurement) -> float:
    return measurement.result.p50_ms


def _p99_ms(measurement: Measurement) -> float:
    return measurement.result.p99_ms


def _processed_per_second(measurement: Measurement) -> float:
    return measurement.processed_per_second


def _drain_seconds(measurement: Measurement) -> float:
    return measurement.drain_seconds


def _rows(plan: Plan) -> list[tuple[str, Workload, _Value, str]]:
    closed, rate = f"{plan.connections} connections", f"{plan.steady_rate:g}/s"
    return [
        (f"acked/s, {closed}", Workload.BURST, _acked_per_second, ",.0f"),
        (f"p50 ms, {closed}", Workload.BURST, _p50_ms, ",.1f"),
        (f"p99 ms, {closed}", Workload.BURST, _p99_ms, ",.1f"),
        ("processed/s, first request to last payment", Workload.BURST, _processed_per_second, ",.0f"),
        ("backlog gone after the last answer, s", Workload.BURST, _drain_seconds, ",.1f"),
        (f"acked/s, {closed}, {plan.repeat_share:.0%} repeated", Workload.REPEATS, _acked_per_second, ",.0f"),
        (f"p50 ms at {rate}", Workload.STEADY, _p50_ms, ",.1f"),
        (f"p99 ms at {rate}", Workload.STEADY, _p99_ms, ",.1f"),
        (f"acked/s at {rate}", Workload.STEADY, _acked_per_second, ",.0f"),
    ]


def _select(measurements: Sequence[Measurement], receiver: str, workload: Workload) -> list[Measurement]:
    return [m for m in measurements if m.receiver == receiver and m.workload is workload]


def _median(measurements: Sequence[Measurement], value: _Value) -> float:
    return statistics.median(value(m) for m in measurements)


def _cell(measurements: Sequence[Measurement], value: _Value, form: str) -> str:
    values = [value(m) for m in measurements]
    text = f"{statistics.median(values):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values):{form}}–{max(values):{form}})"  # noqa: RUF001 - a range


def _stored_cell(measurements: Sequence[Measurement]) -> str:
    acked = sum(m.check.acked for m in measurements)
    wrong = sum(m.check.missing + m.check.altered + m.check.repeated for m in measurements)
    return f"{acked:,} of {acked:,}" if not wrong else f"**{acked - wrong:,} of {acked:,}**"


def _troubles(measurement: Measurement) -> str:
    found, result = measurement.check, measurement.result
    refused = sum(count for status, count in result.statuses.items() if not status.startswith("2"))
    counts = {
        "MISSING": found.missing,
        "ALTERED": found.altered,
        "STORED TWICE": found.repeated,
        "not acknowledged": refused,
        "unanswered": result.unanswered,
        "connections lost": result.lost,
        "not processed": measurement.unprocessed,
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _verdict(text: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'}  {text}"
