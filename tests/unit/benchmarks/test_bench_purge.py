"""The figures of the purge, and when their bounds hold."""

import pytest

from benchmarks.purge import PurgeFigures, purge_report


@pytest.mark.parametrize(
    ("seconds", "purging", "verdicts"),
    [
        ([0.4, 0.5, 3.0], 0.004, ["reached", "reached"]),
        ([2.1, 0.5, 3.0], 0.004, ["MISSED", "reached"]),
        ([0.4, 0.5, 3.0], 0.005, ["reached", "MISSED"]),
    ],
)
def test_the_median_of_the_rounds_and_the_99th_percentile_of_all(
    seconds: list[float], purging: float, verdicts: list[str]
) -> None:
    figures = PurgeFigures(payloads=10, seconds=seconds, usual=[0.001] * 98 + [0.002] * 100, purging=[purging] * 200)
    lines = purge_report(figures).splitlines()
    assert [next(word for word in ("reached", "MISSED") if word in line) for line in lines] == verdicts
    assert "2.0 / " in lines[1]


def test_one_slow_batch_in_a_few_does_not_make_up_slower_ones() -> None:
    assert PurgeFigures(payloads=10, seconds=[1.0], usual=[0.001, 0.01], purging=[0.001] * 9 + [0.01]).p99_ms[1] <= 10.0
