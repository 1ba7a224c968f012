"""Limits by provider and by source address, as operators set them and as they are by default."""

from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry

from services.gateway.metrics import GatewayMetrics
from services.gateway.problems import Problem
from services.gateway.throttle import MAX_ADDRESSES, Throttle
from tenrusl.errors import Reason

SENDER = "192.0.2.1"


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """A throttle of two providers, with its clock and its metrics."""

    def __init__(self, *, provider_rate: float = 0.0, source_rate: float = 0.0, replicas: int = 1) -> None:
        self.time = Time()
        self.registry = CollectorRegistry()
        self.throttle = Throttle(
            providers=("stripe", "xendit"),
            provider_rate=provider_rate,
            source_rate=source_rate,
            replicas=replicas,
            metrics=GatewayMetrics(self.registry),
            monotonic=self.time,
        )

    def refusal(self, provider: str = "stripe", source: str = SENDER) -> Problem | None:
        return self.throttle.refusal(provider, source)

    def taken(self, count: int, provider: str = "stripe", source: str = SENDER) -> int:
        return sum(self.refusal(provider, source) is None for _ in range(count))

    def metric(self, name: str, labels: Mapping[str, str]) -> float | None:
        return self.registry.get_sample_value(name, dict(labels))


def test_without_limits_everything_is_taken() -> None:
    gate = Gate()
    assert gate.taken(10_000) == 10_000
    assert gate.metric("tenrusl_throttle_per_second", {"provider": "stripe"}) is None


def test_a_provider_over_its_limit_is_refused_and_the_others_are_not() -> None:
    gate = Gate()
    gate.throttle.set_limits({"stripe": 5})
    assert gate.taken(100) == 5
    assert gate.taken(100, "xendit") == 100
    gate.time.now += 0.5
    assert gate.taken(100) == 2
    assert gate.metric("tenrusl_throttled_webhooks_total", {"limit": "provider", "provider": "stripe"}) == 95 + 98
    assert gate.metric("tenrusl_throttle_per_second", {"provider": "stripe"}) == 5


def test_a_refusal_says_when_to_come_again() -> None:
    gate = Gate()
    gate.throttle.set_limits({"stripe": 0.1})
    assert gate.refusal() is None
    waits = []
    for _ in range(10):
        problem = gate.refusal()
        assert problem is not None
        assert (problem.status, problem.reason) == (429, Reason.THROTTLED)
        ((name, value),) = problem.headers
        assert name == b"retry-after"
        waits.append(int(value))
    assert min(waits) == 10
    assert len(set(waits)) == 5  # they do not all come back together


def test_a_limit_that_is_cleared_leaves_the_default() -> None:
    gate = Gate(provider_rate=3)
    gate.throttle.set_limits({"stripe": 50})
    assert gate.taken(100) == 3  # what may come at once does not grow by setting a limit
    gate.time.now += 1
    assert gate.taken(100) == 50
    gate.throttle.set_limits({})
    gate.time.now += 1
    assert gate.taken(100) == 3
    assert gate.taken(100, "xendit") == 3


def test_the_same_limits_again_change_nothing() -> None:
    gate = Gate()
    gate.throttle.set_limits({"stripe": 5})
    assert gate.taken(100) == 5
    gate.throttle.set_limits({"stripe": 5})
    assert gate.taken(100) == 0


def test_a_sender_over_its_limit_takes_nothing_of_the_providers() -> None:
    gate = Gate(provider_rate=10, source_rate=4)
    assert gate.taken(1000, source="192.0.2.66") == 4
    assert gate.taken(4, source=SENDER) == 4
    assert gate.metric("tenrusl_throttled_webhooks_total", {"limit": "source", "provider": "stripe"}) == 996


def test_a_sender_is_limited_over_all_providers_also_those_that_are_unknown() -> None:
    gate = Gate(source_rate=4)
    assert gate.taken(3, "stripe") + gate.taken(3, "nosuch") == 4
    assert gate.metric("tenrusl_throttled_webhooks_total", {"limit": "source", "provider": "other"}) == 2


def test_addresses_of_one_ipv6_network_count_together() -> None:
    gate = Gate(source_rate=4)
    assert sum(gate.taken(1, source=f"2001:db8::{n:x}") for n in range(1, 100)) == 4
    assert gate.taken(1, source="2001:db8:0:1::1") == 1


def test_senders_beyond_measure_are_forgotten_oldest_first() -> None:
    gate = Gate(source_rate=1)
    assert gate.taken(2) == 1
    for n in range(MAX_ADDRESSES):
        gate.refusal(source=str(n))
    assert gate.taken(2) == 1


def test_replicas_share_a_limit() -> None:
    gates = [Gate(replicas=4) for _ in range(4)]
    for gate in gates:
        gate.throttle.set_limits({"stripe": 20})
    assert sum(gate.taken(100) for gate in gates) == 20


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 0.0])
def test_a_limit_that_is_none_limits_nothing(rate: float) -> None:
    gate = Gate()
    gate.throttle.set_limits({"stripe": rate})
    assert gate.taken(100) == 100
