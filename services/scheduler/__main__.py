"""The scheduler process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

from prometheus_client import CollectorRegistry

from services.scheduler.backlog import Backlog
from services.scheduler.holds import Holds
from services.scheduler.maintain import Maintenance
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.processor_client import process_events_by
from services.scheduler.purge import Purge, PurgeOrder
from services.scheduler.retention_check import check_retention
from services.scheduler.retry import MAX_LIMIT, Retry, RetryOrder
from services.scheduler.roles import ROLES
from services.scheduler.run_notes import RunNotes
from services.scheduler.scaler import ScalerServicer
from services.scheduler.servicer import SchedulerServicer
from services.scheduler.ticker import Ticker
from services.scheduler.work_metrics import WorkMetrics, lock_families, read_locks, work_families
from tenrusl.api.externalscaler.v1 import externalscaler_pb2, externalscaler_pb2_grpc
from tenrusl.api.processor.v1 import processor_pb2_grpc
from tenrusl.api.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.runs import RunLocks
from tenrusl.crypto import AuditKeys
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

# A purge that copies much takes its time; as long as the command line waits.
LONGEST_RUN = timedelta(hours=1)


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Builds the object graph and serves until told to stop."""
    providers = load_providers(settings)
    check_retention(settings, providers)
    engine = build_engine(settings.database_url, service="scheduler", pool_size=settings.db_pool_size)
    redis = build_redis(settings.redis_dsn)
    channel = build_channel(settings.processor_target, tls=settings.grpc_tls)
    clock = SystemClock()
    metrics = SchedulerMetrics(registry)
    locks = RunLocks(redis)
    backlog = Backlog(engine, clock)
    PoolMetrics(registry).watch(engine)
    loop = asyncio.get_running_loop()
    registry.register(AtScrape(work_families, WorkMetrics(engine, backlog, providers, clock).read, loop=loop))
    registry.register(AtScrape(lock_families, lambda: read_locks(locks), loop=loop))
    keys = configured_keys(settings)
    audit_keys = AuditKeys(*settings.app_keys)
    retry = Retry(
        engine=engine,
        process_events=process_events_by(processor_pb2_grpc.ProcessorServiceStub(channel)),
        locks=locks,
        clock=clock,
        metrics=metrics,
    )
    purge = Purge(
        engine=engine,
        locks=locks,
        policy=settings.retention_policy,
        providers=providers,
        clock=clock,
        metrics=metrics,
    )
    maintenance = Maintenance(
        engine=engine,
        locks=locks,
        partition_days=settings.payload_partition_days,
        idempotency_ttl=settings.idempotency_ttl,
        reach=2 * max(settings.retry_cap, settings.processing_lease, settings.handoff_delay),
        clock=clock,
        metrics=metrics,
    )
    server = RpcServer(
        name="scheduler",
        listen=settings.scheduler_listen,
        settings=settings,
        registry=registry,
        ready=lambda: is_ready(engine),
        steps=(with_operator(keys, ROLES, Failures()),),
        longest_call=LONGEST_RUN,
    )
    server.add(
        scheduler_pb2_grpc.add_SchedulerServiceServicer_to_server,
        SchedulerServicer(
            retry=retry,
            purge=purge,
            maintenance=maintenance,
            holds=Holds(engine=engine, audit_keys=audit_keys, clock=clock),
            notes=RunNotes(engine=engine, audit_keys=audit_keys, clock=clock),
            providers=providers,
        ),
        scheduler_pb2.DESCRIPTOR.services_by_name["SchedulerService"].full_name,
    )
    server.add(
        externalscaler_pb2_grpc.add_ExternalScalerServicer_to_server,
        ScalerServicer(backlog, providers, server.stopping),
        externalscaler_pb2.DESCRIPTOR.services_by_name["ExternalScaler"].full_name,
    )
    tickers = [
        Ticker(name=name, interval=interval, run_once=run_once, database_answers=lambda: is_ready(engine))
        for name, interval, run_once in (
            ("retry", settings.scheduler_retry_interval, lambda: _retry_all(retry)),
            ("purge", settings.scheduler_retention_interval, lambda: _to_the_end(purge.run(PurgeOrder()))),
            ("maintenance", settings.scheduler_retention_interval, lambda: _to_the_end(maintenance.run())),
        )
    ]
    try:
        # A background task that fails ends the process, and its supervisor starts a new one.
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(ticker.run()) for ticker in tickers if settings.scheduler_ticker]
            background.append(group.create_task(keep_keys(keys)))
            await server.run()
            for task in background:
                task.cancel()
    finally:
        await channel.close()
        await redis.aclose()
        await engine.dispose()


async def _retry_all(retry: Retry) -> bool:
    """Whether there was more than one run takes."""
    found = 0
    async for progress in retry.run(RetryOrder(limit=MAX_LIMIT)):
        found = progress.found
    return found >= MAX_LIMIT


async def _to_the_end(progress: AsyncIterator[object]) -> bool:
    """Never more to do at once."""
    async for _ in progress:
        pass
    return False


if __name__ == "__main__":
    sys.exit(run("scheduler", lambda settings: settings.scheduler_metrics, serve))
