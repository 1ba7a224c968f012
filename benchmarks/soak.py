"""A steady load for minutes: does the memory of a process grow, how do the tables, does the latency?"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.rounds import Measurement, measure
from benchmarks.systems import TenRusl
from benchmarks.workloads import Kind, Workload
from tenrusl.local.addresses import SERVICES
from tenrusl.local.ports import PortReservations

_SAMPLE_SECONDS = 2.0
# The first part of the samples is not judged: caches and pools fill.
_SETTLED = 0.25
_TABLES = ("webhook_events", "webhook_payloads", "payments")
# pg_partition_tree has no row for a table without partitions.
_SIZE = """
    SELECT sum(pg_total_relation_size(relid))::bigint
    FROM (SELECT %(table)s::regclass AS relid UNION SELECT relid FROM pg_partition_tree(%(table)s)) AS relations
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """At `seconds` after the start: resident bytes by process, bytes by table with indexes and partitions."""

    seconds: float
    resident: dict[str, int]
    tables: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakFigures:
    """samples: in the order of time. loads: one slice after the other, each checked."""

    rate: float
    samples: list[Sample] = field(default_factory=list)
    loads: list[Measurement] = field(default_factory=list)

    @property
    def acked(self) -> int:
        return sum(load.result.acked for load in self.loads)

    @property
    def seconds(self) -> float:
        return self.samples[-1].seconds

    def growth(self, process: str) -> float:
        """How much more memory than after a quarter of the time the process has at the end, as a part of it.

        Between means of a tenth of the samples, for a single one may stand anywhere between two collections.
        """
        resident = [sample.resident[process] for sample in self.samples]
        size = max(1, len(resident) // 10)
        settled = int(len(resident) * _SETTLED)
        early, late = resident[settled : settled + size], resident[-size:]
        return (sum(late) / len(late)) / (sum(early) / len(early)) - 1

    def bytes_per_event(self, table: str) -> float:
        """By which the table has grown for each acknowledged event."""
        grown = self.samples[-1].tables[table] - self.samples[0].tables[table]
        return grown / self.acked if self.acked else 0.0


def measure_soak(
    folder: Path,
    ports: PortReservations,
    *,
    minutes: float,
    rate: float,
    slice_seconds: float,
    progress: Callable[[Measurement], None],
) -> SoakFigures:
    """Starts a TenRusl of its own. rate: webhooks a second, sent in slices, for signatures age. Raises StartError."""
    system = TenRusl(folder=folder, ports=ports)
    workload = Workload(kind=Kind.RATE, seconds=min(slice_seconds, minutes * 60), rate=rate)
    figures = SoakFigures(rate=rate)
    try:
        receiver = system.start()
        processes = {name: system.stack.process(name).pid for name in SERVICES}
        assert system.stack.postgres is not None
        # PostgreSQL's sessions share its buffers, which each that has touched them counts as its own: not judged here.
        with psycopg.connect(receiver.database_url.replace("+psycopg", "", 1), autocommit=True) as database:
            began = time.monotonic()
            with _Sampling(figures.samples, lambda: _sample(began, processes, database)):
                number = 0
                while time.monotonic() - began < minutes * 60:
                    number += 1
                    measurement = measure(receiver, workload, round_number=number, name=f"k{number}")
                    figures.loads.append(measurement)
                    progress(measurement)
        return figures
    finally:
        system.stop()


class _Sampling:
    """Samples every _SAMPLE_SECONDS in a thread, and once at each end. What fails there is raised at the end."""

    def __init__(self, samples: list[Sample], sample: Callable[[], Sample]) -> None:
        self._samples, self._sample = samples, sample
        self._over = threading.Event()
        self._failed: list[Exception] = []
        self._thread = threading.Thread(target=self._run, name="sampling")

    def __enter__(self) -> None:
        self._samples.append(self._sample())
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failed:
            raise self._failed[0]
        self._samples.append(self._sample())

    def _run(self) -> None:
        try:
            while not self._over.wait(_SAMPLE_SECONDS):
                self._samples.append(self._sample())
        except Exception as exc:  # raised in the main thread
            self._failed.append(exc)


def _sample(began: float, processes: dict[str, int], database: psycopg.Connection) -> Sample:
    tables = {}
    for table in _TABLES:
        row = database.execute(_SIZE, {"table": table}).fetchone()
        assert row is not None
        tables[table] = int(row[0])
    resident = {name: resident_bytes(pid) for name, pid in processes.items()}
    return Sample(seconds=time.monotonic() - began, resident=resident, tables=tables)


def resident_bytes(pid: int) -> int:
    """Of a process of this machine, by /proc. Raises FileNotFoundError when it has ended."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
