"""Every metric of every service: names and units after Prometheus's conventions, few values for each label.

https://prometheus.io/docs/practices/naming/
"""

import re

import pytest

from tenrusl.docs.metric_list import DescribedMetric, metrics_of_services

# Each of these has few values, whatever is sent: see docs/metrics.md.
LABELS = {
    "code", "failure_code", "kind", "limit", "method", "outcome", "pool", "provider", "reason", "result", "route",
    "state", "status", "version", "why",
}  # fmt: skip
# What is counted where there is no unit, and the base units.
UNITS = "seconds|bytes|webhooks|events|payloads|connections|attempts"
# Gauges of something else.
NO_UNIT = {"tenrusl_rpc_in_flight", "tenrusl_run_lock", "tenrusl_throttle_per_second"}

METRICS = [
    pytest.param(metric, id=f"{service}-{metric.name}")
    for service, metrics in metrics_of_services().items()
    for metric in metrics
]


def test_every_service_has_metrics() -> None:
    assert all(len(metrics) > 2 for metrics in metrics_of_services().values())


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_has_a_name_with_its_unit_and_a_text(metric: DescribedMetric) -> None:
    assert re.fullmatch(r"tenrusl(_[a-z]+)+", metric.name)
    assert metric.kind in ("counter", "gauge", "histogram")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.kind != "counter" and metric.name not in NO_UNIT:
        assert re.search(rf"_({UNITS})$", metric.name)
    assert not re.search(r"_(ms|millis\w*|minutes|hours|days|kb|mb|kilo\w*)$", metric.name)
    assert len(metric.text.strip()) > 3
    assert "\n" not in metric.text


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_has_only_labels_with_few_values(metric: DescribedMetric) -> None:
    assert set(metric.labels) <= LABELS


def test_a_metric_of_several_services_is_the_same_in_each() -> None:
    known: dict[str, DescribedMetric] = {}
    for metrics in metrics_of_services().values():
        for metric in metrics:
            assert known.setdefault(metric.name, metric) == metric
