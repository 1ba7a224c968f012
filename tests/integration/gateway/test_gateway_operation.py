"""Probes, the description of the API, and the process."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.gateway.app import Gateway
from services.gateway.exchange import PATH_PREFIXES
from tests.integration.gateway.gateway_stack import eventually, gateway_stack, outcome, read_answer

OPENAPI = Path(__file__).parents[3] / "docs" / "openapi.yaml"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


async def test_up_needs_nothing_and_ready_needs_ingress() -> None:
    async with gateway_stack() as stack:
        assert (await stack.request("GET", "/up")).json == {"status": "up"}
        assert (await stack.request("GET", "/ready")).json == {"status": "ready"}
        stack.ingress.is_ready = False

        async def is_not_ready() -> bool:
            return (await stack.request("GET", "/ready")).status == 503

        await eventually(is_not_ready)
        await stack.ingress_server.stop()
        answer = await stack.request("GET", "/ready")
        assert (answer.status, answer.json["detail"]) == (503, "not ready: ingress")
        assert (await stack.request("GET", "/up")).status == 200


async def test_a_gateway_that_stops_is_not_ready() -> None:
    async with gateway_stack() as stack:
        stack.gateway.health.begin_drain()
        answer = await stack.request("GET", "/ready")
        assert (answer.status, answer.json["detail"]) == (503, "not ready: gateway is stopping")
        assert (await stack.post()).status == 202


async def test_the_description_is_served_as_it_stands_in_the_docs() -> None:
    async with gateway_stack() as stack:
        answer = await stack.request("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == yaml.safe_load(OPENAPI.read_text())


def described() -> set[tuple[str, str]]:
    document = yaml.safe_load(OPENAPI.read_text())
    return {(method, path) for path, item in document["paths"].items() for method in METHODS & item.keys()}


def served(app: Gateway) -> set[tuple[str, str]]:
    webhooks = {(method, prefix + "{provider}") for prefix in PATH_PREFIXES for method in ("get", "post")}
    return webhooks | {
        (method.lower(), re.sub(r":\w+}", "}", route.path))
        for route in app.routes
        for method in route.methods or ()
        if method != "HEAD"  # comes with GET
    }


async def test_every_route_is_described_and_every_description_is_served() -> None:
    async with gateway_stack() as stack:
        assert served(stack.gateway.app) == described()


async def test_every_described_path_is_answered_by_its_route() -> None:
    async with gateway_stack() as stack:
        stack.ingress.judge = lambda webhook: outcome("UNKNOWN_PROVIDER")
        for method, path in sorted(described()):
            concrete = re.sub(r"{\w+}", "x", path)
            answer = await stack.request(method.upper(), concrete)
            assert answer.status != 405, (method, path)
            assert answer.json.get("detail") != "Nothing matches the given URI", (method, path)


def test_references_inside_the_description_lead_somewhere() -> None:
    document = yaml.safe_load(OPENAPI.read_text())

    def check(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "$ref":
                target = document
                for part in value.removeprefix("#/").split("/"):
                    target = target[part]
            elif isinstance(value, dict | list):
                check(value)

    check(document)
    ids = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in METHODS
    ]
    assert len(ids) == len(set(ids))


ENV = {
    "PATH": os.environ["PATH"],
    "APP_KEY": "base64:" + "A" * 43 + "=",
    "TENRUSL_GATEWAY_LISTEN": "127.0.0.1:0",
    "TENRUSL_GATEWAY_METRICS": "127.0.0.1:0",
}


async def test_the_process_finishes_the_requests_under_way_when_it_is_told_to_stop() -> None:
    async with gateway_stack() as stack:
        target = f"dns:///127.0.0.1:{stack.ingress_port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", env=ENV | {"TENRUSL_INGRESS_TARGET": target}, stdout=PIPE
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                port = 0
                while not port:
                    line = (await process.stdout.readline()).decode()
                    found = re.search(r"listening\s.*address=127\.0\.0\.1:(\d+)", line)
                    port = int(found[1]) if found else 0
            stack.ingress.release.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            await asyncio.wait_for(stack.ingress.arrived.wait(), 20)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                while b"draining" not in await process.stdout.readline():
                    pass
            stack.ingress.release.set()
            assert (await read_answer(reader)).status == 202
            assert await asyncio.wait_for(process.wait(), 20) == 0
            writer.close()
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.mark.parametrize("setting", ["TENRUSL_GATEWAY_LISTEN", "TENRUSL_GATEWAY_METRICS"])
async def test_a_taken_port_ends_it_with_one_line(setting: str) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    address = f"127.0.0.1:{taken.sockets[0].getsockname()[1]}"
    async with taken:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", env=ENV | {setting: address}, stdout=PIPE, stderr=PIPE
        )
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert stderr.decode() == f"gateway: cannot listen on {address} ({setting}): Address already in use\n"
