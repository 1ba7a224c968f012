"""Gateway, ingress and processor behind real gRPC on a real PostgreSQL, and all spans that they make."""

import asyncio
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from services.ingress.accept import Acceptor
from services.ingress.credentials import CredentialBook
from services.ingress.handoff import Handoff
from services.ingress.judge import Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.servicer import IngressServicer, process_events_by
from services.ingress.tracing import EventTraces
from services.processor.confirm import Confirmation
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.payment_servicer import PaymentServicer
from services.processor.payments import Payments
from services.processor.process import Processor
from services.processor.servicer import ProcessorServicer
from services.processor.unconfirmed import UnconfirmedEvents
from tenrusl.api.ingress.v1 import ingress_pb2, ingress_pb2_grpc
from tenrusl.api.processor.v1 import payment_pb2, payment_pb2_grpc, processor_pb2, processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.idempotency import IdempotencyStore
from tenrusl.crypto import PayloadCipher, decode_app_key
from tenrusl.keysources.https import FetchError
from tenrusl.keysources.source import KeySource
from tenrusl.observability import traces
from tenrusl.observability.otel import build_tracer
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.keys import KeyRequest
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Settings, load
from tenrusl.store.engine import Engine, is_ready, transaction
from tenrusl.store.event_store import EventStore
from tests.builders import AUDIT_KEYS
from tests.integration.gateway.gateway_stack import Answer
from tests.integration.http.http_stack import ENVIRON, LOCAL, HttpRequest, running_gateway, send_to

SECRET = "secret-of-mock"
WAIT_SECONDS = 30.0


@pytest.fixture
def exported(request: pytest.FixtureRequest) -> Iterator[InMemorySpanExporter]:
    """Tracing is on, and ended spans come here. A parameter is more environment: the sampler."""
    environ: Mapping[str, str] = getattr(request, "param", {})
    exporter = InMemorySpanExporter()
    tracer = build_tracer(load({**ENVIRON, **environ}), service="test", processor=SimpleSpanProcessor(exporter))
    turn_off = traces.use(tracer)
    yield exporter
    turn_off()
    tracer.shutdown()


@dataclass(kw_only=True)
class TracedStack:
    """The three services. port: of the gateway."""

    port: int
    engine: Engine
    exporter: InMemorySpanExporter

    async def send(self, ref: str, *, secret: str = SECRET, path: str = "/api/webhooks/mock", **headers: str) -> Answer:
        """Sends an event of the payment `ref`, signed with `secret`."""
        data = {"id": ref, "status": "succeeded", "amount_minor": 1000, "currency": "IDR"}
        body = json.dumps({"id": f"evt-{ref}", "type": "payment.succeeded", "data": data}).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        lines = [("Content-Type", "application/json"), ("X-Mock-Signature", signature), *headers.items()]
        request = HttpRequest(method="POST", target=path, headers=lines, body=body)
        return await send_to(self.port, request.encode())

    async def get(self, path: str) -> Answer:
        """Asks the gateway."""
        return await send_to(self.port, HttpRequest(method="GET", target=path, headers=(), body=b"").encode())

    async def lose_the_events(self) -> None:
        """From now on the database refuses every event."""
        async with transaction(self.engine) as connection:
            await connection.exec_driver_sql("ALTER TABLE webhook_events RENAME TO lost_events")

    async def spans(self, **expected: int) -> list[ReadableSpan]:
        """All that have ended, once there are so many of each name (with underscores for spaces)."""
        wanted = {name.replace("_", " "): number for name, number in expected.items()}

        def are_there(spans: Sequence[ReadableSpan]) -> bool:
            names = [span.name for span in spans]
            return all(names.count(name) >= number for name, number in wanted.items())

        return await self.spans_when(are_there)

    async def spans_when(self, are_there: Callable[[Sequence[ReadableSpan]], bool]) -> list[ReadableSpan]:
        """All that have ended, once it is so."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found = list(self.exporter.get_finished_spans())
                if are_there(found):
                    return found
                await asyncio.sleep(0.01)


@pytest.fixture
async def stack(engine: Engine, exported: InMemorySpanExporter) -> AsyncIterator[TracedStack]:
    settings = load({**ENVIRON, "TENRUSL_WEBHOOK_SECRET_MOCK": SECRET})
    async with (
        _processor(engine, settings) as processor,
        _ingress(engine, settings, processor) as ingress,
        running_gateway(ingress, processor) as port,
    ):
        yield TracedStack(port=port, engine=engine, exporter=exported)


@asynccontextmanager
async def _ingress(engine: Engine, settings: Settings, processor: str) -> AsyncIterator[str]:
    async def fetch(request: KeyRequest) -> bytes:
        raise FetchError("there is no network")

    async def post(host: str, path: str, *, authorization: Secret, content_type: str, body: bytes) -> bytes:
        raise FetchError("there is no network")

    metrics, clock = IngressMetrics(CollectorRegistry(), PROVIDERS), SystemClock()
    channel, event_traces = build_channel(processor), EventTraces()
    handoff = Handoff(process_events_by(processor_pb2_grpc.ProcessorServiceStub(channel), event_traces), metrics)
    acceptor = Acceptor(
        judge=Judge(
            providers=PROVIDERS,
            allowed=(),
            credentials=CredentialBook(PROVIDERS, settings.credentials),
            cipher=PayloadCipher(decode_app_key(settings.app_key)),
        ),
        keys=KeySource(fetch, clock),
        postback=Postback(post, clock),
        store=EventStore(engine, partition_days=2),
        hand_off=handoff.offer,
        handoff_delay=settings.handoff_delay,
        clock=clock,
        metrics=metrics,
    )
    server = _server("ingress", engine, settings)
    server.add(
        ingress_pb2_grpc.add_IngressServiceServicer_to_server,
        IngressServicer(acceptor, event_traces),
        ingress_pb2.DESCRIPTOR.services_by_name["IngressService"].full_name,
    )
    port, handing_off = await server.start(), asyncio.create_task(handoff.run())
    yield f"dns:///127.0.0.1:{port}"
    await server.stop()
    handing_off.cancel()
    with suppress(asyncio.CancelledError):
        await handing_off
    await channel.close()


@asynccontextmanager
async def _processor(engine: Engine, settings: Settings) -> AsyncIterator[str]:
    clock = SystemClock()
    processor = Processor(
        engine=engine,
        directives=Directives(engine, PayloadCipher(decode_app_key(settings.app_key))),
        confirmation=Confirmation(providers=(), confirmers={}, time_limit=timedelta(seconds=10)),
        lost_claims=LostClaims(engine, clock),
        policy=settings.retry_policy,
        lease=settings.processing_lease,
        max_batches=8,
        create_unknown=True,
        clock=clock,
        metrics=ProcessorMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )
    unconfirmed = UnconfirmedEvents(engine=engine, processor=processor, audit_keys=AUDIT_KEYS, clock=clock)
    server = _server("processor", engine, settings)
    server.add(
        processor_pb2_grpc.add_ProcessorServiceServicer_to_server,
        ProcessorServicer(processor, unconfirmed, engine),
        processor_pb2.DESCRIPTOR.services_by_name["ProcessorService"].full_name,
    )
    payments = Payments(engine=engine, providers=PROVIDERS, idempotency_ttl=settings.idempotency_ttl, clock=clock)
    redis = build_redis("redis://127.0.0.1:1/0")  # asked only when a payment is created
    idempotency = IdempotencyStore(redis, ttl=settings.idempotency_ttl, lock_ttl=timedelta(seconds=30))
    server.add(
        payment_pb2_grpc.add_PaymentServiceServicer_to_server,
        PaymentServicer(payments, idempotency),
        payment_pb2.DESCRIPTOR.services_by_name["PaymentService"].full_name,
    )
    port = await server.start()
    yield f"dns:///127.0.0.1:{port}"
    await server.stop()
    await processor.drain(timedelta(seconds=10))
    await redis.aclose()


def _server(name: str, engine: Engine, settings: Settings) -> RpcServer:
    return RpcServer(
        name=name, listen=LOCAL, settings=settings, registry=CollectorRegistry(), ready=lambda: is_ready(engine)
    )
