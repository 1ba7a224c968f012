"""Rounds of workloads against each contestant in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.check import Check, backlog, check, wait_until_processed
from benchmarks.load import LoadResult, run_in_process
from benchmarks.systems import Receiver
from benchmarks.workloads import Kind, Workload

# Below this part of a fixed rate a receiver does not keep up. Not 1, for the wait for the last answers counts.
KEEPS_UP_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One load against one contestant. check: None for one that stores nothing. processes: whether it applies events
    to payments."""

    receiver: str
    workload: Workload
    round: int
    result: LoadResult
    check: Check | None
    processes: bool = True

    @property
    def unprocessed(self) -> int:
        """Acknowledged events that still waited when no more were processed."""
        return self.check.acked - self.check.processed if self.check is not None and self.processes else 0

    @property
    def processed_per_second(self) -> float:
        """From the first request to the last event applied to its payment; 0 when none was."""
        if self.check is None or not self.check.processed:
            return 0.0
        return self.check.processed / self.check.processed_seconds

    @property
    def drain_seconds(self) -> float:
        """From the last answer to the last event applied to its payment; 0 when that was earlier or never."""
        if self.check is None or not self.check.processed:
            return 0.0
        return max(0.0, self.check.processed_seconds - self.result.seconds)

    @property
    def keeps_up(self) -> bool:
        """Whether a fixed rate was answered as fast as it was sent."""
        rate = self.workload.rate
        return rate is None or self.result.acked_per_second >= KEEPS_UP_SHARE * rate


class Contestant(Protocol):
    """Something that is measured in turn with others."""

    @property
    def name(self) -> str: ...

    def suits(self, workload: Workload) -> bool:
        """Whether it can be given this load."""
        ...

    def measure(self, workload: Workload, *, round_number: int) -> Measurement: ...


@dataclass(frozen=True, slots=True)
class HttpContestant:
    """A receiver, which the load generator sends to."""

    receiver: Receiver

    @property
    def name(self) -> str:
        return self.receiver.name

    def suits(self, workload: Workload) -> bool:
        return workload.suits(self.receiver)

    def measure(self, workload: Workload, *, round_number: int) -> Measurement:
        """Sends one load, waits until it is processed, and checks what is stored."""
        return measure(self.receiver, workload, round_number=round_number)


def measure(receiver: Receiver, workload: Workload, *, round_number: int, name: str = "") -> Measurement:
    """Sends one load, waits until it is processed, and checks what is stored.

    name: starts the event ids; by default it is made of round and workload, which must then be a new pair.
    """
    spec = workload.load(receiver, name or _name(workload, round_number))
    waiting = backlog(receiver)
    result = run_in_process(spec)
    wait_until_processed(receiver, but=waiting)
    return Measurement(
        receiver=receiver.name,
        workload=workload,
        round=round_number,
        result=result,
        check=None if receiver.stored is None else check(receiver, spec, result),
        processes=receiver.backlog is not None,
    )


def measure_all(
    contestants: Sequence[Contestant],
    loads: Sequence[Workload],
    rounds: int,
    *,
    progress: Callable[[Measurement], None],
) -> Iterator[Measurement]:
    """All rounds. Contestants take turns within each workload, the others' processes being suspended meanwhile, and
    the first one changes from round to round. Who does not keep up with a fixed rate gets no higher one that round."""
    for round_number in range(1, rounds + 1):
        turn = list(contestants) if round_number % 2 else list(reversed(contestants))
        saturated: set[str] = set()
        for workload in loads:
            for contestant in turn:
                spared = workload.kind is Kind.RATE and contestant.name in saturated
                if spared or not contestant.suits(workload):
                    continue
                with _alone(contestant, contestants):
                    measurement = contestant.measure(workload, round_number=round_number)
                if not measurement.keeps_up:
                    saturated.add(contestant.name)
                progress(measurement)
                yield measurement


@contextlib.contextmanager
def _alone(chosen: Contestant, contestants: Sequence[Contestant]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for other in contestants:
            if other is not chosen and isinstance(other, HttpContestant):
                stack.enter_context(other.receiver.suspended())
        yield


def _name(workload: Workload, round_number: int) -> str:
    """Short, for it is in each body five times, and different for each workload of a run."""
    match workload.kind:
        case Kind.BURST:
            part = f"b{workload.connections}"
        case Kind.RATE:
            part = f"f{workload.rate:.0f}"
        case Kind.BODY:
            part = f"s{workload.body_bytes}"
        case Kind.REPEATS | Kind.MIXED:
            part = workload.kind[0]
    return f"{part}r{round_number}"
