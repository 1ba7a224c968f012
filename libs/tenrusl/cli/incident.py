"""`tenrusl incident`: all that is known of one event, for a look into what happened."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tenrusl.api.admin.v1 import report_pb2, report_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, document, text_of
from tenrusl.cli.rpc import call

incident = typer.Typer(no_args_is_help=True, help="Keep what is known of an event.")
_CALL_SECONDS = 30.0
_Stub = report_pb2_grpc.ReportServiceStub


@incident.callback()
def _group() -> None:
    """Keeps `capture` a command of its own."""


@incident.command()
def capture(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="TenRusl's id of the event.")],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="A new file, readable by you alone.")
    ] = None,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Put an event, its payload, kept headers, source address, timeline, transitions and request ids into one JSON.

    It holds the payload, so personal data: keep it where the event may be seen. Takes role admin, and is in the audit
    log. Exit status 1 when the file is there already.

    Example: tenrusl incident capture 01945f3c-8f7e-7c3a-b1d2-0123456789ab --output incident.json
    """
    if output is not None and output.exists():
        _fail(output, "it is there already")

    async def ask(stub: _Stub) -> report_pb2.CaptureIncidentResponse:
        request = report_pb2.CaptureIncidentRequest(event_id=event_id)
        answer: report_pb2.CaptureIncidentResponse = await stub.CaptureIncident(request, timeout=_CALL_SECONDS)
        return answer

    text = jsonlib.dumps(bundle(call(admin, _Stub, ask)), indent=None if json and output is None else 2)
    if output is None:
        print(text)
        return
    _write(output, text + "\n")
    print(jsonlib.dumps({"file": str(output), "event_id": event_id}) if json else f"written to {output}")


def bundle(answer: report_pb2.CaptureIncidentResponse) -> dict[str, Any]:
    """The answer as JSON. payload is in base64; payload_text is there, too, where it is UTF-8."""
    return {**document(answer), "payload_text": text_of(answer.payload)}


def _write(path: Path, text: str) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        _fail(path, exc.strerror or type(exc).__name__)


def _fail(path: Path, why: str) -> None:
    print(f"{path}: {why}", file=sys.stderr)
    raise typer.Exit(1)
