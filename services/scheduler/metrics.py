"""What the scheduler counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from services.scheduler.retry import Handled

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800)


class SchedulerMetrics:
    """Counters and histograms of the scheduler in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter("tenrusl_runs", "Runs by kind and outcome", ("kind", "outcome"), registry=registry)
        self._seconds = Histogram("tenrusl_run_seconds", "Runs", ("kind",), buckets=_SECONDS, registry=registry)
        self._retried = Counter(
            "tenrusl_events_retried", "Events handed to the processor, by result", ("result",), registry=registry
        )

    @contextmanager
    def run(self, kind: str) -> Iterator[None]:
        """Counts a run of this kind and its time. An exception passes, and counts as failed."""
        outcome = "failed"
        with self._seconds.labels(kind).time():
            try:
                yield
                outcome = "done"
            finally:
                self._runs.labels(kind, outcome).inc()

    def count_retried(self, handled: Handled) -> None:
        """Counts what the processor said about a batch."""
        for result, number in asdict(handled).items():
            if number:
                self._retried.labels(result).inc(number)
