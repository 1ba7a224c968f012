"""Following a run of the scheduler: a line that grows on a terminal, JSON with --json, else one line at its end.

Exit status: 0 when the run is done, also when another one of its kind was going on; 1 when it ended early or nobody
answers; 2 for wrong arguments. So a CronJob can use it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpc import aio
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tenrusl.api.scheduler.v1 import scheduler_pb2_grpc
from tenrusl.cli.rpc import call

TIMEOUT_SECONDS = 3600.0
DEFAULT_TARGET = "dns:///127.0.0.1:50053"
Stub = scheduler_pb2_grpc.SchedulerServiceStub

Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler", envvar="TENRUSL_SCHEDULER_TARGET", metavar="TARGET", help="gRPC target of the scheduler."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON line.")]


def follow(
    target: str,
    start: Callable[[Stub], aio.UnaryStreamCall[Any, Any]],
    *,
    json: bool,
    words: Mapping[str, str],
    prefix: str = "",
) -> Any:
    """Follows a run to its last message and returns it; exits with 1 when the run ended early.

    words: what to print, by field of the message; those that are 0 are left out but for the first.
    """
    console = Console(highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())

    async def ask(stub: Stub) -> Any:
        message: Any = None
        with Progress(*columns, console=console, transient=True, disable=json or not console.is_terminal) as progress:
            task = progress.add_task("waiting for the scheduler")
            async for message in start(stub):
                progress.update(task, description=_text(message, words, prefix))
        return message

    message = call(target, Stub, ask)
    if json:
        print_json(message)
    elif message.already_running:
        print("another run is going on; nothing was done")
    else:
        print(_text(message, words, prefix))
    if message.interrupted:
        if not json:
            print("the run ended early: its lock was lost")
        raise typer.Exit(1)
    return message


def print_json(message: Message) -> None:
    """All fields of a message as one JSON line, also those that are 0; names as in the proto, numbers as numbers."""
    document = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    for field in message.DESCRIPTOR.fields:
        if field.cpp_type == field.CPPTYPE_INT64 and not field.is_repeated:
            document[field.name] = int(document[field.name])  # protobuf's JSON writes 64 bits as text
    typer.echo(_dump(document))


def _dump(document: object) -> str:
    import json  # the name of an option above

    return json.dumps(document, separators=(",", ":"))


def _text(message: Any, words: Mapping[str, str], prefix: str) -> str:
    shown: Sequence[str] = [
        f"{getattr(message, name)} {word}"
        for place, (name, word) in enumerate(words.items())
        if place == 0 or getattr(message, name)
    ]
    return prefix + ", ".join(shown)
