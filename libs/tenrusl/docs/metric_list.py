"""Every metric of every service, asked of the code that counts: without a server, a database or a loop."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.admin.secret_metrics import secret_families
from services.gateway.metrics import GatewayMetrics
from services.ingress.metrics import IngressMetrics
from services.processor.metrics import ProcessorMetrics
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.work_metrics import lock_families, work_families
from tenrusl.observability.certificates import certificate_expiry_gauge
from tenrusl.observability.loop_lag import LoopLag
from tenrusl.rpc.interceptors import RpcMetrics
from tenrusl.store.pool_metrics import PoolMetrics

SAMPLES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedMetric:
    """A metric. name: as Prometheus stores it, of a histogram without the ending. kind: counter, gauge, histogram."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.kind == "counter":
            return (self.name,)
        return tuple(self.name + ending for ending in SAMPLES_OF[self.kind])


class _AsDescribed(Collector):
    """The metrics that a process asks for at a scrape, without values."""

    def __init__(self, families: Callable[[], Sequence[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    describe = collect


def _every(registry: CollectorRegistry) -> None:
    LoopLag(registry)
    certificate_expiry_gauge(registry)


def _grpc_and_database(registry: CollectorRegistry) -> None:
    _every(registry)
    RpcMetrics(registry)
    PoolMetrics(registry)


def _gateway(registry: CollectorRegistry) -> None:
    _every(registry)
    GatewayMetrics(registry)


def _ingress(registry: CollectorRegistry) -> None:
    _grpc_and_database(registry)
    IngressMetrics(registry, ())


def _processor(registry: CollectorRegistry) -> None:
    _grpc_and_database(registry)
    ProcessorMetrics(registry)


def _scheduler(registry: CollectorRegistry) -> None:
    _grpc_and_database(registry)
    SchedulerMetrics(registry)
    registry.register(_AsDescribed(work_families))
    registry.register(_AsDescribed(lock_families))


def _admin(registry: CollectorRegistry) -> None:
    _grpc_and_database(registry)
    registry.register(_AsDescribed(secret_families))


# What each `__main__` registers, which a test compares with a running system's /metrics.
_SERVICES: Mapping[str, Callable[[CollectorRegistry], None]] = MappingProxyType(
    {"gateway": _gateway, "ingress": _ingress, "processor": _processor, "scheduler": _scheduler, "admin": _admin}
)


def metrics_of_services() -> dict[str, list[DescribedMetric]]:
    """By service, in the order in which they are registered; without those of the Python process itself."""
    return {service: _described(register) for service, register in _SERVICES.items()}


def _described(register: Callable[[CollectorRegistry], None]) -> list[DescribedMetric]:
    registry = CollectorRegistry()
    register(registry)
    # prometheus_client tells labels of a metric without values only by attributes of its own.
    collectors = registry._collector_to_names
    return [
        DescribedMetric(
            name=f"{family.name}_total" if family.type == "counter" else family.name,
            kind=family.type,
            labels=tuple(getattr(family, "_labelnames", ()) or getattr(collector, "_labelnames", ())),
            text=family.documentation,
        )
        for collector in collectors
        for family in collector.describe()  # type: ignore[attr-defined]
    ]
