"""What the report says of measurements."""

import math
from dataclasses import replace

import pytest

from benchmarks.check import Check
from benchmarks.load import LoadResult
from benchmarks.report import Results, progress_line, report
from benchmarks.rounds import Measurement
from benchmarks.soak import Sample, SoakFigures
from benchmarks.verdicts import failures, verdicts
from benchmarks.workloads import Kind, Workload

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
    p95_ms=7.0,
    p99_ms=9.0,
    max_ms=12.0,
    acked_events=list(range(1000)),
)
CHECK = Check(acked=1000, missing=0, altered=0, repeated=0, processed=1000, processed_seconds=0.25)
BURST = Workload(kind=Kind.BURST, seconds=1.0)
STEADY = Workload(kind=Kind.RATE, seconds=1.0, rate=1000.0)


def measurement(
    receiver: str,
    workload: Workload = BURST,
    *,
    number: int = 1,
    seconds: float = 0.1,
    found: Check | None = CHECK,
    processes: bool = True,
) -> Measurement:
    result = replace(RESULT, seconds=seconds)
    return Measurement(
        receiver=receiver, workload=workload, round=number, result=result, check=found, processes=processes
    )


def rounds(receiver: str, *seconds: float) -> list[Measurement]:
    return [
        measurement(receiver, workload, number=number, seconds=value)
        for number, value in enumerate(seconds, start=1)
        for workload in (BURST, STEADY)
    ]


def text_of(*measurements: Measurement) -> str:
    results = Results(machine="a machine", command="a command", rounds=3, measurements=list(measurements))
    return report(results, plot="report.png")


def section(text: str, title: str) -> list[str]:
    return next(part for part in text.split("## ") if part.startswith(title)).strip().splitlines()


def test_a_table_has_medians_and_ranges() -> None:
    lines = section(text_of(*rounds("ours", 0.1, 0.2, 0.125), *rounds("peer", 2.0, 1.0, 4.0)), "Bursts: acknowledged")
    assert lines[2] == "|  | ours | peer |"
    assert lines[4] == "| 64 connections | 8,000 (5,000–10,000) | 500 (250–1,000) |"  # noqa: RUF001


def test_a_fixed_rate_shows_three_percentiles_and_who_does_not_keep_up() -> None:
    lines = section(text_of(*rounds("ours", 1.0), *rounds("peer", 2.0)), "Fixed rates")
    assert lines[4] == "| 1,000/s | 5.0 / 7.0 / 9.0 | 5.0 / 7.0 / 9.0, **only 500/s** |"


def test_who_was_spared_a_rate_has_an_empty_cell() -> None:
    lines = section(text_of(*rounds("ours", 1.0), measurement("peer")), "Fixed rates")
    assert lines[4] == "| 1,000/s | 5.0 / 7.0 / 9.0 | – |"  # noqa: RUF001


def test_who_processes_nothing_is_not_in_the_tables_of_processing() -> None:
    silent = measurement("peer", found=replace(CHECK, processed=0, processed_seconds=math.nan), processes=False)
    text = text_of(measurement("ours"), silent)
    assert section(text, "Bursts: processed")[2] == "|  | ours |"
    assert section(text, "Bursts: acknowledged")[2] == "|  | ours | peer |"


def test_stored_events_are_counted_over_all_loads_and_not_for_a_limit_that_stores_nothing() -> None:
    text = text_of(*rounds("ours", 0.1, 0.1), measurement("limit", found=None))
    assert section(text, "Acknowledged, and stored")[4] == "| events | 4,000 of 4,000 | – |"  # noqa: RUF001
    assert section(text, "Acked = stored")[2] == "Every acknowledged webhook is stored once, as it was sent."


def test_lost_events_are_marked_and_named() -> None:
    text = text_of(*rounds("ours", 0.1), measurement("ours", found=replace(CHECK, missing=2)))
    assert section(text, "Acknowledged, and stored")[4] == "| events | **2,998 of 3,000** |"
    assert section(text, "Acked = stored")[2] == "round 1, burst, 64 connections, ours: 2 MISSING"


def test_the_picture_is_shown_where_there_is_one_only() -> None:
    results = Results(machine="m", command="c", rounds=1, measurements=rounds("ours", 0.1))
    assert "(report.png)" in report(results, plot="report.png")
    assert "(report.png)" not in report(results, plot=None)


def test_each_target_is_judged() -> None:
    peers = [*rounds("FastAPI + Celery", 2.0), *rounds("FastAPI + psycopg", 0.4), *rounds("pgbench", 0.04)]
    assert verdicts([*rounds("ours", 0.1), *peers]) == [
        "met     10,000 acked/s at 64 connections, at least 7,000",
        "met     4,000 processed/s end to end at 64 connections, at least 4,000",
        "met     20.00 times FastAPI + Celery at 64 connections, at least 15",
        "met     4.00 times FastAPI + psycopg at 64 connections, at least 3",
        "MISSED  0.40 times pgbench at 64 connections, at least 0.5",
        "met     p99 9.0 ms at 1,000/s, under 10",
    ]


def test_each_number_of_connections_is_judged_for_itself() -> None:
    many = Workload(kind=Kind.BURST, seconds=1.0, connections=256)
    lines = verdicts([measurement("ours"), measurement("ours", many, seconds=0.2)])
    assert lines[0] == "met     10,000 acked/s at 64 connections, at least 7,000"
    assert lines[2] == "MISSED  5,000 acked/s at 256 connections, at least 7,000"


def test_what_was_not_measured_is_not_judged() -> None:
    assert verdicts([]) == []
    assert len(verdicts([measurement("ours")])) == 2


def soak_of(*resident: int) -> SoakFigures:
    samples = [
        Sample(seconds=float(number), resident={"ingress": size}, tables={"webhook_events": 1000 * number})
        for number, size in enumerate(resident)
    ]
    return SoakFigures(rate=100.0, samples=samples, loads=[measurement("ours", STEADY)])


@pytest.mark.parametrize(
    ("resident", "growth"),
    [([50, 100, 100, 100], 0.0), ([50, 100, 110, 120], 0.2), ([100], 0.0)],
)
def test_memory_is_compared_with_that_after_the_first_quarter(resident: list[int], growth: float) -> None:
    assert soak_of(*resident).growth("ingress") == pytest.approx(growth)


def test_the_soak_is_judged_and_shown_with_the_growth_of_the_tables() -> None:
    soak = soak_of(100, 100, 100, 200)
    assert [line.split()[0] for line in verdicts([], soak)] == ["MISSED"]
    text = report(Results(machine="m", command="c", rounds=1, soak=soak), plot=None)
    assert "| webhook_events | 0.0 | 0.0 | 3 |" in text
    assert "1,000 webhooks at 100/s" in text


def test_what_is_stored_as_sent_is_no_failure() -> None:
    assert failures([*rounds("ours", 0.1), measurement("limit", found=None)]) == []


def test_lost_altered_and_repeated_events_fail_and_are_named() -> None:
    found = replace(CHECK, missing=1, altered=2, repeated=3)
    (line,) = failures([measurement("ours", found=found)])
    assert line == "round 1, burst, 64 connections, ours: 1 MISSING, 2 ALTERED, 3 STORED TWICE"


def test_acknowledged_events_that_were_not_compared_fail() -> None:
    (line,) = failures([measurement("ours", found=replace(CHECK, acked=990))])
    assert "10 NOT COMPARED" in line


def test_a_load_without_any_acknowledgement_fails() -> None:
    nothing = replace(RESULT, acked=0, acked_events=[], statuses={})
    found = replace(CHECK, acked=0, processed=0, processed_seconds=math.nan)
    silent = replace(measurement("ours"), result=nothing, check=found)
    assert failures([silent]) == ["round 1, burst, 64 connections, ours: nothing was acknowledged"]
    assert silent.processed_per_second == 0.0


def test_processing_is_counted_from_the_first_request() -> None:
    one = measurement("ours")
    assert one.processed_per_second == 4000
    assert math.isclose(one.drain_seconds, 0.15)


def test_a_line_of_progress_says_when_all_is_well_and_what_is_not() -> None:
    one = measurement("ours")
    assert progress_line(one).endswith("all as it should be")
    assert progress_line(replace(one, check=replace(CHECK, processed=993))).endswith("7 not processed")
