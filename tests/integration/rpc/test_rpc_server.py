"""The server builder, through real gRPC connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc
import pytest
import structlog
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.errors import FieldViolation, InvalidFieldError, Reason
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.context import request_id
from tenrusl.rpc.errors import DeadlinePassedError, reason_of, violations_of
from tenrusl.rpc.interceptors import with_deadline
from tenrusl.rpc.listening import ListenError
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, AppEnv, Settings

SERVICE = "tenrusl.api.processor.v1.ProcessorService"
METHOD = f"/{SERVICE}/ProcessEvents"
APP_KEY = Secret("base64:" + "A" * 43 + "=")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Behaviour(processor_pb2_grpc.ProcessorServiceServicer):
    """Does what a test tells it to."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen_request_id = ""
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.error: Exception | None = None

    async def ProcessEvents(  # noqa: N802 - the RPC's name
        self, request: processor_pb2.ProcessEventsRequest, context: aio.ServicerContext[Any, Any]
    ) -> processor_pb2.ProcessEventsResponse:
        self.calls += 1
        self.seen_request_id = request_id.get()
        self.entered.set()
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return processor_pb2.ProcessEventsResponse()


class Stack:
    def __init__(self, server: RpcServer, servicer: Behaviour, channel: aio.Channel, registry: CollectorRegistry):
        self.server = server
        self.servicer = servicer
        self.channel = channel
        self.registry = registry
        self.stub = processor_pb2_grpc.ProcessorServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)

    def call(self, *ids: str, **options: Any) -> aio.UnaryUnaryCall[Any, Any]:
        call: aio.UnaryUnaryCall[Any, Any] = self.stub.ProcessEvents(
            processor_pb2.ProcessEventsRequest(event_ids=ids), timeout=options.pop("timeout", 10), **options
        )
        return call

    async def status(self, service: str) -> int:
        answer = await self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return int(answer.status)

    def count(self, code: str) -> float:
        return self.registry.get_sample_value("tenrusl_rpc_total", {"method": METHOD, "code": code}) or 0


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(500):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not within ten seconds")


@asynccontextmanager
async def serving(ready: Callable[[], Awaitable[bool]] = always_ready, **settings: Any) -> AsyncIterator[Stack]:
    registry, servicer = CollectorRegistry(), Behaviour()
    server = RpcServer(
        name="processor",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=APP_KEY, **settings),
        registry=registry,
        ready=ready,
    )
    server.add(processor_pb2_grpc.add_ProcessorServiceServicer_to_server, servicer, SERVICE)
    port = await server.start()
    channel = build_channel(f"dns:///127.0.0.1:{port}")
    try:
        yield Stack(server, servicer, channel, registry)
    finally:
        servicer.release.set()
        await channel.close()
        await server.stop()


async def test_a_request_id_reaches_the_handler_and_the_log() -> None:
    async with serving() as stack:
        with structlog.testing.capture_logs() as lines:
            await stack.call(metadata=(("x-request-id", "request-12345"),))
        assert stack.servicer.seen_request_id == "request-12345"
    (line,) = [line for line in lines if line["event"] == "rpc"]
    assert (line["method"], line["code"]) == (METHOD, "OK")


@pytest.mark.parametrize("metadata", [(), (("x-request-id", "bad id"),), (("x-request-id", "x" * 500),)])
async def test_a_missing_or_malformed_request_id_is_replaced(metadata: tuple[tuple[str, str], ...]) -> None:
    async with serving() as stack:
        await stack.call(metadata=metadata)
        assert UUID(stack.servicer.seen_request_id).version == 7


async def test_a_domain_error_reaches_the_client_with_reason_and_fields() -> None:
    async with serving() as stack:
        stack.servicer.error = InvalidFieldError(FieldViolation("event_ids", "must hold 1 to 1000 ids"))
        with pytest.raises(aio.AioRpcError) as caught:
            await stack.call()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of(caught.value) is Reason.INVALID_FIELD
        assert violations_of(caught.value) == (FieldViolation("event_ids", "must hold 1 to 1000 ids"),)
        assert stack.count("INVALID_ARGUMENT") == 1


async def test_a_defect_is_internal_and_its_text_stays_in_the_log() -> None:
    async with serving() as stack:
        stack.servicer.error = KeyError("the row of customer 4711")
        with structlog.testing.capture_logs() as lines, pytest.raises(aio.AioRpcError) as caught:
            await stack.call()
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert reason_of(caught.value) is Reason.INTERNAL
        assert "4711" not in str(caught.value)
        assert [line["log_level"] for line in lines if line["event"] == "rpc failed"] == ["error"]
        assert stack.count("INTERNAL") == 1


async def test_calls_beyond_the_limit_are_refused_and_health_is_not() -> None:
    async with serving(max_concurrent_rpcs=1) as stack:
        stack.servicer.release.clear()
        first = asyncio.ensure_future(stack.call())
        await asyncio.wait_for(stack.servicer.entered.wait(), 10)
        with pytest.raises(aio.AioRpcError) as caught:
            await stack.call()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) is Reason.OVERLOADED
        assert await stack.status("") == SERVING
        stack.servicer.release.set()
        await first
        await stack.call()
        assert stack.count("OK") == 2
        assert stack.registry.get_sample_value("tenrusl_rpc_in_flight") == 0


async def test_a_call_that_the_client_gives_up_frees_its_place() -> None:
    async with serving(max_concurrent_rpcs=1) as stack:
        stack.servicer.release.clear()
        call = stack.call()
        await asyncio.wait_for(stack.servicer.entered.wait(), 10)
        call.cancel()

        async def counted() -> bool:
            return stack.count("CANCELLED") == 1

        await eventually(counted)
        stack.servicer.release.set()
        await stack.call()


async def test_work_whose_deadline_has_passed_is_refused_before_it_begins() -> None:
    class Late:
        def time_remaining(self) -> float:
            return -0.001

    calls = 0

    async def handler(request: Any, context: Any) -> None:
        nonlocal calls
        calls += 1

    late: Any = Late()
    with pytest.raises(DeadlinePassedError):
        await with_deadline(METHOD, handler)(None, late)
    assert calls == 0


async def test_a_deadline_ends_the_call_for_the_client() -> None:
    async with serving() as stack:
        stack.servicer.release.clear()
        with pytest.raises(aio.AioRpcError) as caught:
            await stack.call(timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_readiness_follows_the_check_and_liveness_does_not() -> None:
    answers: list[bool | Exception] = [True]

    async def ready() -> bool:
        answer = answers[-1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with serving(ready) as stack:

        async def becomes(expected: int) -> None:
            async def is_so() -> bool:
                return {await stack.status("readiness"), await stack.status(SERVICE)} == {expected}

            await eventually(is_so)

        await becomes(SERVING)
        answers.append(ConnectionError("database"))
        await becomes(NOT_SERVING)
        assert await stack.status("") == SERVING
        answers.append(True)
        await becomes(SERVING)
        answers.append(False)
        await becomes(NOT_SERVING)


async def test_stopping_drains_the_calls_under_way_and_refuses_new_ones() -> None:
    async with serving() as stack:
        stack.servicer.release.clear()
        under_way = asyncio.ensure_future(stack.call())
        await asyncio.wait_for(stack.servicer.entered.wait(), 10)
        stopping = asyncio.create_task(stack.server.stop(10))

        async def refused() -> bool:
            try:
                await stack.status("")
            except aio.AioRpcError as exc:
                return exc.code() is grpc.StatusCode.UNAVAILABLE
            return False

        await eventually(refused)
        assert not under_way.done()
        stack.servicer.release.set()
        await under_way
        await stopping


async def test_a_drain_ends_at_its_limit() -> None:
    async with serving() as stack:
        stack.servicer.release.clear()
        under_way = asyncio.ensure_future(stack.call())
        await asyncio.wait_for(stack.servicer.entered.wait(), 10)
        await stack.server.stop(0.1)
        with pytest.raises(aio.AioRpcError):
            await under_way


@pytest.mark.parametrize("env", [AppEnv.LOCAL, AppEnv.PRODUCTION])
async def test_reflection_is_there_outside_production_only(env: AppEnv) -> None:
    async with serving(app_env=env) as stack:
        stub = reflection_pb2_grpc.ServerReflectionStub(stack.channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
        if env is AppEnv.PRODUCTION:
            with pytest.raises(aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        else:
            answer = await call.read()
            assert SERVICE in {service.name for service in answer.list_services_response.service}


async def test_a_large_batch_fits_through() -> None:
    async with serving() as stack:
        await stack.call("x" * (32 * 1024 * 1024))
        assert stack.servicer.calls == 1


async def test_a_taken_port_is_named_with_its_setting() -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        server = RpcServer(
            name="processor",
            listen=Address("127.0.0.1", port),
            settings=Settings(app_key=APP_KEY),
            registry=CollectorRegistry(),
            ready=always_ready,
        )
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} \(TENRUSL_PROCESSOR_LISTEN\): Address already"):
            await server.start()


async def test_only_methods_that_change_nothing_are_retried() -> None:
    calls = dict.fromkeys(("ProcessEvents", "GetPayment"), 0)

    def counting(name: str) -> grpc.RpcMethodHandler:  # type: ignore[type-arg]  # not generic at run time
        async def handler(request: bytes, context: aio.ServicerContext[Any, Any]) -> bytes:
            calls[name] += 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down")

        return grpc.unary_unary_rpc_method_handler(handler)

    server = aio.server()
    for service, name in ((SERVICE, "ProcessEvents"), ("tenrusl.api.processor.v1.PaymentService", "GetPayment")):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: counting(name)}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = build_channel(f"dns:///127.0.0.1:{port}")
    try:
        for method in (METHOD, "/tenrusl.api.processor.v1.PaymentService/GetPayment"):
            call: Any = channel.unary_unary(method)
            with pytest.raises(aio.AioRpcError):
                await call(b"", timeout=10)
    finally:
        await channel.close()
        await server.stop(None)
    assert calls == {"ProcessEvents": 1, "GetPayment": 3}
