"""Limits of providers: set, cleared and listed through real gRPC, each change with its audit entry."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc import aio
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from services.admin.roles import ROLES
from services.admin.throttle import Throttles
from services.admin.throttle_servicer import ThrottleServicer
from services.ingress.throttle_feed import ThrottleFeedServicer
from tenrusl.api.admin.v1 import throttle_pb2, throttle_pb2_grpc
from tenrusl.api.ingress.v1 import throttle_pb2 as feed_pb2
from tenrusl.api.ingress.v1 import throttle_pb2_grpc as feed_pb2_grpc
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.context import REQUEST_ID_KEY
from tenrusl.rpc.errors import violations_of
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store.engine import Engine, autocommit
from tests.builders import AUDIT_KEYS, START, FixedClock, rows

OPERATOR, VIEWER = "o" * 40, "v" * 40
KEYS = OperatorKeys([key_of("olga", Role.OPERATOR, Secret(OPERATOR)), key_of("vera", Role.VIEWER, Secret(VIEWER))])
SETTINGS = Settings(app_key=Secret("base64:" + "A" * 43 + "="))
_TENRUSL = str(Path(sys.executable).with_name("tenrusl"))
AUDITED = "SELECT actor, role, action, target, request_id, before, after FROM audit_log ORDER BY number"


async def start(add: Any, servicer: object, name: str, **more: Any) -> tuple[RpcServer, str]:
    server = RpcServer(
        name="admin", listen=Address("127.0.0.1", 0), settings=SETTINGS, registry=CollectorRegistry(),
        ready=always_ready, **more,
    )  # fmt: skip
    server.add(add, servicer, name)
    return server, f"dns:///127.0.0.1:{await server.start()}"


@pytest.fixture
async def address(engine: Engine) -> AsyncIterator[str]:
    server, address = await start(
        throttle_pb2_grpc.add_ThrottleServiceServicer_to_server,
        ThrottleServicer(Throttles(engine, AUDIT_KEYS, FixedClock()), ("stripe", "xendit")),
        "tenrusl.api.admin.v1.ThrottleService",
        steps=(with_operator(KEYS, ROLES, Failures()),),
    )
    yield address
    await server.stop(0)


@pytest.fixture
async def stub(address: str) -> AsyncIterator[Any]:
    metadata = ((ADMIN_KEY, OPERATOR), (REQUEST_ID_KEY, "request-1"))
    async with build_channel(address, metadata=metadata) as channel:
        yield throttle_pb2_grpc.ThrottleServiceStub(channel)


def set_request(**changes: Any) -> throttle_pb2.SetThrottleRequest:
    values: dict[str, Any] = {"provider": "stripe", "requests_per_second": 50, "reason": "they flood us"}
    return throttle_pb2.SetThrottleRequest(**(values | changes))


def clear_request(**changes: Any) -> throttle_pb2.ClearThrottleRequest:
    return throttle_pb2.ClearThrottleRequest(**({"provider": "stripe", "reason": "it is over"} | changes))


async def test_a_limit_is_set_changed_and_cleared_and_each_change_is_noted(engine: Engine, stub: Any) -> None:
    first = (await stub.SetThrottle(set_request(), timeout=10)).throttle
    assert (first.provider, first.requests_per_second, first.reason, first.set_by) == (
        "stripe", 50, "they flood us", "olga",
    )  # fmt: skip
    assert first.set_time.ToDatetime(START.tzinfo) == START
    await stub.SetThrottle(set_request(requests_per_second=0.5, reason="still"), timeout=10)
    listed = (await stub.ListThrottles(throttle_pb2.ListThrottlesRequest(), timeout=10)).throttles
    assert [(item.provider, item.requests_per_second) for item in listed] == [("stripe", 0.5)]
    assert (await stub.ClearThrottle(clear_request(), timeout=10)).was_set
    assert not (await stub.ClearThrottle(clear_request(), timeout=10)).was_set
    assert not (await stub.ListThrottles(throttle_pb2.ListThrottlesRequest(), timeout=10)).throttles
    common = ("olga", "operator")
    flood = {"requests_per_second": 50, "reason": "they flood us"}
    still = {"requests_per_second": 0.5, "reason": "still"}
    over = {"requests_per_second": None, "reason": "it is over"}
    assert await rows(engine, AUDITED) == [
        (*common, "throttle.set", "provider/stripe", "request-1", None, flood),
        (*common, "throttle.set", "provider/stripe", "request-1", flood, still),
        (*common, "throttle.clear", "provider/stripe", "request-1", still, over),
    ]


async def test_changes_at_once_tell_what_was_before_each(engine: Engine, stub: Any) -> None:
    rates = [float(n) for n in range(1, 9)]
    await asyncio.gather(*(stub.SetThrottle(set_request(requests_per_second=rate), timeout=10) for rate in rates))
    found = await rows(engine, "SELECT before, after FROM audit_log ORDER BY number")
    assert sorted(after["requests_per_second"] for _, after in found) == rates
    assert found[0][0] is None
    assert [before for before, _ in found[1:]] == [after for _, after in found[:-1]]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (set_request(provider="nosuch"), "provider"),
        (set_request(provider=""), "provider"),
        (set_request(requests_per_second=0), "requests_per_second"),
        (set_request(requests_per_second=-1), "requests_per_second"),
        (set_request(requests_per_second=float("nan")), "requests_per_second"),
        (set_request(requests_per_second=float("inf")), "requests_per_second"),
        (set_request(reason=" "), "reason"),
        (set_request(reason="x" * 501), "reason"),
        (set_request(reason="a\0b"), "reason"),
        (set_request(reason="a\nb"), "reason"),
        (clear_request(reason="a\x1b[2Jb"), "reason"),
        (clear_request(provider="nosuch"), "provider"),
        (clear_request(reason=""), "reason"),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(engine: Engine, stub: Any, request_: Any, field: str) -> None:
    method = stub.SetThrottle if isinstance(request_, throttle_pb2.SetThrottleRequest) else stub.ClearThrottle
    with pytest.raises(aio.AioRpcError) as caught:
        await method(request_, timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == [field]
    assert await rows(engine, "SELECT (SELECT count(*) FROM throttles), (SELECT count(*) FROM audit_log)") == [(0, 0)]


async def test_a_viewer_lists_and_changes_nothing(address: str) -> None:
    async with build_channel(address, metadata=((ADMIN_KEY, VIEWER),)) as channel:
        stub = throttle_pb2_grpc.ThrottleServiceStub(channel)
        await stub.ListThrottles(throttle_pb2.ListThrottlesRequest(), timeout=10)
        for call in (stub.SetThrottle(set_request(), timeout=10), stub.ClearThrottle(clear_request(), timeout=10)):
            with pytest.raises(aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_ingress_tells_gateways_what_is_set(engine: Engine, stub: Any) -> None:
    server, address = await start(
        feed_pb2_grpc.add_ThrottleFeedServiceServicer_to_server,
        ThrottleFeedServicer(engine),
        "tenrusl.api.ingress.v1.ThrottleFeedService",
    )
    await stub.SetThrottle(set_request(provider="xendit", requests_per_second=2.5), timeout=10)
    await stub.SetThrottle(set_request(), timeout=10)
    async with build_channel(address) as channel:
        feed = feed_pb2_grpc.ThrottleFeedServiceStub(channel)
        found = await feed.GetThrottles(feed_pb2.GetThrottlesRequest(), timeout=10)
    await server.stop(0)
    assert [(item.provider, item.requests_per_second) for item in found.throttles] == [("stripe", 50), ("xendit", 2.5)]


async def test_asking_every_second_fills_no_log(engine: Engine) -> None:
    server, address = await start(
        feed_pb2_grpc.add_ThrottleFeedServiceServicer_to_server,
        ThrottleFeedServicer(engine),
        "tenrusl.api.ingress.v1.ThrottleFeedService",
    )
    async with build_channel(address) as channel:
        feed = feed_pb2_grpc.ThrottleFeedServiceStub(channel)
        with structlog.testing.capture_logs() as logs:
            await feed.GetThrottles(feed_pb2.GetThrottlesRequest(), timeout=10)
            assert logs == []
            async with autocommit(engine) as connection:
                await connection.execute(text("ALTER TABLE throttles RENAME TO elsewhere"))
            with pytest.raises(aio.AioRpcError):
                await feed.GetThrottles(feed_pb2.GetThrottlesRequest(), timeout=10)
    await server.stop(0)
    assert [line["code"] for line in logs if line["event"] == "rpc"] == ["INTERNAL"]


async def test_the_command_line_sets_lists_and_clears(address: str) -> None:
    async def tenrusl(*arguments: str) -> tuple[int | None, str]:
        """Exit status, and what was printed."""
        process = await asyncio.create_subprocess_exec(
            _TENRUSL, "throttle", *arguments, "--admin", address,
            env={"PATH": os.environ["PATH"], "TENRUSL_ADMIN_KEY": OPERATOR},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await process.communicate()
        return process.returncode, printed.decode()

    assert await tenrusl("list") == (0, "no provider has a limit of its own\n")
    assert await tenrusl("set", "stripe", "2.5", "--reason", "flood") == (0, "stripe: 2.5 webhooks a second\n")
    _, table = await tenrusl("list")
    assert table.splitlines()[1].split() == ["stripe", "2.5", "2026-03-01", "12:00:00", "olga", "flood"]
    _, listed = await tenrusl("list", "--json")
    assert [item["requests_per_second"] for item in map(json.loads, listed.splitlines())] == [2.5]
    reason = "see [/ops] ticket, [bold]x[/bold] :warning:"
    assert (await tenrusl("set", "stripe", "2.5", "--reason", reason))[0] == 0
    status, table = await tenrusl("list")
    assert (status, reason in table) == (0, True)
    assert await tenrusl("clear", "stripe", "--reason", "over", "--json") == (0, '{"was_set":true}\n')
    status, complaint = await tenrusl("set", "nosuch", "1", "--reason", "flood")
    assert status == 2
    assert "provider: must be one of stripe, xendit" in complaint
