"""What operators have the scheduler do is in the audit log, through real gRPC."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.scheduler.holds import Holds
from services.scheduler.maintain import Maintenance
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.purge import Purge, PurgeOrder
from services.scheduler.retry import Retry
from services.scheduler.roles import ROLES
from services.scheduler.run_notes import RunNotes
from services.scheduler.servicer import SchedulerServicer
from tenrusl.api.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tenrusl.coordination.runs import RunLocks
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.retention import RetentionPolicy
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.context import REQUEST_ID_KEY
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store.audit_verification import verify_chain
from tenrusl.store.engine import Engine, transaction
from tests.builders import AUDIT_KEYS, START, FixedClock, new_event, rows
from tests.integration.scheduler.conftest import MakeRetry, Put
from tests.payload_days import put_one

KEY = "a" * 40
SERVICE = "tenrusl.api.scheduler.v1.SchedulerService"
AUDIT = "SELECT action, target, before, after FROM audit_log ORDER BY number"
Retries, Holding, Releasing, Purging = (
    scheduler_pb2.RetryDueEventsRequest,
    scheduler_pb2.HoldPayloadRequest,
    scheduler_pb2.ReleasePayloadRequest,
    scheduler_pb2.PurgePayloadsRequest,
)


@pytest.fixture
def purge(engine: Engine, redis: Redis, clock: FixedClock) -> Purge:
    return Purge(
        engine=engine,
        locks=RunLocks(redis),
        policy=RetentionPolicy(default_days=14),
        providers=("mock", "stripe"),
        clock=clock,
        metrics=SchedulerMetrics(CollectorRegistry()),
    )


@pytest.fixture
async def stub(
    engine: Engine, redis: Redis, clock: FixedClock, make_retry: MakeRetry, purge: Purge
) -> AsyncIterator[Any]:
    """Of a scheduler, for the operator ada."""
    retry: Retry = make_retry()
    server = RpcServer(
        name="scheduler",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=Secret("base64:" + "A" * 43 + "=")),
        registry=CollectorRegistry(),
        ready=always_ready,
        steps=(with_operator(OperatorKeys([key_of("ada", Role.ADMIN, Secret(KEY))]), ROLES, Failures()),),
    )
    maintenance = Maintenance(
        engine=engine,
        locks=RunLocks(redis),
        partition_days=2,
        idempotency_ttl=timedelta(days=1),
        reach=timedelta(days=1),
        clock=clock,
        metrics=SchedulerMetrics(CollectorRegistry()),
    )
    servicer = SchedulerServicer(
        retry=retry,
        purge=purge,
        maintenance=maintenance,
        holds=Holds(engine=engine, audit_keys=AUDIT_KEYS, clock=clock),
        notes=RunNotes(engine=engine, audit_keys=AUDIT_KEYS, clock=clock),
        providers=("mock", "stripe"),
    )
    server.add(scheduler_pb2_grpc.add_SchedulerServiceServicer_to_server, servicer, SERVICE)
    port = await server.start()
    metadata = ((ADMIN_KEY, KEY), (REQUEST_ID_KEY, "request-7"))
    async with build_channel(f"dns:///127.0.0.1:{port}", metadata=metadata) as channel:
        yield scheduler_pb2_grpc.SchedulerServiceStub(channel)
    await server.stop(0)


async def follow(call: Any) -> Any:
    """The last message."""
    *_, last = [message async for message in call]
    return last


async def test_who_and_the_request_are_noted_and_the_chain_holds(engine: Engine, stub: Any) -> None:
    await follow(stub.RunMaintenance(scheduler_pb2.RunMaintenanceRequest(), timeout=10))
    found = await rows(engine, "SELECT actor, role, action, target, request_id FROM audit_log ORDER BY number")
    assert found == [
        ("ada", "admin", action, "maintenance", "request-7") for action in ("maintenance.run", "maintenance.run_end")
    ]
    async with transaction(engine) as connection:
        report = await verify_chain(connection, AUDIT_KEYS)
    assert (report.verified, report.broken) == (2, None)


async def test_a_retry_is_noted_with_what_was_asked_for_and_with_its_numbers(
    engine: Engine, stub: Any, put: Put
) -> None:
    await put(new_event(), new_event())
    request = Retries(limit=7, provider="stripe", force=True)
    assert (await follow(stub.RetryDueEvents(request, timeout=10))).processed == 2
    first, last = await rows(engine, AUDIT)
    assert first == ("webhooks.retry", "provider/stripe", None, {"limit": 7, "provider": "stripe", "force": True})
    assert last[:2] == ("webhooks.retry_end", "provider/stripe")
    assert (last[3]["found"], last[3]["processed"], last[3]["done"]) == (2, 2, True)


async def test_one_event_tried_again_is_noted_by_its_id(engine: Engine, stub: Any, put: Put) -> None:
    (event_id,) = await put(new_event())
    await follow(stub.RetryDueEvents(Retries(event_id=str(event_id)), timeout=10))
    found = await rows(engine, AUDIT)
    assert [row[:2] for row in found] == [
        (action, f"event/{event_id}") for action in ("webhooks.retry", "webhooks.retry_end")
    ]


async def test_a_purge_is_noted_and_a_dry_run_is_not(engine: Engine, stub: Any) -> None:
    await put_one(engine, 20)
    assert (await follow(stub.PurgePayloads(Purging(dry_run=True), timeout=10))).purged == 1
    assert await rows(engine, AUDIT) == []
    request = Purging()
    request.older_than.FromTimedelta(timedelta(days=15))
    assert (await follow(stub.PurgePayloads(request, timeout=10))).purged == 1
    first, last = await rows(engine, AUDIT)
    assert first == ("payloads.purge", "payloads", None, {"older_than_days": 15})
    assert (last[0], last[3]["purged"], last[3]["days_dropped"]) == ("payloads.purge_end", 1, 1)


@pytest.mark.parametrize("request_", [Purging(provider="strype"), Retries(limit=0)])
async def test_what_is_refused_is_not_noted(engine: Engine, stub: Any, request_: Any) -> None:
    method = stub.PurgePayloads if isinstance(request_, Purging) else stub.RetryDueEvents
    with pytest.raises(aio.AioRpcError) as caught:
        await follow(method(request_, timeout=10))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await rows(engine, AUDIT) == []


async def test_the_schedulers_own_runs_are_not_noted(engine: Engine, purge: Purge) -> None:
    await put_one(engine, 20)
    *_, progress = [progress async for progress in purge.run(PurgeOrder())]
    assert progress.purged == 1
    assert await rows(engine, AUDIT) == []


async def test_a_hold_is_the_operators_whoever_the_request_names(engine: Engine, stub: Any) -> None:
    event_id = await put_one(engine, 1)
    for reason in ("dispute 7", "another"):
        await stub.HoldPayload(Holding(event_id=str(event_id), reason=reason, held_by="dewi"), timeout=10)
    assert await rows(engine, "SELECT held_by, reason FROM retention_holds") == [("ada", "dispute 7")]
    for _ in range(2):
        await stub.ReleasePayload(Releasing(event_id=str(event_id), reason="closed"), timeout=10)
    target = f"event/{event_id}"
    assert await rows(engine, AUDIT) == [
        ("payload.hold", target, None, {"reason": "dispute 7", "on_behalf_of": "dewi"}),
        (
            "payload.release",
            target,
            {"reason": "dispute 7", "held_by": "ada", "since": START.isoformat()},
            {"reason": "closed"},
        ),
    ]
