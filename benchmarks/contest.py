"""TenRusl, its peers and the limits, all running on one PostgreSQL and one Valkey, and their rounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.check import analyze
from benchmarks.peer_systems import PeerSystems
from benchmarks.pgbench import Pgbench
from benchmarks.rounds import Contestant, HttpContestant, Measurement, measure, measure_all
from benchmarks.scale import Scale
from benchmarks.systems import Receiver, System, TenRusl
from benchmarks.workloads import Kind, Workload, workloads
from tenrusl.local.ports import PortReservations

_MakePeer = Callable[[int, str], System]


class Contest:
    """One run. say: takes a line for the person who waits."""

    def __init__(self, *, folder: Path, ports: PortReservations, scale: Scale, say: Callable[[str], None]) -> None:
        self._folder, self._ports, self._scale, self._say = folder, ports, scale, say

    def run(self, progress: Callable[[Measurement], None], *, with_peers: bool) -> list[Measurement]:
        """Starts everything, measures all rounds and ends everything. Raises StartError, OSError, SubprocessError."""
        with contextlib.ExitStack() as stack:
            tenrusl = TenRusl(folder=self._folder / "tenrusl", ports=self._ports)
            self._say("starting TenRusl …")
            contestants: list[Contestant] = [HttpContestant(self._started(tenrusl, stack))]
            if with_peers:
                contestants += self._others(tenrusl, stack)
            loads = workloads(self._scale)
            return list(measure_all(contestants, loads, self._scale.rounds, progress=progress))

    def _others(self, tenrusl: TenRusl, stack: contextlib.ExitStack) -> list[Contestant]:
        make = PeerSystems(tenrusl.stack, folder=self._folder, ports=self._ports)
        assert tenrusl.stack.postgres is not None
        return [
            HttpContestant(
                self._best(
                    "celery", lambda workers, name: make.fastapi_celery(web_workers=workers, database=name), stack
                )
            ),
            HttpContestant(
                self._best(
                    "psycopg", lambda workers, name: make.fastapi_psycopg(web_workers=workers, database=name), stack
                )
            ),
            HttpContestant(self._started(make.starlette_only(), stack)),
            Pgbench(tenrusl.stack.postgres, self._folder / "pgbench"),
        ]

    def _best(self, name: str, make: _MakePeer, stack: contextlib.ExitStack) -> Receiver:
        """The peer with the number of web workers that is best on this machine."""
        rates: dict[int, float] = {}
        if len(self._scale.web_workers) == 1:
            return self._started(make(self._scale.web_workers[0], name), stack)
        for workers in self._scale.web_workers:
            with contextlib.ExitStack() as attempt:
                system = make(workers, f"{name}_try_{workers}")
                rates[workers] = self._warm_up(self._start(system, attempt)).result.acked_per_second
            self._say(f"{name} with {workers} web worker(s): {rates[workers]:,.0f} acked/s")
        return self._started(make(max(rates, key=lambda workers: rates[workers]), name), stack)

    def _started(self, system: System, stack: contextlib.ExitStack) -> Receiver:
        receiver = self._start(system, stack)
        self._warm_up(receiver)
        return receiver

    def _start(self, system: System, stack: contextlib.ExitStack) -> Receiver:
        stack.callback(system.stop)
        return system.start()

    def _warm_up(self, receiver: Receiver) -> Measurement:
        """A short load, statistics, a load of the full length; what the latter gave."""
        measure(receiver, Workload(kind=Kind.BURST, seconds=self._scale.settle_seconds), round_number=0, name="w0")
        analyze(receiver)
        return measure(
            receiver, Workload(kind=Kind.BURST, seconds=self._scale.burst_seconds), round_number=0, name="w1"
        )
