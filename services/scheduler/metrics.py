"""What the scheduler counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from services.scheduler.purge import PurgeProgress
    from services.scheduler.retry import Handled

KINDS = ("retry", "purge", "maintenance")
_OUTCOMES = ("done", "failed")
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800)


class SchedulerMetrics:
    """Counters and histograms of the scheduler in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter("tenrusl_runs", "Runs by kind and outcome", ("kind", "outcome"), registry=registry)
        self._seconds = Histogram("tenrusl_run_seconds", "Runs", ("kind",), buckets=_SECONDS, registry=registry)
        self._retried = Counter(
            "tenrusl_events_retried", "Events handed to the processor, by result", ("result",), registry=registry
        )

        self._purged = Counter("tenrusl_purged_payloads", "Payloads forgotten", registry=registry)
        self._days = Counter("tenrusl_purged_days", "Days of payloads that went whole", registry=registry)
        self._kept = Gauge(
            "tenrusl_purge_kept_payloads",
            "Payloads past their retention that the purge under way, or the last one, kept: unfinished, held",
            ("reason",),
            registry=registry,
        )
        self._done_at = Gauge(
            "tenrusl_run_done_timestamp_seconds",
            "When this process last ended a run of this kind well, in Unix time; before the first, when it started",
            ("kind",),
            registry=registry,
        )
        # A kind that has not run yet is one that ran no times.
        for kind in KINDS:
            self._done_at.labels(kind).set_to_current_time()
            for outcome in _OUTCOMES:
                self._runs.labels(kind, outcome)

    @contextmanager
    def run(self, kind: str) -> Iterator[None]:
        """Counts a run of this kind and its time. An exception passes, and counts as failed."""
        outcome = "failed"
        with self._seconds.labels(kind).time():
            try:
                yield
                outcome = "done"
                self._done_at.labels(kind).set_to_current_time()
            finally:
                self._runs.labels(kind, outcome).inc()

    def count_retried(self, handled: Handled) -> None:
        """Counts what the processor said about a batch."""
        for result, number in asdict(handled).items():
            if number:
                self._retried.labels(result).inc(number)

    def purge_meter(self) -> PurgeMeter:
        """For one run."""
        return PurgeMeter(self._purged, self._days, self._kept)


class PurgeMeter:
    """Counts what one purge has done, while it goes on."""

    def __init__(self, purged: Counter, days: Counter, kept: Gauge) -> None:
        self._purged = purged
        self._days = days
        self._kept = kept
        self._counted_payloads = 0
        self._counted_days = 0

    def so_far(self, progress: PurgeProgress) -> None:
        """Records how far the run is."""
        self._purged.inc(progress.purged - self._counted_payloads)
        self._days.inc(progress.days_dropped - self._counted_days)
        self._counted_payloads, self._counted_days = progress.purged, progress.days_dropped
        self._kept.labels("unfinished").set(progress.kept_unfinished)
        self._kept.labels("held").set(progress.kept_held)
