"""The picture beside the report. Draws into a file, opens no window."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.cells import acked_per_second, labels_of, median, processed_per_second, receivers_of, select
from benchmarks.report import Results
from benchmarks.rounds import Measurement
from benchmarks.soak import SoakFigures
from benchmarks.workloads import Kind

_SIZE_INCHES = (14, 10)
_MEBIBYTE = 1024 * 1024


def draw(results: Results, path: Path) -> None:
    """Writes a PNG with what the run has measured; panels without a measurement stay empty."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)
    figure.suptitle(results.machine)
    _bursts(panels[0][0], results.measurements)
    _rates(panels[0][1], results.measurements)
    _sizes(panels[1][0], results)
    _soak(panels[1][1], results.soak)
    figure.savefig(path, dpi=110)


def _bursts(axes: Axes, measurements: Sequence[Measurement]) -> None:
    """Medians with their ranges."""
    axes.set(title="Bursts", ylabel="acked/s", yscale="log")
    labels, receivers = labels_of(measurements, Kind.BURST), receivers_of(measurements)
    width = 0.8 / max(1, len(receivers))
    for place, receiver in enumerate(receivers):
        for number, label in enumerate(labels):
            values = [acked_per_second(m) for m in select(measurements, receiver, label, Kind.BURST)]
            if not values:
                continue
            middle = statistics.median(values)
            axes.bar(
                number + (place - (len(receivers) - 1) / 2) * width,
                middle,
                width,
                yerr=[[middle - min(values)], [max(values) - middle]],
                color=f"C{place}",
                label=receiver if number == 0 else None,
            )
    axes.set_xticks(range(len(labels)), labels)
    if receivers:
        axes.legend(fontsize="small")


def _rates(axes: Axes, measurements: Sequence[Measurement]) -> None:
    axes.set(title="Fixed rates, from the intended time", xlabel="webhooks/s", ylabel="p99 ms")
    axes.set(xscale="log", yscale="log")
    for place, receiver in enumerate(receivers_of(measurements)):
        points = [
            (loads[0].workload.rate or 0.0, statistics.median(m.result.p99_ms for m in loads))
            for label in labels_of(measurements, Kind.RATE)
            if (loads := select(measurements, receiver, label, Kind.RATE))
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", color=f"C{place}", label=receiver)
    if axes.lines:
        axes.legend(fontsize="small")


def _sizes(axes: Axes, results: Results) -> None:
    axes.set(title="Beside a grown table", xlabel="processed events behind", ylabel="a second", xscale="log")
    for name, value in (("acked", acked_per_second), ("processed", processed_per_second)):
        if results.sizes:
            axes.plot(list(results.sizes), [median(m, value) for m in results.sizes.values()], marker="o", label=name)
    axes.set_ylim(bottom=0)
    if results.sizes:
        axes.legend(fontsize="small")


def _soak(axes: Axes, soak: SoakFigures | None) -> None:
    axes.set(title="Soak", xlabel="minutes", ylabel="resident MiB")
    if soak is None:
        return
    minutes = [sample.seconds / 60 for sample in soak.samples]
    for name in soak.samples[-1].resident:
        axes.plot(minutes, [sample.resident[name] / _MEBIBYTE for sample in soak.samples], label=name)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
