"""The metrics port."""

import socket
import urllib.request

import pytest
from prometheus_client import Counter

from tenrusl.observability import metrics
from tenrusl.rpc.listening import ListenError
from tenrusl.settings import Address


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_registry_is_served_until_it_is_stopped() -> None:
    registry = metrics.new_registry()
    Counter("tenrusl_test", "a count", registry=registry).inc(3)
    address = Address("127.0.0.1", free_port())
    stop = metrics.serve(registry, address)
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert "tenrusl_test_total 3.0" in text
    assert "process_resident_memory_bytes" in text
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the system says it
        urllib.request.urlopen(f"http://{address}/metrics", timeout=10)


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} \(TENRUSL_X_METRICS\): Address already in use"):
            metrics.serve(metrics.new_registry(), Address("127.0.0.1", port), "TENRUSL_X_METRICS")
