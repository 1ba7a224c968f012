"""What each webhook costs in CPU, process by process: where the microseconds go."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cells import markdown
from benchmarks.rounds import Measurement, measure
from benchmarks.systems import TenRusl
from benchmarks.workloads import Workload
from tenrusl.local.addresses import SERVICES
from tenrusl.local.ports import PortReservations

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_POSTGRES = "PostgreSQL"
# How PostgreSQL titles the session of a service (store.roles, local.postgres).
_SESSION_PREFIX = "postgres: local_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Microseconds of CPU a webhook by process, over one load until its last event is processed."""

    load: Measurement
    by_process: Mapping[str, float]


def measure_cost(
    folder: Path, ports: PortReservations, *, loads: Sequence[Workload], progress: Callable[[Measurement], None]
) -> list[Cost]:
    """Starts a TenRusl of its own and sends it each load. Raises StartError."""
    system = TenRusl(folder=folder, ports=ports)
    costs = []
    try:
        receiver = system.start()
        measure(receiver, loads[0], round_number=0)  # warms up
        for number, workload in enumerate(loads, start=1):
            before = _seconds(system)
            measurement = measure(receiver, workload, round_number=number, name=f"c{number}")
            used = used_between(before, _seconds(system))
            acked = max(1, measurement.result.acked)
            costs.append(
                Cost(load=measurement, by_process={name: 1e6 * seconds / acked for name, seconds in used.items()})
            )
            progress(measurement)
    finally:
        system.stop()
    return costs


def cost_table(costs: Sequence[Cost]) -> str:
    """A column for each load. Without processes below one microsecond in all of them."""
    names = [name for name in costs[0].by_process if any(cost.by_process.get(name, 0) >= 1 for cost in costs)]
    rows = [[name, *(f"{cost.by_process.get(name, 0):,.0f}" for cost in costs)] for name in names]
    sums = ["all", *(f"{sum(cost.by_process.values()):,.0f}" for cost in costs)]
    return markdown(
        ["CPU µs a webhook", *(f"{cost.load.workload.kind} {_label(cost)}" for cost in costs)], [*rows, sums]
    )


def _label(cost: Cost) -> str:
    return f"{cost.load.workload.label}, {cost.load.result.acked_per_second:,.0f} acked/s"


Usage = Mapping[int, tuple[str, float]]


def used_between(before: Usage, after: Usage) -> dict[str, float]:
    """Seconds by name, of the processes that were there at the end; what ended before took its seconds with it."""
    used: defaultdict[str, float] = defaultdict(float)
    for pid, (name, seconds) in after.items():
        used[name] += seconds - before.get(pid, (name, 0.0))[1]
    return dict(used)


def _seconds(system: TenRusl) -> Usage:
    """CPU seconds of each process so far, with its name, by process id. Sessions are named by their service."""
    stack = system.stack
    services = {name: stack.process(name).pid for name in SERVICES}
    used = {pid: (name, cpu_seconds(pid)) for name, pid in services.items()}
    assert stack.postgres is not None
    server = stack.postgres.process.pid
    for pid in (server, *_children(server)):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
            used[pid] = (process_name(title), cpu_seconds(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue  # a session that has ended meanwhile
    return used


def process_name(title: str) -> str:
    """What a process of PostgreSQL works for, by its title; the benchmark's own sessions are left to the rest."""
    if title.startswith(_SESSION_PREFIX):
        service = title.removeprefix(_SESSION_PREFIX).split(" ", 1)[0]
        return f"{_POSTGRES} for {service}"
    return f"{_POSTGRES}, the rest" if title.startswith("postgres: ") else f"{_POSTGRES}, main process"


def cpu_seconds(pid: int) -> float:
    """User and system time of a process of this machine (proc_pid_stat(5)). Raises FileNotFoundError when it ended."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_SECOND


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
