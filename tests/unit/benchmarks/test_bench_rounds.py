"""Who is measured when."""

from dataclasses import dataclass, field, replace

from benchmarks.rounds import Measurement, measure_all
from benchmarks.workloads import Kind, Workload
from tests.unit.benchmarks.test_bench_report import RESULT

RATES = [Workload(kind=Kind.RATE, seconds=1.0, rate=rate) for rate in (100.0, 500.0, 1000.0)]
BURST = Workload(kind=Kind.BURST, seconds=1.0)


@dataclass
class Fake:
    """Acknowledges at most `limit` a second."""

    name: str
    limit: float
    log: list[str] = field(default_factory=list)

    def suits(self, workload: Workload) -> bool:
        return True

    def measure(self, workload: Workload, *, round_number: int) -> Measurement:
        self.log.append(f"{round_number} {self.name} {workload.label}")
        seconds = RESULT.acked / min(self.limit, workload.rate or self.limit)
        return Measurement(
            receiver=self.name,
            workload=workload,
            round=round_number,
            result=replace(RESULT, seconds=seconds),
            check=None,
        )


def test_who_does_not_keep_up_gets_no_higher_rate_in_that_round_but_everything_else() -> None:
    log: list[str] = []
    slow = Fake("slow", 300.0, log)
    list(measure_all([slow], [*RATES, BURST], 2, progress=lambda _: None))
    in_a_round = ["slow 100/s", "slow 500/s", "slow 64 connections"]
    assert log == [f"{number} {line}" for number in (1, 2) for line in in_a_round]


def test_contestants_take_turns_and_change_places_from_round_to_round() -> None:
    log: list[str] = []
    list(measure_all([Fake("a", 9e9, log), Fake("b", 9e9, log)], [BURST], 2, progress=lambda _: None))
    assert [line.split()[1] for line in log] == ["a", "b", "b", "a"]
