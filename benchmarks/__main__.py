"""`make bench`: measures verifying by provider, retries and a purge beside a long history, then TenRusl and a peer in
turn, and prints the tables.

Fails when an acknowledged event is missing.
"""

import argparse
import contextlib
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from benchmarks.check import analyze
from benchmarks.peers.fastapi_celery import create_tables
from benchmarks.purge import measure_purge, purge_report
from benchmarks.report import failures, progress_line, table, verdicts
from benchmarks.retries import measure_retries, retries_report
from benchmarks.rounds import Measurement, Plan, Workload, measure, measure_all
from benchmarks.samples import samples
from benchmarks.systems import FastapiCelery, Receiver, TenRusl
from benchmarks.verification import BUDGET_NS, measure_sample, verification_table, verification_verdict
from tenrusl.local.ports import PortReservations
from tenrusl.local.process import StartError

_PARTS = ("verification", "retries", "purge", "load")
_PEER_WEB_WORKERS = (1, 2)
_WARM_UP_SECONDS = 1.0


def main(arguments: Sequence[str]) -> int:
    """Exit status 0, or 1 when an acknowledged event is missing or something does not start."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="?", choices=_PARTS, help="this part only; default: everything")
    parser.add_argument("--rounds", type=int, default=Plan().rounds, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--without-peer", action="store_true", help="measure TenRusl only")
    chosen = parser.parse_args(arguments)
    plan = Plan(rounds=1, burst_seconds=1.5, steady_seconds=2.0) if chosen.quick else Plan(rounds=chosen.rounds)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    began = time.monotonic()
    try:
        if chosen.part in (None, "verification"):
            _measure_verification(BUDGET_NS // 10 if chosen.quick else BUDGET_NS)
        if chosen.part in (None, "retries"):
            _measure_retries()
        if chosen.part in (None, "purge"):
            _measure_purge()
        if chosen.part not in (None, "load"):
            return 0
        measurements = _run(plan, with_peer=not chosen.without_peer)
    except (StartError, OSError, subprocess.SubprocessError) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 1
    wrong = failures(measurements)
    print(f"\n{_machine()}; {plan.rounds} rounds, {time.monotonic() - began:.0f} s\n")
    print(table(measurements, plan), end="\n\n")
    print("\n".join([*verdicts(measurements), *wrong]))
    return 1 if wrong else 0


def _measure_verification(budget_ns: int) -> None:
    _say("verifying and reading one webhook of each provider …")
    timings = [measure_sample(sample, budget_ns=budget_ns) for sample in samples()]
    print(f"{_machine()}\n\n{verification_table(timings)}\n\n{verification_verdict(timings)}", end="\n\n", flush=True)


def _measure_retries() -> None:
    _say("retrying what is due, with a million events behind it …")
    with _own_folder() as (folder, ports):
        print(retries_report(measure_retries(folder, ports)), end="\n\n", flush=True)


def _measure_purge() -> None:
    _say("forgetting a day of a million payloads …")
    with _own_folder() as (folder, ports):
        print(purge_report(measure_purge(folder, ports)), end="\n\n", flush=True)


@contextlib.contextmanager
def _own_folder() -> Iterator[tuple[Path, PortReservations]]:
    ports = PortReservations()
    try:
        with tempfile.TemporaryDirectory(prefix="tenrusl-bench-") as folder:
            yield Path(folder) / "tenrusl", ports
    finally:
        ports.release()


def _run(plan: Plan, *, with_peer: bool) -> list[Measurement]:
    ports = PortReservations()
    with contextlib.ExitStack() as stack:
        stack.callback(ports.release)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tenrusl-bench-")))
        tenrusl = TenRusl(folder=folder / "tenrusl", ports=ports)
        stack.callback(tenrusl.stop)
        _say("starting TenRusl …")
        receivers = [tenrusl.start()]
        _warm_up(receivers[0], plan)
        if with_peer:
            receivers.append(_start_best_peer(tenrusl, plan, folder, ports, stack))
        return list(measure_all(receivers, plan, progress=lambda m: _say(progress_line(m))))


def _start_best_peer(
    tenrusl: TenRusl, plan: Plan, folder: Path, ports: PortReservations, stack: contextlib.ExitStack
) -> Receiver:
    """The peer with the number of web workers that is best on this machine, on the same PostgreSQL and Valkey."""
    rates: dict[int, float] = {}
    for workers in _PEER_WEB_WORKERS:
        peer = _peer(tenrusl, workers, f"peer_try_{workers}", folder, ports)
        try:
            rates[workers] = _warm_up(peer.start(), plan).result.acked_per_second
        finally:
            peer.stop()
        _say(f"FastAPI + Celery with {workers} web worker(s): {rates[workers]:,.0f} acked/s")
    best = _peer(tenrusl, max(rates, key=lambda workers: rates[workers]), "peer", folder, ports)
    stack.callback(best.stop)
    receiver = best.start()
    _warm_up(receiver, plan)
    return receiver


def _peer(tenrusl: TenRusl, workers: int, database: str, folder: Path, ports: PortReservations) -> FastapiCelery:
    postgres, valkey = tenrusl.stack.postgres, tenrusl.stack.valkey
    assert postgres is not None
    assert valkey is not None
    postgres.create_database(database)
    create_tables(postgres.url(database))
    return FastapiCelery(
        folder=folder / database,
        port=ports.take(),
        database_url=postgres.url(database),
        broker_url=valkey.url,
        secret=secrets.token_urlsafe(32),
        web_workers=workers,
    )


def _warm_up(receiver: Receiver, plan: Plan) -> Measurement:
    """A short load, statistics, a load of the full length; what the latter gave."""
    measure(receiver, Workload.BURST, replace(plan, burst_seconds=_WARM_UP_SECONDS), round_number=-1)
    analyze(receiver)
    return measure(receiver, Workload.BURST, plan, round_number=0)


def _machine() -> str:
    model = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} × {model or platform.machine()}, {platform.system()}, Python {platform.python_version()}"  # noqa: RUF001


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # ending everything in order must not be cut off
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
