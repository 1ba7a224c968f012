"""What is promised, what was measured, and what must not be. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cells import acked_per_second, median, p99_ms, processed_per_second, receivers_of
from benchmarks.rounds import Measurement
from benchmarks.soak import SoakFigures
from benchmarks.workloads import USUAL_CONNECTIONS, Kind

# For two cores with the generator on them.
TARGET_ACKED_PER_SECOND = 7000
TARGET_PROCESSED_PER_SECOND = 4000
TARGET_RATE = 1000.0
TARGET_P99_MS = 10.0
# Times what others acknowledge, by the start of their name.
TARGET_RATIOS = {"FastAPI + Celery": 15.0, "FastAPI + psycopg": 3.0, "pgbench": 0.5}
MAX_MEMORY_GROWTH = 0.1
# A usual number, and one with which all receivers are busy all the time.
JUDGED_CONNECTIONS = (USUAL_CONNECTIONS, 256)


def verdicts(measurements: Sequence[Measurement], soak: SoakFigures | None = None) -> list[str]:
    """One line a target, of the first receiver; none for what was not measured. Bursts of each of
    JUDGED_CONNECTIONS are judged for themselves: no target names a number of connections."""
    lines: list[str] = []
    receivers = receivers_of(measurements)
    for connections in JUDGED_CONNECTIONS:
        bursts = {receiver: _bursts(measurements, receiver, connections) for receiver in receivers}
        if receivers and bursts[receivers[0]]:
            lines += _of_bursts(bursts.pop(receivers[0]), bursts, f"at {connections} connections")
    if steady := [m for m in measurements if m.receiver == receivers[0] and m.workload.rate == TARGET_RATE]:
        p99 = median(steady, p99_ms)
        lines.append(
            _verdict(f"p99 {p99:.1f} ms at {TARGET_RATE:,.0f}/s, under {TARGET_P99_MS:g}", p99 < TARGET_P99_MS)
        )
    return lines + ([] if soak is None else _memory(soak))


def failures(measurements: Sequence[Measurement]) -> list[str]:
    """What must not be: an acknowledged event that is not stored once as sent, or a load without any answer."""
    return [
        f"round {m.round}, {m.workload.kind}, {m.workload.label}, {m.receiver}: "
        f"{troubles(m) or 'nothing was acknowledged'}"
        for m in measurements
        if not m.result.acked or _is_incomplete(m)
    ]


def troubles(measurement: Measurement) -> str:
    """What was not as it should be, with numbers; empty when all was."""
    found, result = measurement.check, measurement.result
    refused = sum(count for status, count in result.statuses.items() if not status.startswith("2"))
    counts = {
        "MISSING": found.missing if found else 0,
        "ALTERED": found.altered if found else 0,
        "STORED TWICE": found.repeated if found else 0,
        "NOT COMPARED": len(result.acked_events) - found.acked if found else 0,
        "not acknowledged": refused,
        "unanswered": result.unanswered,
        "connections lost": result.lost,
        "not processed": measurement.unprocessed,
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _is_incomplete(measurement: Measurement) -> bool:
    found = measurement.check
    return found is not None and not (found.complete and found.acked == len(measurement.result.acked_events))


def _bursts(measurements: Sequence[Measurement], receiver: str, connections: int) -> list[Measurement]:
    return [
        m
        for m in measurements
        if m.receiver == receiver and m.workload.kind is Kind.BURST and m.workload.connections == connections
    ]


def _of_bursts(ours: Sequence[Measurement], others: dict[str, list[Measurement]], at: str) -> list[str]:
    rate, processed = median(ours, acked_per_second), median(ours, processed_per_second)
    return [
        _verdict(f"{rate:,.0f} acked/s {at}, at least {TARGET_ACKED_PER_SECOND:,}", rate >= TARGET_ACKED_PER_SECOND),
        _verdict(
            f"{processed:,.0f} processed/s end to end {at}, at least {TARGET_PROCESSED_PER_SECOND:,}",
            processed >= TARGET_PROCESSED_PER_SECOND,
        ),
        *_ratios(rate, others, at),
    ]


def _ratios(ours: float, others: dict[str, list[Measurement]], at: str) -> list[str]:
    lines = []
    for start, target in TARGET_RATIOS.items():
        for name, loads in others.items():
            theirs = median(loads, acked_per_second) if loads and name.startswith(start) else 0.0
            if theirs:
                ratio = ours / theirs
                lines.append(_verdict(f"{ratio:.2f} times {name} {at}, at least {target:g}", ratio >= target))
    return lines


def _memory(soak: SoakFigures) -> list[str]:
    lines = []
    for process in soak.samples[-1].resident:
        grown = soak.growth(process)
        text = f"memory of {process} {grown:+.1%} in {soak.seconds / 60:.1f} minutes, at most +{MAX_MEMORY_GROWTH:.0%}"
        lines.append(_verdict(text, grown <= MAX_MEMORY_GROWTH))
    return lines


def _verdict(text: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'}  {text}"
