"""Alerts and dashboards: they parse, and ask only for what there is. Not checked here: what Prometheus evaluates."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from services.gateway.webhooks import ROUTE
from services.ingress.judge import Disposition
from services.processor.process import ResultStatus
from services.scheduler.metrics import KINDS
from services.scheduler.work_metrics import LOCK_STATES, STATUSES
from tenrusl.docs.markdown import anchor
from tenrusl.docs.metric_list import metrics_of_services
from tenrusl.observability.metrics import new_registry
from tests.promql import kept, picked

_ROOT = Path(__file__).parents[3]
_RULES = yaml.safe_load((_ROOT / "deploy/k8s/components/monitoring/prometheusrule.yaml").read_text(encoding="utf-8"))
_DASHBOARDS = {path.name: json.loads(path.read_text()) for path in sorted((_ROOT / "deploy/grafana").glob("*.json"))}
# What Prometheus, or the ServiceMonitor, adds to every series.
TARGET_LABELS = {"job", "instance", "namespace", "pod", "app_kubernetes_io_component"}
# Values that expressions ask for, so that a misspelt one is found.
VALUES: Mapping[tuple[str, str], set[str]] = {
    ("tenrusl_webhooks_total", "outcome"): {item.value for item in Disposition},
    ("tenrusl_events_settled_total", "status"): {item.value for item in ResultStatus},
    ("tenrusl_event_attempts_bucket", "status"): {"processed", "dead_letter"},
    ("tenrusl_unprocessed_events", "status"): set(STATUSES),
    ("tenrusl_runs_total", "kind"): set(KINDS),
    ("tenrusl_runs_total", "outcome"): {"done", "failed"},
    ("tenrusl_run_done_timestamp_seconds", "kind"): set(KINDS),
    ("tenrusl_run_lock", "state"): set(LOCK_STATES),
    ("tenrusl_http_request_seconds_bucket", "route"): {ROUTE},
}
# Grafana fills these in.
_VARIABLES = {"$__rate_interval": "5m", "$provider": "mock"}


def _series() -> dict[str, set[str]]:
    """The labels of every series that a service may tell."""
    found = {sample.name: set(sample.labels) for family in new_registry().collect() for sample in family.samples}
    for metrics in metrics_of_services().values():
        for metric in metrics:
            for name in metric.samples:
                found[name] = {*metric.labels, *({"le"} if name.endswith("_bucket") else ())}
    return found | {"up": set()}


SERIES = _series()


ALERTS: list[Mapping[str, Any]] = [rule for group in _RULES["spec"]["groups"] for rule in group["rules"]]
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['id']}")
    for name, dashboard in _DASHBOARDS.items()
    for panel in dashboard["panels"]
]


def check(expression: str) -> None:
    """Fails unless the expression parses, and its series have the labels and values that it asks for."""
    selectors = picked(expression)
    assert selectors
    for selector in selectors:
        assert selector.series in SERIES
        assert selector.labels <= SERIES[selector.series] | TARGET_LABELS
        for label, value in selector.values:
            assert value in VALUES[selector.series, label]
    for aggregation in kept(expression):
        for series in aggregation.series:
            assert set(aggregation.labels) <= SERIES[series] | TARGET_LABELS


@pytest.mark.parametrize(
    "expression",
    [
        "sum(",
        "tenrusl_misspelt_total > 1",
        'tenrusl_webhooks_total{outcom="rejected"}',
        'tenrusl_webhooks_total{outcome="regected"}',
        "sum by (event_id) (rate(tenrusl_webhooks_total[5m]))",
        "rate(tenrusl_rpc_seconds[5m])",
    ],
)
def test_what_does_not_exist_is_found(expression: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(expression)


def test_there_are_the_alerts_that_were_asked_for() -> None:
    assert {alert["alert"] for alert in ALERTS} >= {
        "TenruslBacklog", "TenruslServerErrors", "TenruslRejectionsRising", "TenruslRetryStorm", "TenruslSlowQueries",
        "TenruslSchedulerSilent", "TenruslDeadLettersGrowing", "TenruslCertificateEnds", "TenruslRotationOpen",
        "TenruslTargetDown", "TenruslEventLoopLag",
    }  # fmt: skip


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_what_there_is(alert: Mapping[str, Any]) -> None:
    check(alert["expr"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_where_help_stands(alert: Mapping[str, Any]) -> None:
    assert re.fullmatch(r"Tenrusl[A-Za-z]+", alert["alert"])
    assert promql_parser.parse_duration(alert["for"]).total_seconds() > 0
    assert alert["labels"]["severity"] in ("info", "warning", "critical")
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    page, _, heading = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (_ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert heading in {anchor(text) for text in headings}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alerts_text_names_only_labels_that_it_has(alert: Mapping[str, Any]) -> None:
    labels = {label for aggregation in kept(alert["expr"]) for label in aggregation.labels} | {"le"}
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
    # Without an aggregation a series keeps all of its labels.
    assert named <= (labels if kept(alert["expr"]) else TARGET_LABELS)


def test_names_of_alerts_and_dashboards_are_unique() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(names) == len(set(names))
    assert len(_DASHBOARDS) == len({board["uid"] for board in _DASHBOARDS.values()}) >= 3


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_a_dashboard_lets_the_reader_choose_where_its_data_comes_from(name: str) -> None:
    board = _DASHBOARDS[name]
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])
    assert {item["name"]: item["type"] for item in board["templating"]["list"]}["datasource"] == "datasource"
    assert "id" not in board
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            assert label in SERIES[series]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_a_unit_and_asks_for_what_there_is(panel: Mapping[str, Any]) -> None:
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["fieldConfig"]["defaults"]["unit"] in ("s", "bytes", "short", "percentunit", "reqps", "cps")
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert panel["targets"]
    for target in panel["targets"]:
        expression = target["expr"]
        for variable, text in _VARIABLES.items():
            expression = expression.replace(variable, text)
        check(expression)
        kept_labels = {label for aggregation in kept(expression) for label in aggregation.labels}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept_labels
