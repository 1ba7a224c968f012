"""The processor process."""

import asyncio
import random
import socket
import sys
from datetime import timedelta

from prometheus_client import CollectorRegistry

from services.processor.confirm import Confirmation, check_confirmed_providers
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.payment_servicer import PaymentServicer
from services.processor.payments import Payments
from services.processor.process import Processor
from services.processor.servicer import ProcessorServicer
from services.processor.unconfirmed import UnconfirmedEvents
from tenrusl.api.processor.v1 import payment_pb2, payment_pb2_grpc, processor_pb2, processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.confirmers import load_confirmers
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.heartbeats import Heartbeats
from tenrusl.coordination.idempotency import IdempotencyStore
from tenrusl.crypto import AuditKeys, PayloadCipher
from tenrusl.ids import uuid7
from tenrusl.provider_loading import load_providers
from tenrusl.rpc.process import run
from tenrusl.rpc.server import RpcServer
from tenrusl.settings import Settings, UnknownPayment
from tenrusl.store.engine import build_engine, is_ready
from tenrusl.store.pool_metrics import PoolMetrics

# A payment is created within milliseconds; a lock that outlives its holder must not block the key for long.
IDEMPOTENCY_LOCK_SECONDS = 30


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Builds the object graph and serves until told to stop."""
    providers = load_providers(settings)
    check_confirmed_providers(settings.confirm_providers, providers)
    engine = build_engine(settings.database_url, service="processor", pool_size=settings.db_pool_size)
    redis = build_redis(settings.redis_dsn)
    PoolMetrics(registry).watch(engine)
    clock = SystemClock()
    lost_claims = LostClaims(engine, clock)
    processor = Processor(
        engine=engine,
        lost_claims=lost_claims,
        directives=Directives(engine, PayloadCipher(*settings.app_keys)),
        confirmation=Confirmation(
            providers=settings.confirm_providers,
            confirmers=load_confirmers(),
            time_limit=settings.confirm_time_limit,
        ),
        policy=settings.retry_policy,
        lease=settings.processing_lease,
        max_batches=settings.processor_max_batches,
        create_unknown=settings.unknown_payment is UnknownPayment.CREATE,
        clock=clock,
        metrics=ProcessorMetrics(registry),
        rng=random.SystemRandom(),
    )
    payments = Payments(
        engine=engine,
        providers=settings.allowed_providers or providers,
        idempotency_ttl=settings.idempotency_ttl,
        clock=clock,
    )
    idempotency = IdempotencyStore(
        redis, ttl=settings.idempotency_ttl, lock_ttl=timedelta(seconds=IDEMPOTENCY_LOCK_SECONDS)
    )
    server = RpcServer(
        name="processor",
        listen=settings.processor_listen,
        settings=settings,
        registry=registry,
        ready=lambda: is_ready(engine),
    )
    server.add(
        processor_pb2_grpc.add_ProcessorServiceServicer_to_server,
        ProcessorServicer(
            processor,
            UnconfirmedEvents(
                engine=engine,
                processor=processor,
                audit_keys=AuditKeys(*settings.app_keys),
                clock=clock,
            ),
            engine,
        ),
        processor_pb2.DESCRIPTOR.services_by_name["ProcessorService"].full_name,
    )
    server.add(
        payment_pb2_grpc.add_PaymentServiceServicer_to_server,
        PaymentServicer(payments, idempotency),
        payment_pb2.DESCRIPTOR.services_by_name["PaymentService"].full_name,
    )
    try:
        # A background task that fails ends the process, and its supervisor starts a new one.
        async with asyncio.TaskGroup() as group:
            instance = f"{socket.gethostname()}/{uuid7(clock.now())}"
            background = [
                group.create_task(lost_claims.run()),
                group.create_task(Heartbeats(redis, "processor").keep(instance)),
            ]
            await server.run()
            await processor.drain(settings.drain_timeout)
            for task in background:
                task.cancel()
    finally:
        await redis.aclose()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("processor", lambda settings: settings.processor_metrics, serve))
