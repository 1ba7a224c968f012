"""The admin process, for all of them: start, health, stop, and what they say when they cannot start."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tenrusl.rpc.channel import build_channel

SERVICES = ("INGRESS", "PROCESSOR", "SCHEDULER", "ADMIN")
AWAY = {"DB_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
ENV = {
    "PATH": os.environ["PATH"],
    "APP_KEY": "base64:" + "A" * 43 + "=",
    "TENRUSL_LOG_FORMAT": "json",
    **{f"TENRUSL_{name}_{what}": "127.0.0.1:0" for name in SERVICES for what in ("LISTEN", "METRICS")},
}


@asynccontextmanager
async def started(name: str, **env: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{name}", env=ENV | env, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_with(process: Process, event: str) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        async for raw in process.stdout:
            line: dict[str, Any] = json.loads(raw)
            if line["event"] == event:
                return line
    raise AssertionError(f"ended without {event!r}")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_health_until_it_is_told_to_stop(stop: signal.Signals, database_url: str) -> None:
    async with started("admin", DB_URL=database_url) as process:
        address = (await line_with(process, "listening"))["address"]
        channel = build_channel(f"dns:///{address}")
        for service in ("", "readiness"):
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=10
            )
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await channel.close()
        process.send_signal(stop)
        assert (await line_with(process, "draining"))["signal"] == stop.name
        assert await asyncio.wait_for(process.wait(), 30) == 0


@pytest.mark.parametrize("name", ["ingress", "processor", "scheduler", "admin"])
@pytest.mark.parametrize("what", ["LISTEN", "METRICS"])
async def test_a_taken_port_ends_it_with_one_line(name: str, what: str) -> None:
    setting = f"TENRUSL_{name.upper()}_{what}"
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    address = f"127.0.0.1:{taken.sockets[0].getsockname()[1]}"
    async with taken, started(name, **AWAY, **{setting: address}) as process:
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert stderr.decode() == f"{name}: cannot listen on {address} ({setting}): Address already in use\n"


async def test_wrong_settings_end_it_by_name_without_a_traceback() -> None:
    async with started("admin", APP_KEY="base64:short", TENRUSL_ADMIN_LISTEN="nonsense") as process:
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert {"APP_KEY", "TENRUSL_ADMIN_LISTEN"} <= set(re.findall(r"^  (\w+):", stderr.decode(), re.MULTILINE))
    assert "Traceback" not in stderr.decode()
    assert "short" not in stderr.decode()
