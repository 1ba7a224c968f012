"""The line of counters, read from real metrics ports."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from tenrusl.local.counters import Counters, read_counters
from tenrusl.local.ports import PortReservations
from tenrusl.observability.metrics import serve
from tenrusl.settings import Address


def test_they_are_summed_over_providers_and_refusals(ports: PortReservations) -> None:
    registry = CollectorRegistry()
    webhooks = Counter("tenrusl_webhooks_total", "webhooks", ["provider", "outcome"], registry=registry)
    for provider, outcome, times in [
        ("mock", "accepted", 3),
        ("stripe", "accepted", 2),
        ("mock", "duplicate", 1),
        ("mock", "rejected", 4),
        ("other", "unknown_provider", 5),
    ]:
        webhooks.labels(provider, outcome).inc(times)
    settled = Counter("tenrusl_events_settled_total", "events", ["provider", "status"], registry=registry)
    for status, times in [("processed", 6), ("failed", 7), ("dead_letter", 8)]:
        settled.labels("mock", status).inc(times)
    address = Address("127.0.0.1", ports.take())
    stop = serve(registry, address)
    try:
        counters = read_counters(address, address)
    finally:
        stop()
    assert counters == Counters(accepted=5, duplicate=1, rejected=9, processed=6, failed=15)
    assert str(counters) == "accepted 5  duplicate 1  rejected 9  processed 6  failed 15"
