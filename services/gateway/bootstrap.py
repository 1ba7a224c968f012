"""The gateway's object graph."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from grpc import aio
from prometheus_client import CollectorRegistry

from services.gateway.admin import AdminApi
from services.gateway.answers import ProviderAnswers
from services.gateway.app import Gateway
from services.gateway.batching import Accept, Batcher, BatchLimits
from services.gateway.headers import SourceAddress
from services.gateway.health import Health
from services.gateway.metrics import GatewayMetrics
from services.gateway.openapi import OpenApi
from services.gateway.payments import PaymentsApi
from services.gateway.protocol import TakesWhole
from services.gateway.throttle import Throttle
from services.gateway.throttle_limits import keep_limits, limits_from
from services.gateway.webhooks import WebhookEndpoint
from tenrusl.api.ingress.v1.ingress_pb2_grpc import IngressServiceStub
from tenrusl.api.processor.v1.payment_pb2_grpc import PaymentServiceStub
from tenrusl.clock import SystemClock
from tenrusl.observability import traces
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.context import REQUEST_ID_KEY
from tenrusl.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayParts:
    """What the process serves, what it runs beside, and what it must end in this order.

    takes_whole: see server.build_server. While tracing is on, each request needs a span, and so a task.
    """

    app: Gateway
    takes_whole: TakesWhole | None
    health: Health
    batcher: Batcher
    channels: tuple[aio.Channel, ...]
    keep_limits: Callable[[], Coroutine[Any, Any, None]]

    async def close(self) -> None:
        """Finishes the batches that wait, then closes the connections."""
        await self.batcher.close()
        for channel in self.channels:
            await channel.close()


def build(settings: Settings, registry: CollectorRegistry, providers: Mapping[str, ProviderAnswers]) -> GatewayParts:
    """Builds everything; connects to nothing yet. Call it inside a running event loop."""
    clock = SystemClock()
    metrics = GatewayMetrics(registry)
    timeout_seconds = settings.accept_timeout.total_seconds()
    body_timeout_seconds = settings.body_timeout.total_seconds()
    ingress, processor, admin = (
        build_channel(target, tls=settings.grpc_tls)
        for target in (settings.ingress_target, settings.processor_target, settings.admin_target)
    )
    source_address = SourceAddress(settings.trusted_proxies)
    limits = BatchLimits(
        max_webhooks=settings.batch_max_webhooks,
        max_in_flight=settings.batch_max_in_flight,
        max_waiting=settings.max_waiting_webhooks,
        max_wait_seconds=timeout_seconds,
    )
    batcher = Batcher(_accept_through(ingress, timeout_seconds), limits, metrics)
    metrics.watch_waiting(lambda: batcher.waiting)
    throttle = Throttle(
        providers=providers,
        provider_rate=settings.throttle_provider_rate,
        source_rate=settings.throttle_source_rate,
        replicas=settings.gateway_replicas,
        metrics=metrics,
    )
    webhooks = WebhookEndpoint(
        batcher=batcher,
        providers=providers,
        source_address=source_address,
        throttle=throttle,
        metrics=metrics,
        clock=clock,
        max_body_bytes=settings.max_body_bytes,
        body_timeout_seconds=body_timeout_seconds,
    )
    payments = PaymentsApi(
        PaymentServiceStub(processor),
        timeout_seconds=timeout_seconds,
        max_body_bytes=settings.max_body_bytes,
        body_timeout_seconds=body_timeout_seconds,
    )
    operators = AdminApi(
        admin, header=settings.admin_header, source_address=source_address, timeout_seconds=timeout_seconds
    )
    health = Health(ingress)
    routes = [*payments.routes(), *operators.routes(), *health.routes(), *OpenApi().routes()]
    app = Gateway(webhooks, routes, metrics, clock)
    return GatewayParts(
        app=app,
        takes_whole=None if traces.enabled() else app.take_whole,
        health=health,
        batcher=batcher,
        channels=(ingress, processor, admin),
        keep_limits=partial(keep_limits, throttle, limits_from(ingress), metrics),
    )


def _accept_through(channel: aio.Channel, timeout_seconds: float) -> Accept:
    stub = IngressServiceStub(channel)
    return lambda request, request_id: stub.AcceptWebhooks(
        request, timeout=timeout_seconds, metadata=((REQUEST_ID_KEY, request_id),)
    )
