"""Prometheus metrics on a port of their own, served by a thread, so that a busy event loop still answers."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server

from tenrusl.rpc.listening import listen_error
from tenrusl.settings import Address


def new_registry() -> CollectorRegistry:
    """A registry with the process's own figures (CPU, memory, open files, garbage collection)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def serve(registry: CollectorRegistry, address: Address, setting: str = "metrics address") -> Callable[[], None]:
    """Serves `registry` on `address` and returns what stops that. `setting` names the variable in the error.

    Raises ListenError when the address is taken.
    """
    try:
        server, thread = start_http_server(address.port, addr=address.host.strip("[]"), registry=registry)
    except OSError as exc:
        raise listen_error(address, setting, exc) from exc

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
