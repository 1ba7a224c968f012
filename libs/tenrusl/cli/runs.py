"""Following a run of the scheduler: a line that grows on a terminal, JSON with --json, else one line at its end.

Exit status: 0 when the run is done, also when another one of its kind was going on; 1 when it ended early or nobody
answers; 2 for wrong arguments. So a CronJob can use it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from grpc import aio
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tenrusl.api.scheduler.v1 import scheduler_pb2_grpc
from tenrusl.cli.documents import print_json
from tenrusl.cli.rpc import call
from tenrusl.cli.tables import new_console

TIMEOUT_SECONDS = 3600.0
DEFAULT_TARGET = "dns:///127.0.0.1:50053"
Stub = scheduler_pb2_grpc.SchedulerServiceStub

Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler", envvar="TENRUSL_SCHEDULER_TARGET", metavar="TARGET", help="gRPC target of the scheduler."
    ),
]


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
    console = new_console()
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


def _text(message: Any, words: Mapping[str, str], prefix: str) -> str:
    shown: Sequence[str] = [
        f"{getattr(message, name)} {word}"
        for place, (name, word) in enumerate(words.items())
        if place == 0 or getattr(message, name)
    ]
    return prefix + ", ".join(shown)
