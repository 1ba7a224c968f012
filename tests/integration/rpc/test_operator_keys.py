"""Only operators get in, and only for what their role may: through real gRPC."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import structlog
from grpc import aio
from prometheus_client import CollectorRegistry

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.errors import Reason
from tenrusl.operators import Operator, OperatorKeys, Role, key_of
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.errors import reason_of
from tenrusl.rpc.operators import (
    ADMIN_KEY,
    CLIENT_ADDRESS,
    FAILURE_SECONDS,
    MAX_FAILURES,
    MAX_PEER_FAILURES,
    Failures,
    operator,
    with_operator,
)
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings

SERVICE = "tenrusl.api.processor.v1.ProcessorService"
APP_KEY = Secret("base64:" + "A" * 43 + "=")
ADMIN, OPERATOR, VIEWER = "a" * 40, "o" * 40, "v" * 40
KEYS = OperatorKeys(
    [key_of("ada", Role.ADMIN, Secret(ADMIN)), key_of("olga", Role.OPERATOR, Secret(OPERATOR)),
     key_of("vera", Role.VIEWER, Secret(VIEWER))]
)  # fmt: skip
ROLES = {
    f"/{SERVICE}/ProcessEvents": Role.OPERATOR,
    f"/{SERVICE}/RefuteEvents": Role.VIEWER,
    f"/{SERVICE}/LookUpEvents": None,
}
Code = grpc.StatusCode


class Servicer(processor_pb2_grpc.ProcessorServiceServicer):
    """Takes down who called."""

    def __init__(self) -> None:
        self.callers: list[Operator | None] = []

    async def _any(self, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        self.callers.append(operator.get(None))
        kind = type(request).DESCRIPTOR.name.replace("Request", "Response")
        return getattr(processor_pb2, kind)()

    ProcessEvents = RefuteEvents = LookUpEvents = ConfirmEvents = _any


class Time:
    def __init__(self) -> None:
        self.now = 1000 * FAILURE_SECONDS

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def address(servicer: Servicer, time: Time) -> AsyncIterator[str]:
    server = RpcServer(
        name="admin",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=APP_KEY),
        registry=CollectorRegistry(),
        ready=always_ready,
        steps=(with_operator(KEYS, ROLES, Failures(time)),),
    )
    server.add(processor_pb2_grpc.add_ProcessorServiceServicer_to_server, servicer, SERVICE)
    port = await server.start()
    yield f"dns:///127.0.0.1:{port}"
    await server.stop(0)


async def call(address: str, method: str, key: str = "", client: str = "") -> tuple[grpc.StatusCode, Reason | None]:
    """Code and reason of a call. client: for whom the peer says that it calls."""
    request = getattr(processor_pb2, f"{method}Request")()
    given = [(name, value) for name, value in ((ADMIN_KEY, key), (CLIENT_ADDRESS, client)) if value]
    async with build_channel(address, metadata=given) as channel:
        try:
            await getattr(processor_pb2_grpc.ProcessorServiceStub(channel), method)(request, timeout=10)
        except aio.AioRpcError as exc:
            return exc.code(), reason_of(exc)
    return Code.OK, None


async def test_a_key_of_enough_rank_gets_in_and_is_known(address: str, servicer: Servicer) -> None:
    for key in (ADMIN, OPERATOR):
        assert await call(address, "ProcessEvents", key) == (Code.OK, None)
    assert servicer.callers == [Operator("ada", Role.ADMIN), Operator("olga", Role.OPERATOR)]


async def test_a_role_that_is_not_enough(address: str, servicer: Servicer) -> None:
    assert await call(address, "ProcessEvents", VIEWER) == (Code.PERMISSION_DENIED, Reason.ROLE_INSUFFICIENT)
    assert await call(address, "RefuteEvents", VIEWER) == (Code.OK, None)
    assert len(servicer.callers) == 1


@pytest.mark.parametrize(
    ("key", "reason"),
    [("", Reason.ADMIN_KEY_MISSING), ("wrong", Reason.ADMIN_KEY_INVALID), (ADMIN[:-1], Reason.ADMIN_KEY_INVALID)],
)
async def test_without_a_right_key_nobody_gets_in(address: str, servicer: Servicer, key: str, reason: Reason) -> None:
    assert await call(address, "RefuteEvents", key) == (Code.UNAUTHENTICATED, reason)
    assert servicer.callers == []


async def test_a_method_without_a_role_is_refused_whoever_asks(address: str, servicer: Servicer) -> None:
    assert await call(address, "ConfirmEvents", ADMIN) == (Code.PERMISSION_DENIED, Reason.ROLE_INSUFFICIENT)
    assert servicer.callers == []


async def test_an_open_method_asks_for_nothing(address: str, servicer: Servicer) -> None:
    assert await call(address, "LookUpEvents") == (Code.OK, None)
    assert servicer.callers == [None]


async def test_who_guesses_has_to_wait(address: str, servicer: Servicer, time: Time) -> None:
    codes = [(await call(address, "ProcessEvents", f"guess-{n}"))[0] for n in range(MAX_FAILURES)]
    assert set(codes) == {Code.UNAUTHENTICATED}
    assert await call(address, "ProcessEvents", "guess") == (Code.RESOURCE_EXHAUSTED, Reason.THROTTLED)
    assert await call(address, "LookUpEvents") == (Code.OK, None)
    time.now += FAILURE_SECONDS
    assert await call(address, "ProcessEvents", "guess") == (Code.UNAUTHENTICATED, Reason.ADMIN_KEY_INVALID)
    assert servicer.callers == [None]


async def test_wrong_keys_lock_out_nobody_behind_the_same_address(address: str) -> None:
    for n in range(MAX_FAILURES + 1):
        await call(address, "ProcessEvents", f"guess-{n}", "203.0.113.7")
    assert await call(address, "ProcessEvents", ADMIN, "203.0.113.7") == (Code.OK, None)


async def test_one_client_of_a_gateway_has_to_wait_and_the_others_do_not(address: str) -> None:
    for n in range(MAX_FAILURES):
        await call(address, "ProcessEvents", f"guess-{n}", "203.0.113.7")
    waiting, wrong = (Code.RESOURCE_EXHAUSTED, Reason.THROTTLED), (Code.UNAUTHENTICATED, Reason.ADMIN_KEY_INVALID)
    assert await call(address, "ProcessEvents", "guess", "203.0.113.7") == waiting
    assert await call(address, "ProcessEvents", "guess", "203.0.113.8") == wrong
    assert await call(address, "ProcessEvents", "guess") == wrong


def test_a_peer_that_invents_addresses_has_to_wait_too() -> None:
    failures = Failures(Time())
    for n in range(MAX_PEER_FAILURES):
        assert not failures.are_too_many("ipv4:192.0.2.1", f"client-{n}")
        failures.add("ipv4:192.0.2.1", f"client-{n}")
    assert failures.are_too_many("ipv4:192.0.2.1", "client-new")
    assert failures.are_too_many("ipv4:192.0.2.1")
    assert not failures.are_too_many("ipv4:192.0.2.2", "client-1")


async def test_no_key_is_logged(address: str) -> None:
    with structlog.testing.capture_logs() as logs:
        await call(address, "ProcessEvents", "a-wrong-key-of-somebody")
        await call(address, "ProcessEvents", VIEWER)
    assert any(line["event"] == "wrong key" for line in logs)
    assert "a-wrong-key-of-somebody" not in str(logs)
    assert VIEWER not in str(logs)
