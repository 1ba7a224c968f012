"""What every service's `__main__` does around its object graph: settings, logs, metrics, traces, event loop, exit."""

import gc
import resource
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from tenrusl.observability import logs, metrics, traces
from tenrusl.observability.loop_lag import LoopLag
from tenrusl.rpc.listening import ListenError
from tenrusl.rpc.tls import watch_expiry
from tenrusl.settings import Address, Settings, SettingsError, load

# New objects before a collection. A batch makes some thousands, which are gone when it is answered.
GC_THRESHOLD = 20_000
EXIT_FAILED = 1
EXIT_WRONG_SETTINGS = 2


def run(
    name: str,
    metrics_address: Callable[[Settings], Address],
    serve: Callable[[Settings, CollectorRegistry], Coroutine[Any, Any, None]],
) -> int:
    """Runs `serve` on uvloop until it returns. Returns the process's exit code.

    0 after a clean stop; 1 when an address cannot be listened on, 2 when settings are wrong, each with its
    message on stderr and no traceback.
    """
    try:
        settings = load()
        logs.configure(service=name, json=settings.json_logs)
        registry = metrics.new_registry()
        if settings.grpc_tls is not None:
            watch_expiry(registry, settings.grpc_tls)
        stop_metrics = metrics.serve(registry, metrics_address(settings), f"TENRUSL_{name.upper()}_METRICS")
        stop_traces = traces.configure(settings, service=name)
        _tune_garbage_collection()
        allow_open_files()
        try:
            uvloop.run(_without_group(_measured(serve(settings, registry), LoopLag(registry))))
        finally:
            stop_metrics()
            stop_traces()
    except SettingsError as exc:
        sys.stderr.write(f"{name}: {exc}\n")
        return EXIT_WRONG_SETTINGS
    except ListenError as exc:
        sys.stderr.write(f"{name}: {exc}\n")
        return EXIT_FAILED
    return 0


async def _measured(serving: Coroutine[Any, Any, None], lag: LoopLag) -> None:
    async with lag.measured():
        await serving


async def _without_group(serving: Coroutine[Any, Any, None]) -> None:
    """A single error that a task group around the server has wrapped, as it is."""
    try:
        await serving
    except ExceptionGroup as exc:
        if len(exc.exceptions) == 1 and isinstance(exc.exceptions[0], ListenError):
            raise exc.exceptions[0] from None
        raise


def allow_open_files() -> None:
    """As many as the hard limit says: each connection is one, and the usual soft limit, 1,024, is for select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tune_garbage_collection() -> None:
    """What is imported lives as long as the process: do not look through it at every collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)


async def always_ready() -> bool:
    """Readiness of a service without dependencies."""
    return True
