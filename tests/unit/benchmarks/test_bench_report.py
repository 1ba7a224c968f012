"""What the report says of measurements."""

import math
from dataclasses import replace

from benchmarks.check import Check
from benchmarks.load import LoadResult
from benchmarks.report import failures, progress_line, table, verdicts
from benchmarks.rounds import Measurement, Plan, Workload

RESULT = LoadResult(
    sent=1000,
    acked=1000,
    statuses={"200": 1000},
    unanswered=0,
    lost=0,
    created=1_785_000_000,
    started_at=1_785_000_000.0,
    seconds=0.1,
    p50_ms=5.0,
    p99_ms=9.0,
    max_ms=12.0,
    acked_events=list(range(1000)),
)
CHECK = Check(acked=1000, missing=0, altered=0, repeated=0, processed=1000, processed_seconds=0.25)


def measurement(
    receiver: str, workload: Workload, *, number: int = 1, seconds: float = 0.1, found: Check = CHECK
) -> Measurement:
    result = replace(RESULT, seconds=seconds)
    return Measurement(receiver=receiver, workload=workload, round=number, result=result, check=found)


def rounds(receiver: str, *seconds: float) -> list[Measurement]:
    return [
        measurement(receiver, workload, number=number, seconds=value)
        for number, value in enumerate(seconds, start=1)
        for workload in Workload
    ]


def row(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {label} |"))


def test_the_table_has_medians_and_ranges() -> None:
    text = table([*rounds("ours", 0.1, 0.2, 0.125), *rounds("peer", 2.0, 1.0, 4.0)], Plan())
    assert text.splitlines()[0] == "| | ours | peer |"
    assert row(text, "acked/s, 64 connections").endswith("| 8,000 (5,000–10,000) | 500 (250–1,000) |")  # noqa: RUF001


def test_the_table_counts_stored_events_over_all_loads() -> None:
    text = table(rounds("ours", 0.1, 0.1), Plan())
    assert row(text, "acknowledged, and stored once as sent").endswith("| 6,000 of 6,000 |")


def test_the_table_marks_lost_events() -> None:
    lost = measurement("ours", Workload.BURST, found=replace(CHECK, missing=2))
    text = table([*rounds("ours", 0.1), lost], Plan())
    assert row(text, "acknowledged, and stored once as sent").endswith("| **3,998 of 4,000** |")


def test_each_target_is_judged() -> None:
    assert verdicts([*rounds("ours", 0.1), *rounds("peer", 1.0)]) == [
        "met     10,000 acked/s, at least 5,000",
        "met     p99 9.0 ms at the fixed rate, under 20",
        "met     10.0 times peer, at least 8",
    ]
    missed = verdicts([*rounds("ours", 0.5), *rounds("peer", 1.0)])
    assert [line.split()[0] for line in missed] == ["MISSED", "met", "MISSED"]


def test_without_a_peer_there_is_no_ratio() -> None:
    assert len(verdicts(rounds("ours", 0.1))) == 2


def test_what_is_stored_as_sent_is_no_failure() -> None:
    assert failures(rounds("ours", 0.1)) == []


def test_lost_altered_and_repeated_events_fail_and_are_named() -> None:
    found = replace(CHECK, missing=1, altered=2, repeated=3)
    (line,) = failures([measurement("ours", Workload.REPEATS, found=found)])
    assert line == "round 1, repeats, ours: 1 MISSING, 2 ALTERED, 3 STORED TWICE"


def test_a_load_without_any_acknowledgement_fails() -> None:
    good = measurement("ours", Workload.BURST)
    nothing = replace(RESULT, acked=0, acked_events=[], statuses={})
    silent = replace(good, result=nothing, check=replace(CHECK, acked=0, processed=0, processed_seconds=math.nan))
    assert failures([silent]) == ["round 1, burst, ours: nothing was acknowledged"]
    assert silent.processed_per_second == 0.0


def test_processing_is_counted_from_the_first_request() -> None:
    one = measurement("ours", Workload.BURST)
    assert one.processed_per_second == 4000
    assert math.isclose(one.drain_seconds, 0.15)


def test_a_line_of_progress_says_when_all_is_well_and_what_is_not() -> None:
    one = measurement("ours", Workload.BURST)
    assert progress_line(one).endswith("all stored")
    assert progress_line(replace(one, check=replace(CHECK, processed=993))).endswith("7 not processed")
