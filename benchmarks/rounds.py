"""The workloads, and one round of them against each receiver in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.check import Check, backlog, check, wait_until_processed
from benchmarks.load import LoadResult, LoadSpec, run_in_process
from benchmarks.systems import Receiver

# More than any receiver here takes in the time of one load, so that the time ends it; all are signed beforehand.
_PLENTY_PER_SECOND = 8_000


class Workload(StrEnum):
    """What is sent."""

    BURST = "burst"
    REPEATS = "repeats"
    STEADY = "steady"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    burst_seconds: length of the closed loops. steady_seconds and steady_rate (webhooks a second): the open loop.
    repeat_share: from 0 to 1, part of the webhooks of workload `repeats` that repeat an earlier one.
    """

    rounds: int = 3
    connections: int = 64
    burst_seconds: float = 3.0
    steady_seconds: float = 5.0
    steady_rate: float = 500.0
    repeat_share: float = 0.3

    def load(self, workload: Workload, receiver: Receiver, name: str) -> LoadSpec:
        """name: starts the event ids, new for each load."""
        open_loop = workload is Workload.STEADY
        count = self.steady_seconds * self.steady_rate if open_loop else self.burst_seconds * _PLENTY_PER_SECOND
        return LoadSpec(
            name=name,
            port=receiver.port,
            path=receiver.path,
            secret=receiver.secret,
            count=int(count),
            connections=self.connections,
            rate=self.steady_rate if open_loop else None,
            max_seconds=self.burst_seconds,
            repeat_share=self.repeat_share if workload is Workload.REPEATS else 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One load against one receiver."""

    receiver: str
    workload: Workload
    round: int
    result: LoadResult
    check: Check

    @property
    def unprocessed(self) -> int:
        """Acknowledged events that still waited when no more were processed."""
        return self.check.acked - self.check.processed

    @property
    def processed_per_second(self) -> float:
        """From the first request to the last event applied to its payment; 0 when none was."""
        return self.check.processed / self.check.processed_seconds if self.check.processed else 0.0

    @property
    def drain_seconds(self) -> float:
        """From the last answer to the last event applied to its payment; 0 when that was earlier."""
        return max(0.0, self.check.processed_seconds - self.result.seconds)


def measure(receiver: Receiver, workload: Workload, plan: Plan, *, round_number: int) -> Measurement:
    """Sends one load, waits until it is processed, and checks what is stored."""
    spec = plan.load(workload, receiver, f"{workload}{round_number}")
    waiting = backlog(receiver)
    result = run_in_process(spec)
    wait_until_processed(receiver, but=waiting)
    return Measurement(
        receiver=receiver.name,
        workload=workload,
        round=round_number,
        result=result,
        check=check(receiver, spec, result),
    )


def measure_all(
    receivers: Sequence[Receiver], plan: Plan, *, progress: Callable[[Measurement], None]
) -> Iterator[Measurement]:
    """All rounds. Receivers take turns within each workload, the others being suspended meanwhile, and the first one
    changes from round to round."""
    for round_number in range(1, plan.rounds + 1):
        turn = list(receivers) if round_number % 2 else list(reversed(receivers))
        for workload in Workload:
            for receiver in turn:
                with contextlib.ExitStack() as stack:
                    for other in receivers:
                        if other is not receiver:
                            stack.enter_context(other.suspended())
                    measurement = measure(receiver, workload, plan, round_number=round_number)
                progress(measurement)
                yield measurement
