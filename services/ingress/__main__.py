"""The ingress process."""

import asyncio
import socket
import sys

from prometheus_client import CollectorRegistry

from services.ingress.accept import Acceptor
from services.ingress.credentials import CredentialBook
from services.ingress.handoff import Handoff
from services.ingress.judge import Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.partitions import keep_partitions
from services.ingress.quarantine import Quarantine
from services.ingress.quarantine_servicer import QuarantineServicer
from services.ingress.reverify import Reverification
from services.ingress.servicer import IngressServicer, process_events_by
from services.ingress.signature_counts import SignatureCounts
from services.ingress.stored_secrets import StoredSecrets
from services.ingress.throttle_feed import ThrottleFeedServicer
from services.ingress.tracing import EventTraces
from tenrusl.api.ingress.v1 import (
    ingress_pb2,
    ingress_pb2_grpc,
    quarantine_pb2,
    quarantine_pb2_grpc,
    throttle_pb2,
    throttle_pb2_grpc,
)
from tenrusl.api.processor.v1 import processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.secret_news import listen_for_secret_news
from tenrusl.crypto import PayloadCipher, SecretCipher
from tenrusl.ids import uuid7
from tenrusl.keysources.https import HttpsClient
from tenrusl.keysources.source import KeySource
from tenrusl.postback.source import Postback
from tenrusl.provider_loading import load_providers
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.process import run
from tenrusl.rpc.server import RpcServer
from tenrusl.settings import Settings, load_credentials
from tenrusl.store.engine import build_engine, is_ready
from tenrusl.store.event_store import EventStore
from tenrusl.store.pool_metrics import PoolMetrics
from tenrusl.store.rejected import Bounds


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Builds the object graph and serves until told to stop."""
    providers = load_providers(settings)
    engine = build_engine(settings.database_url, service="ingress", pool_size=settings.db_pool_size)
    channel = build_channel(settings.processor_target, tls=settings.grpc_tls)
    clock = SystemClock()
    metrics = IngressMetrics(registry, providers)
    PoolMetrics(registry).watch(engine)
    cipher, secret_cipher = PayloadCipher(*settings.app_keys), SecretCipher(*settings.app_keys)
    credentials = CredentialBook(
        providers,
        settings.credentials,
        files=settings.credential_files,
        read=load_credentials,
        cipher=secret_cipher,
    )
    stored_secrets = StoredSecrets(engine, credentials, secret_cipher)
    signatures = SignatureCounts(
        engine,
        credentials,
        clock,
        instance=f"{socket.gethostname()}/{uuid7(clock.now())}",
        secrets=stored_secrets,
    )
    redis = build_redis(settings.redis_dsn)
    store = EventStore(engine, partition_days=settings.payload_partition_days)
    keys = KeySource(HttpsClient(ca_file=settings.key_ca_file).get, clock)
    postback = Postback(HttpsClient().post, clock)
    event_traces = EventTraces()
    processor = processor_pb2_grpc.ProcessorServiceStub(channel)
    handoff = Handoff(process_events_by(processor, event_traces), metrics)
    quarantine = Quarantine(
        engine,
        cipher,
        metrics,
        providers=providers,
        bounds=Bounds(max_webhooks=settings.quarantine_max_webhooks, max_bytes=settings.quarantine_max_bytes),
        rate=settings.quarantine_rate,
    )
    acceptor = Acceptor(
        judge=Judge(
            providers=providers,
            allowed=settings.allowed_providers,
            credentials=credentials,
            cipher=cipher,
        ),
        keys=keys,
        postback=postback,
        store=store,
        hand_off=handoff.offer,
        handoff_delay=settings.handoff_delay,
        clock=clock,
        metrics=metrics,
        secrets_known=lambda: stored_secrets.known,
        count_signatures=signatures.count,
        on_rejected=quarantine.offer,
    )

    async def ready() -> bool:
        return stored_secrets.known and await is_ready(engine)

    server = RpcServer(
        name="ingress",
        listen=settings.ingress_listen,
        settings=settings,
        registry=registry,
        ready=ready,
    )
    server.add(
        ingress_pb2_grpc.add_IngressServiceServicer_to_server,
        IngressServicer(acceptor, event_traces),
        ingress_pb2.DESCRIPTOR.services_by_name["IngressService"].full_name,
    )
    server.add(
        throttle_pb2_grpc.add_ThrottleFeedServiceServicer_to_server,
        ThrottleFeedServicer(engine),
        throttle_pb2.DESCRIPTOR.services_by_name["ThrottleFeedService"].full_name,
    )
    server.add(
        quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server,
        QuarantineServicer(
            Reverification(engine, acceptor, cipher, clock=clock, refresh=stored_secrets.refresh), providers
        ),
        quarantine_pb2.DESCRIPTOR.services_by_name["QuarantineService"].full_name,
    )
    try:
        # A background task that fails ends the process, and its supervisor starts a new one.
        async with asyncio.TaskGroup() as group:
            work = (
                handoff.run(),
                credentials.watch(),
                keep_partitions(store, clock),
                quarantine.run(),
                stored_secrets.keep(),
                signatures.keep(),
                listen_for_secret_news(redis, stored_secrets.wake),
            )
            background = [group.create_task(task) for task in work]
            await server.run()
            for task in background:
                task.cancel()
    finally:
        await signatures.close()
        await redis.aclose()
        await keys.close()
        await postback.close()
        await channel.close()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("ingress", lambda settings: settings.ingress_metrics, serve))
