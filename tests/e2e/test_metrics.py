"""What a running system tells Prometheus."""

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tenrusl.docs.metric_list import metrics_of_services
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import World

ONLY_WITH_TLS = {"tenrusl_grpc_certificate_expiry_timestamp_seconds"}
UNKNOWN = "provider-that-nobody-knows"


def scraped(world: World, service: str) -> str:
    response = httpx.get(f"http://{world.stack.metrics_address(service)}/metrics", timeout=30)
    return response.raise_for_status().text


def families(world: World, service: str) -> dict[str, Metric]:
    """By the name that docs/metrics.md uses."""
    return {
        family.name + "_total" * (family.type == "counter"): family
        for family in text_string_to_metric_families(scraped(world, service))
        # prometheus_client tells when a counter was made, in gauges of their own.
        if family.name.startswith("tenrusl_") and not family.name.endswith("_created")
    }


def value(world: World, service: str, sample_name: str, **labels: str) -> float:
    """The sum over the samples with these labels."""
    return sum(
        sample.value
        for family in families(world, service).values()
        for sample in family.samples
        if sample.name == sample_name and labels.items() <= sample.labels.items()
    )


def test_each_service_tells_what_its_page_says_and_no_more(world: World) -> None:
    for service, documented in metrics_of_services().items():
        names = {metric.name: set(metric.labels) for metric in documented if metric.name not in ONLY_WITH_TLS}
        found = families(world, service)
        assert set(found) == set(names), service
        for name, family in found.items():
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == names[name], sample


def test_an_unknown_provider_and_what_else_is_sent_never_become_labels(world: World) -> None:
    before = value(world, "gateway", "tenrusl_http_requests_total", status="404")
    for path in (f"/api/webhooks/{UNKNOWN}", f"/api/webhooks/{UNKNOWN}/more", f"/{UNKNOWN}"):
        assert world.http.post(path, content=b"{}", headers={"X-Request-ID": UNKNOWN}).status_code == 404
    assert value(world, "gateway", "tenrusl_http_requests_total", status="404") == before + 3
    body = world.body("mock", f"metrics-{UNKNOWN}", PaymentStatus.SUCCEEDED, event_id=UNKNOWN)
    assert world.send("mock", body).status_code == 202
    assert world.send("mock", body, secret=UNKNOWN).status_code == 401
    world.wait(lambda: world.status("mock", f"metrics-{UNKNOWN}") == "succeeded")
    for service in metrics_of_services():
        assert UNKNOWN not in scraped(world, service)


def test_a_webhook_is_counted_on_its_whole_way(world: World) -> None:
    counts: list[tuple[str, str, dict[str, str]]] = [
        ("ingress", "tenrusl_webhooks_total", {"provider": "mock", "outcome": "accepted"}),
        ("ingress", "tenrusl_webhook_rejections_total", {"provider": "mock", "reason": "SIGNATURE_MISMATCH"}),
        ("ingress", "tenrusl_secret_matches_total", {"provider": "mock", "version": "current"}),
        ("ingress", "tenrusl_handoff_seconds_count", {}),
        ("processor", "tenrusl_events_settled_total", {"provider": "mock", "status": "processed"}),
        ("processor", "tenrusl_event_attempts_count", {"status": "processed"}),
        ("processor", "tenrusl_db_connection_use_seconds_count", {"pool": "transaction"}),
        ("scheduler", "tenrusl_runs_total", {"kind": "retry", "outcome": "done"}),
        ("gateway", "tenrusl_event_loop_lag_seconds_count", {}),
    ]

    def now() -> list[float]:
        return [value(world, service, name, **labels) for service, name, labels in counts]

    before = now()
    body = world.body("mock", "metrics-way", PaymentStatus.SUCCEEDED)
    assert world.send("mock", body).status_code == 202
    assert world.send("mock", body, secret="another").status_code == 401
    world.wait(lambda: all(later > earlier for later, earlier in zip(now(), before, strict=True)))
