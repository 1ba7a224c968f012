"""Few values of a label, and how late the event loop is."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from services.ingress.judge import Disposition
from services.ingress.metrics import IngressMetrics
from services.processor.metrics import ProcessorMetrics
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.purge import PurgeProgress
from tenrusl.errors import Reason
from tenrusl.observability import loop_lag
from tenrusl.observability.labels import OTHER, LabelLimit
from tenrusl.observability.loop_lag import LoopLag


def values(registry: CollectorRegistry, label: str) -> set[str]:
    return {
        sample.labels[label] for family in registry.collect() for sample in family.samples if label in sample.labels
    }


def test_a_label_has_no_more_values_than_its_limit() -> None:
    limit = LabelLimit(2)
    assert [limit(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_an_unknown_provider_never_becomes_a_label() -> None:
    registry = CollectorRegistry()
    metrics = IngressMetrics(registry, ["mock"])
    for number in range(100):
        key = (f"provider-{number}", Disposition.UNKNOWN_PROVIDER, Reason.PROVIDER_UNKNOWN)
        metrics.count({key: 1, ("mock", Disposition.ACCEPTED, None): 1})
    assert values(registry, "provider") == {"mock", OTHER}


def test_versions_of_a_providers_secret_are_few_labels() -> None:
    registry = CollectorRegistry()
    metrics = IngressMetrics(registry, ["mock"])
    for number in range(100):
        metrics.count_matches({("mock", f"v{number}"): 2})
    metrics.count_matches({("stripe", "current"): 3})
    assert len(values(registry, "version")) == 22
    labels = {"provider": "mock", "version": OTHER}
    assert registry.get_sample_value("tenrusl_secret_matches_total", labels) == 160
    labels = {"provider": "stripe", "version": "current"}
    assert registry.get_sample_value("tenrusl_secret_matches_total", labels) == 3


def test_causes_of_failures_are_few_labels_and_the_last_ones_are_dead_letters() -> None:
    registry = CollectorRegistry()
    metrics = ProcessorMetrics(registry)
    metrics.count_failures("mock", "defect", 2, final=False)
    metrics.count_failures("mock", "defect", 3, final=True)
    for number in range(100):
        metrics.count_failures("mock", f"code-{number}", 1, final=False)
    assert len(values(registry, "failure_code")) == 31
    labels = {"provider": "mock", "failure_code": "defect"}
    assert registry.get_sample_value("tenrusl_event_failures_total", labels) == 5
    assert registry.get_sample_value("tenrusl_dead_letters_total", labels) == 3


def test_a_purge_is_counted_while_it_goes_on() -> None:
    registry = CollectorRegistry()
    metrics = SchedulerMetrics(registry)
    for purged in (([10, 30]), ([5])):  # two runs
        meter = metrics.purge_meter()
        for number in purged:
            meter.so_far(PurgeProgress(purged=number, days_dropped=1, kept_held=2))
    assert registry.get_sample_value("tenrusl_purged_payloads_total") == 35
    assert registry.get_sample_value("tenrusl_purged_days_total") == 2
    assert registry.get_sample_value("tenrusl_purge_kept_payloads", {"reason": "held"}) == 2


def test_runs_that_never_were_are_counted_as_none() -> None:
    registry = CollectorRegistry()
    SchedulerMetrics(registry)
    assert registry.get_sample_value("tenrusl_runs_total", {"kind": "retry", "outcome": "done"}) == 0


async def test_the_loops_lag_is_what_it_was_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "INTERVAL_SECONDS", 0.01)
    registry = CollectorRegistry()
    async with LoopLag(registry).measured():
        await asyncio.sleep(0)  # it has begun
        time.sleep(0.2)  # noqa: ASYNC251 - what it is about
        async with asyncio.timeout(10):
            while not registry.get_sample_value("tenrusl_event_loop_lag_seconds_count"):
                await asyncio.sleep(0.001)
    assert (registry.get_sample_value("tenrusl_event_loop_lag_seconds_sum") or 0) >= 0.15
