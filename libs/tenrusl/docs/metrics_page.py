"""docs/metrics.md: every metric, from the code that counts."""

from tenrusl.docs.markdown import code, codes, table
from tenrusl.docs.metric_list import DescribedMetric, metrics_of_services

_INTRODUCTION = """\
# Metrics

<!-- Made from the services' code by `make docs`. Do not edit. -->

Each service serves its own on `/metrics` of `TENRUSL_<SERVICE>_METRICS`, for Prometheus; beside these the usual ones of
a Python process (`process_*`, `python_*`). Alerts:
[prometheusrule.yaml](../deploy/k8s/components/monitoring/prometheusrule.yaml), explained in the
[runbook](runbook.md). Dashboards for Grafana: [deploy/grafana](../deploy/grafana).

Labels have few values: `provider` is a provider that the service knows, else `other`; `version` at most 20 of a
provider; `failure_code` at most 30. What somebody sends never becomes a label.

What the scheduler and admin tell of the database and of Redis is asked for at a scrape, at most every five seconds, by
bounded statements. With the database away these metrics are missing rather than old. Each scheduler tells the same
figures: take `max`, not `sum`, over them.
"""


def render_metrics() -> str:
    """The whole page, with a line feed at its end."""
    services = metrics_of_services()
    everywhere = [metric for metric in services["gateway"] if all(metric in metrics for metrics in services.values())]
    most = [
        metric
        for metric in services["ingress"]
        if metric not in everywhere and all(metric in services[name] for name in services if name != "gateway")
    ]
    parts = [
        _INTRODUCTION.rstrip("\n"),
        "## Every service",
        _table(everywhere),
        "## Every service but the gateway",
        _table(most),
    ]
    for name, metrics in services.items():
        parts += [f"## {name.capitalize()}", _table([item for item in metrics if item not in everywhere + most])]
    return "\n\n".join(parts) + "\n"


def _table(metrics: list[DescribedMetric]) -> str:
    rows = [[code(item.name), item.kind, codes(item.labels) or "none", item.text] for item in metrics]
    return table(["metric", "kind", "labels", "meaning"], rows)
