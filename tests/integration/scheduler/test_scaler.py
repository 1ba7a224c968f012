"""The autoscaling signal, asked for over gRPC as KEDA does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import CollectorRegistry

from services.scheduler.backlog import Backlog
from services.scheduler.scaler import ScalerServicer
from tenrusl.api.externalscaler.v1 import externalscaler_pb2, externalscaler_pb2_grpc
from tenrusl.providers import PROVIDERS
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.errors import violations_of
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store.engine import Engine
from tests.builders import FixedClock, new_event, rows
from tests.integration.conftest import EngineOf
from tests.integration.scheduler.conftest import Put

SERVICE = "externalscaler.ExternalScaler"
APP_KEY = Secret("base64:" + "A" * 43 + "=")


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def server(engine_of: EngineOf, clock: FixedClock, time: Time) -> AsyncIterator[tuple[RpcServer, Any]]:
    server = RpcServer(
        name="scheduler",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=APP_KEY),
        registry=CollectorRegistry(),
        ready=always_ready,
    )
    scaler = ScalerServicer(Backlog(engine_of("scheduler"), clock, monotonic=time), PROVIDERS, server.stopping)
    server.add(externalscaler_pb2_grpc.add_ExternalScalerServicer_to_server, scaler, SERVICE)
    port = await server.start()
    async with build_channel(f"dns:///127.0.0.1:{port}") as channel:
        yield server, externalscaler_pb2_grpc.ExternalScalerStub(channel)
        await server.stop(0)


@pytest.fixture
def keda(server: tuple[RpcServer, Any]) -> Any:
    return server[1]


def reference(**metadata: str) -> externalscaler_pb2.ScaledObjectRef:
    return externalscaler_pb2.ScaledObjectRef(name="processor", namespace="tenrusl", scalerMetadata=metadata)


async def metric(keda: Any, name: str, **metadata: str) -> float:
    request = externalscaler_pb2.GetMetricsRequest(scaledObjectRef=reference(**metadata), metricName=name)
    answer = await keda.GetMetrics(request, timeout=10)
    (value,) = answer.metricValues
    assert value.metricName == name
    assert value.metricValue == -(-value.metricValueFloat // 1)
    return float(value.metricValueFloat)


async def test_the_wire_names_are_those_of_keda() -> None:
    assert externalscaler_pb2.DESCRIPTOR.package == "externalscaler"
    fields = {
        name: [(field.name, field.number) for field in message.fields]
        for name, message in externalscaler_pb2.DESCRIPTOR.message_types_by_name.items()
    }
    assert fields == {
        "ScaledObjectRef": [("name", 1), ("namespace", 2), ("scalerMetadata", 3)],
        "IsActiveResponse": [("result", 1)],
        "GetMetricSpecResponse": [("metricSpecs", 1)],
        "MetricSpec": [("metricName", 1), ("targetSize", 2), ("targetSizeFloat", 3)],
        "GetMetricsRequest": [("scaledObjectRef", 1), ("metricName", 2)],
        "GetMetricsResponse": [("metricValues", 1)],
        "MetricValue": [("metricName", 1), ("metricValue", 2), ("metricValueFloat", 3)],
    }


async def test_an_empty_backlog_needs_nobody(keda: Any) -> None:
    assert not (await keda.IsActive(reference(), timeout=10)).result
    assert await metric(keda, "backlog") == 0
    assert await metric(keda, "oldest_due_seconds") == 0


async def test_what_is_due_is_told_for_all_and_for_one_provider(keda: Any, put: Put, clock: FixedClock) -> None:
    await put(*(new_event() for _ in range(5)), new_event(provider="xendit"))
    clock.advance(timedelta(seconds=90.5))
    assert (await keda.IsActive(reference(), timeout=10)).result
    assert await metric(keda, "backlog") == 6
    assert await metric(keda, "backlog", provider="xendit") == 1
    assert await metric(keda, "backlog", provider="dana") == 0
    assert await metric(keda, "oldest_due_seconds") == 90.5
    assert not (await keda.IsActive(reference(provider="dana"), timeout=10)).result


async def test_the_value_is_a_second_old_at_the_most(keda: Any, put: Put, time: Time) -> None:
    assert await metric(keda, "backlog") == 0
    await put(new_event())
    time.now += 0.9
    assert await metric(keda, "backlog") == 0
    time.now += 0.2
    assert await metric(keda, "backlog") == 1


async def test_many_askers_share_one_question(keda: Any, put: Put) -> None:
    await put(new_event())
    assert set(await asyncio.gather(*(metric(keda, "backlog") for _ in range(40)))) == {1.0}


async def test_targets_come_from_the_trigger(keda: Any) -> None:
    answer = await keda.GetMetricSpec(reference(), timeout=10)
    assert [(spec.metricName, spec.targetSize, spec.targetSizeFloat) for spec in answer.metricSpecs] == [
        ("backlog", 500, 500.0)
    ]
    answer = await keda.GetMetricSpec(reference(backlogTarget="99.5", oldestDueSecondsTarget="60"), timeout=10)
    assert [(spec.metricName, spec.targetSize, spec.targetSizeFloat) for spec in answer.metricSpecs] == [
        ("backlog", 100, 99.5),
        ("oldest_due_seconds", 60, 60.0),
    ]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many", ""])
async def test_a_target_that_is_none(keda: Any, text: str) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await keda.GetMetricSpec(reference(backlogTarget=text), timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == ["scalerMetadata.backlogTarget"]


async def test_a_metric_that_there_is_not(keda: Any) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await metric(keda, "cpu")
    assert [item.field for item in violations_of(caught.value)] == ["metricName"]


async def test_a_provider_that_there_is_not(keda: Any) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await metric(keda, "backlog", provider="strpie")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == ["scalerMetadata.provider"]


async def test_a_stream_tells_when_it_changes_and_ends_with_the_server(
    server: tuple[RpcServer, Any], put: Put, time: Time, engine: Engine
) -> None:
    running, keda = server
    stream = keda.StreamIsActive(reference(), timeout=30)
    assert not (await stream.read()).result
    await put(new_event())
    time.now += 5
    assert (await stream.read()).result
    await rows(engine, "UPDATE webhook_events SET status = 'processed' RETURNING 1")
    time.now += 5
    assert not (await stream.read()).result
    stopping = asyncio.create_task(running.stop(20))
    assert await stream.read() is aio.EOF
    await stopping
