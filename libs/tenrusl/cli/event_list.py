"""`tenrusl events list|show|payload|replay`: looking at events, and having them processed again."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, document, print_json, print_json_lines, print_line, text_of
from tenrusl.cli.event_filters import (
    Before,
    FailureCode,
    Ids,
    PaymentRef,
    Provider,
    Since,
    Status,
    check_choice,
    event_filter,
    status_word,
)
from tenrusl.cli.lists import Found, collect, warn_of_more
from tenrusl.cli.rpc import call
from tenrusl.cli.tables import new_console, new_table, print_table, time_text

events = typer.Typer(no_args_is_help=True, help="Look at events, replay them, confirm those that no signature covers.")
_CALL_SECONDS = 30.0
_REPLAY_SECONDS = 24 * 3600.0
_Stub = backlog_pb2_grpc.BacklogServiceStub
_Id = Annotated[str, typer.Argument(metavar="ID", help="The event's id, a UUID.")]


@events.command("list")
def list_events(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at the most, newest first.")] = 50,
    provider: Provider = "",
    status: Status = "",
    payment_ref: PaymentRef = "",
    failure_code: FailureCode = "",
    since: Since = None,
    before: Before = None,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """List events, newest first. With --json one line for each.

    Example: tenrusl events list --provider stripe --status dead_letter --since 2026-03-01
    """
    wanted = event_filter(
        provider=provider, status=status, payment_ref=payment_ref, failure_code=failure_code, since=since, before=before
    )
    print_events(find_events(admin, wanted, limit), json=json)


@events.command()
def show(event_id: _Id, json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Show an event and what happened to it.

    Example: tenrusl events show 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de
    """

    async def ask(stub: _Stub) -> backlog_pb2.GetEventResponse:
        request = backlog_pb2.GetEventRequest(event_id=event_id)
        answer: backlog_pb2.GetEventResponse = await stub.GetEvent(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
        return
    print_table(new_table(rows=[fact for fact in _facts(answer) if fact[1]]))
    print()
    happened = ((time_text(item.time), item.what, item.detail) for item in answer.timeline)
    print_table(new_table("time (UTC)", "what", "", rows=happened))


@events.command()
def payload(event_id: _Id, json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Write the payload to stdout as it was received. It takes a key of role admin, and is noted in the audit log.

    With --json an object with the payload in base64, and as text where it is UTF-8.

    Example: tenrusl events payload 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de > body.json
    """

    async def ask(stub: _Stub) -> backlog_pb2.GetPayloadResponse:
        request = backlog_pb2.GetPayloadRequest(event_id=event_id)
        answer: backlog_pb2.GetPayloadResponse = await stub.GetPayload(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_line({"event_id": event_id, **document(answer), "body_text": text_of(answer.body)})
        return
    sys.stdout.buffer.write(answer.body)
    sys.stdout.buffer.flush()


@events.command()
def replay(
    ids: Ids = None,
    provider: Provider = "",
    status: Status = "",
    payment_ref: PaymentRef = "",
    failure_code: FailureCode = "",
    since: Since = None,
    before: Before = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at the most.")] = 10_000,
    rate: Annotated[int, typer.Option(min=1, max=5000, help="Events a second.")] = 100,
    resume: Annotated[str, typer.Option(metavar="TOKEN", help="Go on with an earlier replay of the same filter.")] = "",
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Process events again now, oldest first. What is processed already is skipped: each effect happens once.

    Exit status 1 when one failed. Example: tenrusl events replay --provider stripe --status failed --dry-run
    """
    wanted = event_filter(
        provider=provider, status=status, payment_ref=payment_ref, failure_code=failure_code, since=since, before=before
    )
    check_choice(ids, wanted)
    request = backlog_pb2.ReplayEventsRequest(
        event_ids=ids or [], dry_run=dry_run, limit=limit, events_per_second=rate, resume_token=resume
    )
    if not ids:
        request.filter.CopyFrom(wanted)
    last = _follow(admin, request, quiet=json)
    if json:
        print_json(last)
    else:
        print(_summary(last, dry_run=dry_run))
        if last.capped and not dry_run:
            print(f"there may be more; go on with the same filter and --resume {last.resume_token}")
    if last.failed or last.dead_letters:
        raise typer.Exit(1)


def find_events(admin: str, wanted: backlog_pb2.EventFilter, limit: int, *, oldest_first: bool = False) -> Found:
    """At most `limit` events, newest first or oldest first."""

    async def ask(stub: _Stub) -> Found:
        async def page(size: int, token: str) -> backlog_pb2.ListEventsResponse:
            request = backlog_pb2.ListEventsRequest(
                page_size=size, page_token=token, filter=wanted, oldest_first=oldest_first
            )
            answer: backlog_pb2.ListEventsResponse = await stub.ListEvents(request, timeout=_CALL_SECONDS)
            return answer

        return await collect(page, "events", limit)

    return call(admin, _Stub, ask)


def print_events(found: Found, *, json: bool) -> None:
    """As a table, or as one JSON line for each; on stderr whether there are more."""
    if json:
        print_json_lines(found.items)
    elif not found.items:
        print("no event matches")
    else:
        headings = ("id", "provider", "event", "status", "tries", "payment", "cause", "received (UTC)")
        print_table(new_table(*headings, rows=map(_cells, found.items)))
    warn_of_more(found)


def said_status(event: common_pb2.Event) -> str:
    """The payment's state that the event reports, in a word; empty when it reports none."""
    name = common_pb2.PaymentStatus.Name(event.payment_status).removeprefix("PAYMENT_STATUS_").lower()
    return name if event.payment_status else ""


def amount_text(event: common_pb2.Event) -> str:
    """The amount in minor units and the currency; empty when it says none."""
    return f"{event.amount_minor} {event.currency}" if event.HasField("amount_minor") else ""


def _cells(event: common_pb2.Event) -> tuple[str, ...]:
    return (
        event.id, event.provider, event.event_type, status_word(event), str(event.attempts), event.payment_ref,
        event.failure_code, time_text(event.receive_time),
    )  # fmt: skip


def _follow(admin: str, request: backlog_pb2.ReplayEventsRequest, *, quiet: bool) -> backlog_pb2.ReplayEventsResponse:
    """The last message of a replay."""
    console = new_console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())

    async def ask(stub: _Stub) -> backlog_pb2.ReplayEventsResponse:
        message = backlog_pb2.ReplayEventsResponse()
        with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
            task = progress.add_task("waiting")
            try:
                async for message in stub.ReplayEvents(request, timeout=_REPLAY_SECONDS):
                    progress.update(task, description=_summary(message, dry_run=request.dry_run))
            except BaseException:
                if message.resume_token:
                    print(f"to go on: --resume {message.resume_token}", file=sys.stderr)
                raise
        return message

    return call(admin, _Stub, ask)


def _summary(message: backlog_pb2.ReplayEventsResponse, *, dry_run: bool) -> str:
    if dry_run:
        return f"{message.matched} events match" + (", and there may be more" if message.capped else "")
    shown = [f"{message.matched} events", f"{message.processed} processed"]
    words = {"failed": "failed", "dead_letters": "dead letters", "unconfirmed": "unconfirmed", "skipped": "skipped"}
    shown += [f"{getattr(message, name)} {word}" for name, word in words.items() if getattr(message, name)]
    return ", ".join(shown)


def _facts(answer: backlog_pb2.GetEventResponse) -> list[tuple[str, str]]:
    event = answer.event
    return [
        ("id", event.id),
        ("provider", event.provider),
        ("event", f"{event.event_type} {event.event_id}"),
        ("status", status_word(event)),
        ("payment", event.payment_ref),
        ("says", said_status(event)),
        ("amount", amount_text(event)),
        ("tries", str(event.attempts)),
        ("deliveries", str(event.deliveries)),
        ("cause", " ".join(filter(None, (event.failure_code, answer.failure_message)))),
        ("request id", answer.request_id),
        ("from", answer.source_ip),
        ("signed with", answer.signature_version),
        ("payload", f"{answer.payload_bytes} bytes, {answer.payload_content_type}, SHA-256 {answer.payload_sha256}"),
    ]
