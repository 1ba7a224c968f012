"""BacklogService with all that it needs."""

import time
from collections.abc import Collection

from grpc import aio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.admin.backlog import Backlog
from services.admin.backlog_requests import BacklogRequests
from services.admin.backlog_servicer import BacklogServicer
from services.admin.dead_letters import DeadLetters
from services.admin.diagnose import Diagnosis
from services.admin.events import Events
from services.admin.payload import Payloads
from services.admin.processor_client import ProcessorClient
from services.admin.replay import Replay
from tenrusl.clock import Clock
from tenrusl.coordination.heartbeats import Heartbeats
from tenrusl.crypto import AuditKeys, PayloadCipher
from tenrusl.settings import Settings
from tenrusl.store.engine import Engine


def build_backlog_servicer(
    settings: Settings,
    *,
    engine: Engine,
    redis: Redis,
    processor: aio.Channel,
    providers: Collection[str],
    audit_keys: AuditKeys,
    clock: Clock,
) -> BacklogServicer:
    """The servicer. processor: a channel to it."""
    client = ProcessorClient(processor)

    async def ping_redis() -> float | None:
        began = time.monotonic()
        try:
            await redis.ping()
        except (RedisError, OSError):
            return None
        return time.monotonic() - began

    return BacklogServicer(
        backlog=Backlog(engine, clock),
        diagnosis=Diagnosis(
            engine=engine,
            ping_redis=ping_redis,
            ping_processor=client.answers_in,
            hear_processors=Heartbeats(redis, "processor").heard,
            # As maintenance judges it.
            reach=2 * max(settings.retry_cap, settings.processing_lease, settings.handoff_delay),
            clock=clock,
            monotonic=time.monotonic,
        ),
        events=Events(engine, providers),
        payloads=Payloads(
            engine=engine,
            cipher=PayloadCipher(*settings.app_keys),
            audit_keys=audit_keys,
            clock=clock,
        ),
        replay=Replay(
            engine=engine,
            process=client.process,
            providers=providers,
            audit_keys=audit_keys,
            clock=clock,
            monotonic=time.monotonic,
        ),
        dead_letters=DeadLetters(engine=engine, providers=providers, audit_keys=audit_keys, clock=clock),
        processor=client,
        requests=BacklogRequests(providers),
    )
