"""`make bench`: measures TenRusl, its peers and the limits in turn, and more of TenRusl alone; writes the report.

Fails when an acknowledged event is missing.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from benchmarks.contest import Contest
from benchmarks.cost import measure_cost
from benchmarks.drain import measure_drain
from benchmarks.machine import describe
from benchmarks.plot import draw
from benchmarks.purge import measure_purge
from benchmarks.report import Results, progress_line, report
from benchmarks.rounds import Measurement
from benchmarks.samples import samples
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.sizes import measure_sizes
from benchmarks.soak import measure_soak
from benchmarks.verdicts import failures
from benchmarks.verification import measure_sample
from benchmarks.workloads import cost_loads
from tenrusl.local.ports import PortReservations
from tenrusl.local.process import StartError

_PARTS = ("verification", "drain", "purge", "cost", "load", "sizes", "soak")
_NS_PER_SECOND = 1_000_000_000


def main(arguments: Sequence[str]) -> int:
    """Exit status 0, or 1 when an acknowledged event is missing or something does not start."""
    chosen = _parser().parse_args(arguments)
    scale = _scale(chosen)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    results = Results(machine=describe(), command=" ".join(["python -m benchmarks", *arguments]), rounds=scale.rounds)
    began = time.monotonic()
    try:
        for part in chosen.part or _PARTS:
            _measure(part, scale, results, with_peers=not chosen.without_peers)
    except (StartError, OSError, subprocess.SubprocessError) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 1
    results.seconds = time.monotonic() - began
    _write(results, chosen.output)
    wrong = failures(results.all_loads())
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*_PARTS, []], help="these parts only; default: everything")
    parser.add_argument("--rounds", type=_positive_int, help=f"default: {FULL.rounds}")
    parser.add_argument("--quick", action="store_true", help="the same with small numbers, to see that it works")
    parser.add_argument("--soak-minutes", type=_positive, help=f"default: {FULL.soak_minutes:g}")
    parser.add_argument("--without-peers", action="store_true", help="measure TenRusl only")
    parser.add_argument("--output", type=Path, help="folder for report.md and report.png; default: only print")
    return parser


def _scale(chosen: argparse.Namespace) -> Scale:
    scale = QUICK if chosen.quick else FULL
    given = {"rounds": chosen.rounds, "soak_minutes": chosen.soak_minutes}
    return replace(scale, **{name: value for name, value in given.items() if value is not None})


def _measure(part: str, scale: Scale, results: Results, *, with_peers: bool) -> None:
    _say(f"{part} …")
    if part == "verification":
        budget_ns = int(scale.verification_seconds * _NS_PER_SECOND)
        results.timings = [measure_sample(sample, budget_ns=budget_ns) for sample in samples()]
        return
    with _own_folder() as (folder, ports):
        match part:
            case "drain":
                results.drain = measure_drain(folder, ports, events=scale.drain_events, histories=scale.histories)
            case "purge":
                payloads, rounds = scale.purge_payloads, scale.purge_rounds
                results.purge = measure_purge(folder, ports, payloads=payloads, rounds=rounds)
            case "cost":
                results.costs = measure_cost(folder, ports, loads=cost_loads(scale), progress=_progress)
            case "load":
                contest = Contest(folder=folder, ports=ports, scale=scale, say=_say)
                results.measurements = contest.run(_progress, with_peers=with_peers)
            case "sizes":
                results.sizes = measure_sizes(
                    folder,
                    ports,
                    histories=scale.histories,
                    seconds=scale.burst_seconds,
                    rounds=scale.rounds,
                    progress=_progress,
                )
            case "soak":
                results.soak = measure_soak(
                    folder,
                    ports,
                    minutes=scale.soak_minutes,
                    rate=scale.soak_rate,
                    slice_seconds=scale.soak_slice_seconds,
                    progress=_progress,
                )


def _write(results: Results, output: Path | None) -> None:
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        draw(results, output / "report.png")
        (output / "report.md").write_text(report(results, plot="report.png"), encoding="utf-8")
    print(report(results, plot=None))


@contextlib.contextmanager
def _own_folder() -> Iterator[tuple[Path, PortReservations]]:
    ports = PortReservations()
    try:
        with tempfile.TemporaryDirectory(prefix="tenrusl-bench-") as folder:
            yield Path(folder) / "tenrusl", ports
    finally:
        ports.release()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be over 0")
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _progress(measurement: Measurement) -> None:
    _say(progress_line(measurement))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # ending everything in order must not be cut off
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
