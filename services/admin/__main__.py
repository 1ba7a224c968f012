"""The admin process."""

import asyncio
import sys
from datetime import timedelta

from prometheus_client import CollectorRegistry

from services.admin.audit import Audit
from services.admin.audit_servicer import AuditServicer
from services.admin.backlog_graph import build_backlog_servicer
from services.admin.key_usage import Usage
from services.admin.keys_servicer import KeysServicer
from services.admin.payments_servicer import PaymentsServicer
from services.admin.rejected import RejectedWebhooks
from services.admin.rejected_servicer import RejectedServicer
from services.admin.report_graph import build_report_servicer
from services.admin.rewrap import Rewrap
from services.admin.roles import ROLES
from services.admin.rotate import Rotations
from services.admin.rotation_servicer import RotationServicer
from services.admin.secret_metrics import SecretMetrics, secret_families
from services.admin.throttle import Throttles
from services.admin.throttle_servicer import ThrottleServicer
from tenrusl.api.admin.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    backlog_pb2,
    backlog_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    rejected_pb2,
    rejected_pb2_grpc,
    report_pb2,
    report_pb2_grpc,
    rotation_pb2,
    rotation_pb2_grpc,
    throttle_pb2,
    throttle_pb2_grpc,
)
from tenrusl.clock import SystemClock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.secret_news import publish_secret_news
from tenrusl.crypto import AuditKeys, PayloadCipher, SecretCipher
from tenrusl.observability.at_scrape import AtScrape
from tenrusl.operator_keys import configured_keys, keep_keys
from tenrusl.provider_loading import load_providers
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.operators import Failures, with_operator
from tenrusl.rpc.process import run
from tenrusl.rpc.server import RpcServer
from tenrusl.settings import Settings
from tenrusl.store.engine import build_engine, is_ready
from tenrusl.store.pool_metrics import PoolMetrics

# As long as the command line follows a run.
LONGEST_CALL = timedelta(hours=1)


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Builds the object graph and serves until told to stop."""
    engine = build_engine(settings.database_url, service="admin", pool_size=settings.db_pool_size)
    PoolMetrics(registry).watch(engine)
    secrets = SecretMetrics(engine, load_providers(settings))
    registry.register(AtScrape(secret_families, secrets.read, loop=asyncio.get_running_loop()))
    keys = configured_keys(settings)
    audit_keys = AuditKeys(*settings.app_keys)
    server = RpcServer(
        name="admin",
        listen=settings.admin_listen,
        settings=settings,
        registry=registry,
        ready=lambda: is_ready(engine),
        steps=(with_operator(keys, ROLES, Failures()),),
        longest_call=LONGEST_CALL,
    )
    server.add(
        audit_pb2_grpc.add_AuditServiceServicer_to_server,
        AuditServicer(Audit(engine, audit_keys)),
        audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name,
    )
    server.add(
        throttle_pb2_grpc.add_ThrottleServiceServicer_to_server,
        ThrottleServicer(Throttles(engine, audit_keys, SystemClock()), load_providers(settings)),
        throttle_pb2.DESCRIPTOR.services_by_name["ThrottleService"].full_name,
    )
    ingress = build_channel(settings.ingress_target, tls=settings.grpc_tls)
    server.add(
        rejected_pb2_grpc.add_RejectedServiceServicer_to_server,
        RejectedServicer(RejectedWebhooks(engine, ingress, audit_keys, SystemClock()), load_providers(settings)),
        rejected_pb2.DESCRIPTOR.services_by_name["RejectedService"].full_name,
    )
    payload_cipher, secret_cipher = PayloadCipher(*settings.app_keys), SecretCipher(*settings.app_keys)
    usage = Usage(engine=engine, payload_cipher=payload_cipher, secret_cipher=secret_cipher, audit_keys=audit_keys)
    rewrap = Rewrap(
        engine=engine,
        payload_cipher=payload_cipher,
        secret_cipher=secret_cipher,
        audit_keys=audit_keys,
        clock=SystemClock(),
    )
    server.add(
        keys_pb2_grpc.add_KeysServiceServicer_to_server,
        KeysServicer(usage, rewrap),
        keys_pb2.DESCRIPTOR.services_by_name["KeysService"].full_name,
    )
    redis = build_redis(settings.redis_dsn)
    rotations = Rotations(
        engine=engine,
        providers=load_providers(settings),
        cipher=secret_cipher,
        audit_keys=audit_keys,
        notify=lambda: publish_secret_news(redis),
        clock=SystemClock(),
        quiet=settings.rotation_quiet,
    )
    server.add(
        rotation_pb2_grpc.add_RotationServiceServicer_to_server,
        RotationServicer(rotations),
        rotation_pb2.DESCRIPTOR.services_by_name["RotationService"].full_name,
    )
    server.add(
        payments_pb2_grpc.add_PaymentsServiceServicer_to_server,
        PaymentsServicer(engine, load_providers(settings)),
        payments_pb2.DESCRIPTOR.services_by_name["PaymentsService"].full_name,
    )
    server.add(
        report_pb2_grpc.add_ReportServiceServicer_to_server,
        build_report_servicer(
            settings,
            engine=engine,
            providers=load_providers(settings),
            audit_keys=audit_keys,
            clock=SystemClock(),
        ),
        report_pb2.DESCRIPTOR.services_by_name["ReportService"].full_name,
    )
    processor = build_channel(settings.processor_target, tls=settings.grpc_tls)
    server.add(
        backlog_pb2_grpc.add_BacklogServiceServicer_to_server,
        build_backlog_servicer(
            settings,
            engine=engine,
            redis=redis,
            processor=processor,
            providers=load_providers(settings),
            audit_keys=audit_keys,
            clock=SystemClock(),
        ),
        backlog_pb2.DESCRIPTOR.services_by_name["BacklogService"].full_name,
    )
    try:
        # A background task that fails ends the process, and its supervisor starts a new one.
        async with asyncio.TaskGroup() as group:
            background = group.create_task(keep_keys(keys))
            await server.run()
            background.cancel()
    finally:
        await processor.close()
        await ingress.close()
        await redis.aclose()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("admin", lambda settings: settings.admin_metrics, serve))
