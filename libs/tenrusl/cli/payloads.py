"""`tenrusl payloads`: forgetting payloads, and keeping single ones."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration

from tenrusl.api.scheduler.v1 import scheduler_pb2
from tenrusl.cli.documents import Json, print_json
from tenrusl.cli.rpc import call, login
from tenrusl.cli.runs import DEFAULT_TARGET, TIMEOUT_SECONDS, Scheduler, Stub, follow

payloads = typer.Typer(no_args_is_help=True, help="Forget payloads past their retention; keep single ones.")
_CALL_SECONDS = 30.0
_AGE = re.compile(r"([0-9]{1,5})([dw])")
_WORDS = {
    "purged": "payloads forgotten",
    "days_dropped": "days dropped whole",
    "kept_unfinished": "kept: their events are unfinished",
    "kept_held": "kept: held",
}
_Id = Annotated[str, typer.Argument(metavar="ID", help="The event's id, a UUID.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
_Who = Annotated[
    str, typer.Option("--by", metavar="NAME", help="On whose behalf; noted beside the name of your key. Default: you.")
]


@payloads.command()
def purge(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="An age as 14d or 2w. Default: TENRUSL_PAYLOAD_RETENTION_DAYS.")
    ] = "",
    provider: Annotated[str, typer.Option(help="Only of this provider.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    json: Json = False,
    scheduler: Scheduler = DEFAULT_TARGET,
) -> None:
    """Forget payloads past their retention. Their events stay, with hash, size and type.

    Example: tenrusl payloads purge --older-than 14d --dry-run
    """
    request = scheduler_pb2.PurgePayloadsRequest(provider=provider, dry_run=dry_run)
    if older_than:
        request.older_than.CopyFrom(_age(older_than))
    follow(
        scheduler,
        lambda stub: stub.PurgePayloads(request, timeout=TIMEOUT_SECONDS),
        json=json,
        words=_WORDS,
        prefix="would be: " if dry_run else "",
    )


@payloads.command()
def hold(
    event_id: _Id, reason: _Reason, by: _Who = "", json: Json = False, scheduler: Scheduler = DEFAULT_TARGET
) -> None:
    """Keep an event's payload beyond its retention.

    Example: tenrusl payloads hold 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de --reason "dispute 4711"
    """
    request = scheduler_pb2.HoldPayloadRequest(event_id=event_id, reason=reason, held_by=by or login())

    async def ask(stub: Stub) -> scheduler_pb2.HoldPayloadResponse:
        answer: scheduler_pb2.HoldPayloadResponse = await stub.HoldPayload(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(scheduler, Stub, ask)
    if json:
        print_json(answer)
    else:
        print(f"held since {answer.hold_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC: {answer.reason}")


@payloads.command()
def release(
    event_id: _Id, reason: _Reason, by: _Who = "", json: Json = False, scheduler: Scheduler = DEFAULT_TARGET
) -> None:
    """End a hold: the next purge forgets the payload when it is past its retention.

    Example: tenrusl payloads release 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de --reason "dispute closed"
    """
    request = scheduler_pb2.ReleasePayloadRequest(event_id=event_id, reason=reason, released_by=by or login())

    async def ask(stub: Stub) -> scheduler_pb2.ReleasePayloadResponse:
        answer: scheduler_pb2.ReleasePayloadResponse = await stub.ReleasePayload(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(scheduler, Stub, ask)
    if json:
        print_json(answer)
    else:
        print("released" if answer.was_held else "it was not held")


def _age(text: str) -> Duration:
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter("--older-than: must be a number of days or weeks, as 14d or 2w")
    number, unit = int(match[1]), match[2]
    found = Duration()
    found.FromTimedelta(timedelta(days=number) if unit == "d" else timedelta(weeks=number))
    return found
