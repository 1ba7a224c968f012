"""`tenrusl health`: whether one service is well, as container engines and scripts ask."""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import Annotated

import typer
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tenrusl.cli.documents import Json, print_line
from tenrusl.cli.rpc import tls_of_environment
from tenrusl.cli.target import Connection, NoAnswerError, parse_target
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.server import READINESS
from tenrusl.setting_forms import SettingsError
from tenrusl.tls_files import TlsFiles

_HTTP = ("http://", "https://")


def health(
    target: Annotated[
        str,
        typer.Argument(
            envvar="TENRUSL_HEALTH_TARGET",
            help="gRPC target as dns:///HOST:PORT, or the gateway as http://HOST:PORT.",
        ),
    ],
    alive: Annotated[
        bool, typer.Option("--alive", help="Ask whether it lives, whatever else is down; not whether it is ready.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds to wait for the answer.")] = 3.0,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="With the files of TENRUSL_GRPC_TLS_*; the port for probes takes plaintext."),
    ] = False,
    json: Json = False,
) -> None:
    """Ask one service whether it is ready. Exit status 0 when it is, 1 when it is not or does not answer.

    Example: tenrusl health dns:///127.0.0.1:50051
    """
    if target.startswith(_HTTP):
        answer = _ask_http(target, "/up" if alive else "/ready", timeout)
        is_well = answer == str(int(HTTPStatus.OK))
    else:
        answer = asyncio.run(_ask_grpc(target, "" if alive else READINESS, timeout, _tls_files() if tls else None))
        is_well = answer == health_pb2.HealthCheckResponse.ServingStatus.Name(health_pb2.HealthCheckResponse.SERVING)
    if json:
        print_line({"target": target, "answer": answer, "is_well": is_well})
    else:
        print(f"{target}: {answer}", file=sys.stdout if is_well else sys.stderr)
    if not is_well:
        raise typer.Exit(1)


def _tls_files() -> TlsFiles | None:
    try:
        return tls_of_environment()
    except SettingsError as exc:
        raise typer.BadParameter("; ".join(exc.problems)) from None


def _ask_http(url: str, path: str, timeout_seconds: float) -> str:
    """The status of the answer, or why there is none."""
    try:
        connection = Connection(parse_target(url), timeout_seconds=timeout_seconds)
    except ValueError as exc:
        raise typer.BadParameter(f"TARGET {exc}") from None
    try:
        status, _ = connection.exchange("GET", path)
    except NoAnswerError as exc:
        return str(exc)
    finally:
        connection.close()
    return str(status)


async def _ask_grpc(target: str, service: str, timeout_seconds: float, tls: TlsFiles | None) -> str:
    """The name of the answer's status, or that of the error and what it says."""
    async with build_channel(target, tls=tls) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(
                health_pb2.HealthCheckRequest(service=service), timeout=timeout_seconds, wait_for_ready=False
            )
        except aio.AioRpcError as exc:
            return f"{exc.code().name}: {exc.details()}"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
