"""What storing and applying webhooks costs beside a table that has grown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from benchmarks.history import History
from benchmarks.rounds import Measurement, measure
from benchmarks.systems import TenRusl
from benchmarks.workloads import Kind, Workload
from tenrusl.local.ports import PortReservations

Sizes = dict[int, list[Measurement]]


def measure_sizes(
    folder: Path,
    ports: PortReservations,
    *,
    histories: Sequence[int],
    seconds: float,
    rounds: int,
    progress: Callable[[Measurement], None],
) -> Sizes:
    """Bursts by the number of processed events behind, `rounds` each; histories: ascending.

    Starts a TenRusl of its own. Sizes cannot be interleaved: a table does not shrink. Raises StartError, psycopg.Error.
    """
    system = TenRusl(folder=folder, ports=ports)
    burst = Workload(kind=Kind.BURST, seconds=seconds)
    try:
        receiver = system.start()
        measure(receiver, burst, round_number=0)  # warms up
        found: Sizes = {}
        with psycopg.connect(receiver.database_url.replace("+psycopg", "", 1), autocommit=True) as database:
            history = History(database)
            for size in histories:
                history.grow_to(size)
                for number in range(1, rounds + 1):
                    measurement = measure(receiver, burst, round_number=number, name=f"h{size}r{number}")
                    found.setdefault(size, []).append(measurement)
                    progress(measurement)
        return found
    finally:
        system.stop()
