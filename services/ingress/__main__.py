"""The ingress process."""

import asyncio
import sys

from prometheus_client import CollectorRegistry

from services.ingress.accept import Acceptor
from services.ingress.credentials import CredentialBook
from services.ingress.handoff import Handoff
from services.ingress.judge import Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.partitions import keep_partitions
from services.ingress.servicer import IngressServicer, process_events_by
from services.ingress.throttle_feed import ThrottleFeedServicer
from tenrusl.api.ingress.v1 import ingress_pb2, ingress_pb2_grpc, throttle_pb2, throttle_pb2_grpc
from tenrusl.api.processor.v1 import processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.crypto import PayloadCipher, decode_app_key
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


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Builds the object graph and serves until told to stop."""
    providers = load_providers(settings)
    engine = build_engine(settings.database_url, service="ingress", pool_size=settings.db_pool_size)
    channel = build_channel(settings.processor_target)
    clock = SystemClock()
    metrics = IngressMetrics(registry, providers)
    credentials = CredentialBook(
        providers, settings.credentials, files=settings.credential_files, read=load_credentials
    )
    store = EventStore(engine, partition_days=settings.payload_partition_days)
    keys = KeySource(HttpsClient(ca_file=settings.key_ca_file).get, clock)
    postback = Postback(HttpsClient().post, clock)
    handoff = Handoff(process_events_by(processor_pb2_grpc.ProcessorServiceStub(channel)), metrics)
    acceptor = Acceptor(
        judge=Judge(
            providers=providers,
            allowed=settings.allowed_providers,
            credentials=credentials,
            cipher=PayloadCipher(decode_app_key(settings.app_key)),
        ),
        keys=keys,
        postback=postback,
        store=store,
        hand_off=handoff.offer,
        handoff_delay=settings.handoff_delay,
        clock=clock,
        metrics=metrics,
    )
    server = RpcServer(
        name="ingress",
        listen=settings.ingress_listen,
        settings=settings,
        registry=registry,
        ready=lambda: is_ready(engine),
    )
    server.add(
        ingress_pb2_grpc.add_IngressServiceServicer_to_server,
        IngressServicer(acceptor),
        ingress_pb2.DESCRIPTOR.services_by_name["IngressService"].full_name,
    )
    server.add(
        throttle_pb2_grpc.add_ThrottleFeedServiceServicer_to_server,
        ThrottleFeedServicer(engine),
        throttle_pb2.DESCRIPTOR.services_by_name["ThrottleFeedService"].full_name,
    )
    try:
        # A background task that fails ends the process, and its supervisor starts a new one.
        async with asyncio.TaskGroup() as group:
            work = (handoff.run(), credentials.watch(), keep_partitions(store, clock))
            background = [group.create_task(task) for task in work]
            await server.run()
            for task in background:
                task.cancel()
    finally:
        await keys.close()
        await postback.close()
        await channel.close()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("ingress", lambda settings: settings.ingress_metrics, serve))
