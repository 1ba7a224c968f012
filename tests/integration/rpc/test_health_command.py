"""`tenrusl health`, asking a real server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings

_TENRUSL = Path(sys.executable).with_name("tenrusl")


@asynccontextmanager
async def service(*, ready: bool) -> AsyncIterator[str]:
    """The target of a service that is ready or not."""

    async def is_ready() -> bool:
        return ready

    server = RpcServer(
        name="processor",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=Secret("base64:" + "A" * 43 + "=")),
        registry=CollectorRegistry(),
        ready=is_ready,
    )
    port = await server.start()
    try:
        yield f"dns:///127.0.0.1:{port}"
    finally:
        await server.stop()


async def http_service(status: str) -> tuple[asyncio.Server, str]:
    """A gateway whose /ready answers with `status`, and its address. Everything else is 200."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        line = status if path == "/ready" else "200 OK"
        writer.write(f"HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def health(*arguments: str, **environ: str) -> tuple[int | None, str]:
    """Exit status, and what was printed."""
    process = await asyncio.create_subprocess_exec(
        str(_TENRUSL), "health", *arguments, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), timeout=60)
    return process.returncode, output.decode()


@pytest.mark.parametrize(("ready", "expected"), [(True, (0, "SERVING")), (False, (1, "NOT_SERVING"))])
async def test_it_tells_whether_a_service_is_ready(ready: bool, expected: tuple[int, str]) -> None:
    async with service(ready=ready) as target:
        assert await health(target) == (expected[0], f"{target}: {expected[1]}\n")


async def test_a_service_that_is_not_ready_lives() -> None:
    async with service(ready=False) as target:
        assert (await health("--alive", target))[0] == 0


async def test_the_target_can_come_from_the_environment() -> None:
    async with service(ready=True) as target:
        assert (await health(TENRUSL_HEALTH_TARGET=target))[0] == 0


async def test_nobody_answers() -> None:
    async with service(ready=True) as target:
        pass
    status, output = await health(target)
    assert status == 1
    assert "UNAVAILABLE" in output


@pytest.mark.parametrize(
    ("answer", "arguments", "expected"),
    [("200 OK", (), 0), ("503 Service Unavailable", (), 1), ("503 Service Unavailable", ("--alive",), 0)],
)
async def test_the_gateway_is_asked_by_http(answer: str, arguments: tuple[str, ...], expected: int) -> None:
    server, url = await http_service(answer)
    async with server:
        assert (await health(*arguments, url))[0] == expected


@pytest.mark.parametrize("target", ["http://", "http://127.0.0.1:1/path"])
async def test_a_wrong_address_is_a_wrong_argument(target: str) -> None:
    assert (await health(target))[0] == 2
