"""`tenrusl webhooks`: trying again what failed or waits."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tenrusl.api.scheduler.v1 import scheduler_pb2
from tenrusl.cli.documents import Json
from tenrusl.cli.runs import DEFAULT_TARGET, TIMEOUT_SECONDS, Scheduler, follow

webhooks = typer.Typer(no_args_is_help=True, help="Try events again that failed or wait.")
_WORDS = {
    "found": "found",
    "processed": "processed",
    "handed_off": "handed to the processor",
    "failed": "failed, to be tried again",
    "dead_letters": "failed for the last time",
    "unconfirmed": "wait for confirmation",
    "skipped": "skipped",
}


class Mode(StrEnum):
    """The names of BackoffMode."""

    FULL = "full"
    EQUAL = "equal"
    DECORRELATED = "decorrelated"


_ModeOption = Annotated[
    Mode | None, typer.Option(help="How delays are drawn after a failure. Default: TENRUSL_RETRY_MODE.")
]
_Force = Annotated[bool, typer.Option("--force", help="Also what is not due yet.")]
_Queue = Annotated[bool, typer.Option("--queue", help="Do not wait until the events are settled.")]
_MAX_LIMIT, _MAX_ATTEMPTS = 100_000, 1000
_MaxAttempts = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=_MAX_ATTEMPTS,
        help="A try of this run that fails and is an event's Nth or a later one makes a dead letter. "
        "Default: TENRUSL_RETRY_MAX_ATTEMPTS.",
    ),
]


@webhooks.command()
def retry(
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LIMIT, help="How many events at the most.")] = 500,
    max_attempts: _MaxAttempts = None,
    mode: _ModeOption = None,
    provider: Annotated[str, typer.Option(help="Only of this provider.")] = "",
    force: _Force = False,
    queue: _Queue = False,
    json: Json = False,
    scheduler: Scheduler = DEFAULT_TARGET,
) -> None:
    """Process the events that are due.

    Example: tenrusl webhooks retry --limit=500 --max-attempts=5 --mode=full --queue
    """
    request = scheduler_pb2.RetryDueEventsRequest(
        limit=limit,
        max_attempts=max_attempts or 0,
        mode=_mode(mode),
        provider=provider,
        force=force,
        hand_off=queue,
    )
    follow(
        scheduler,
        lambda stub: stub.RetryDueEvents(request, timeout=TIMEOUT_SECONDS),
        json=json,
        words=_WORDS,
    )


@webhooks.command("retry-one")
def retry_one(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The event's id, a UUID.")],
    force: Annotated[bool, typer.Option("--force", help="Also when it is not due, or is a dead letter.")] = False,
    max_attempts: _MaxAttempts = None,
    mode: _ModeOption = None,
    json: Json = False,
    scheduler: Scheduler = DEFAULT_TARGET,
) -> None:
    """Process one event. Exit status 1 when it failed, or was not due, or is done.

    Example: tenrusl webhooks retry-one 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de --force
    """
    request = scheduler_pb2.RetryDueEventsRequest(
        event_id=event_id, force=force, max_attempts=max_attempts or 0, mode=_mode(mode)
    )
    if not event_id:
        raise typer.BadParameter("ID must not be empty")
    result = follow(
        scheduler,
        lambda stub: stub.RetryDueEvents(request, timeout=TIMEOUT_SECONDS),
        json=json,
        words=_WORDS,
    )
    if not result.processed:
        raise typer.Exit(1)


def _mode(mode: Mode | None) -> str:
    """As protobuf takes the name of a value."""
    return f"BACKOFF_MODE_{'UNSPECIFIED' if mode is None else mode.name}"
