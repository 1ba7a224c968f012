"""`tenrusl events unconfirmed|confirm|refute`: events that wait for an operator's confirmation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json, print_json_lines
from tenrusl.cli.event_filters import Provider, event_filter
from tenrusl.cli.event_list import amount_text, events, find_events, said_status
from tenrusl.cli.lists import warn_of_more
from tenrusl.cli.rpc import call
from tenrusl.cli.tables import new_table, print_table, time_text

__all__ = ["events"]
_CALL_SECONDS = 60.0
_Stub = backlog_pb2_grpc.BacklogServiceStub
_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `tenrusl events unconfirmed` prints them.")]


@events.command()
def unconfirmed(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at the most, oldest first.")] = 1000,
    provider: Provider = "",
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """List the events that wait for confirmation, oldest first. With --json one line for each.

    Example: tenrusl events unconfirmed --provider xendit
    """
    waiting = find_events(admin, event_filter(provider=provider, status="unconfirmed"), limit, oldest_first=True)
    if json:
        print_json_lines(waiting.items)
    elif not waiting.items:
        print("no event waits for confirmation")
    else:
        headings = ("id", "provider", "event", "payment", "says", "amount", "received (UTC)")
        print_table(new_table(*headings, rows=map(_cells, waiting.items)))
    warn_of_more(waiting)


@events.command()
def confirm(ids: _Ids, json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Say that these events are true, and apply them. Your key's name is kept with them.

    Exit status 1 when one was not waiting, or was not applied.
    Example: tenrusl events confirm 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de
    """

    async def ask(stub: _Stub) -> backlog_pb2.ConfirmEventsResponse:
        request = backlog_pb2.ConfirmEventsRequest(event_ids=ids)
        answer: backlog_pb2.ConfirmEventsResponse = await stub.ConfirmEvents(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    else:
        print(f"{answer.processed} processed")
        for event_id in answer.failed_event_ids:
            print(f"{event_id}  confirmed, and failed; tenrusl events show {event_id} tells why")
        _print_skipped(answer.skipped_event_ids)
    if answer.failed or answer.skipped:
        raise typer.Exit(1)


@events.command()
def refute(ids: _Ids, json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Say that these events are not true, and set them aside. Your key's name is kept with them.

    Exit status 1 when one was not waiting.
    Example: tenrusl events refute 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de
    """

    async def ask(stub: _Stub) -> backlog_pb2.RefuteEventsResponse:
        request = backlog_pb2.RefuteEventsRequest(event_ids=ids)
        answer: backlog_pb2.RefuteEventsResponse = await stub.RefuteEvents(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    else:
        print(f"{answer.refuted} refuted")
        _print_skipped(answer.skipped_event_ids)
    if answer.skipped:
        raise typer.Exit(1)


def _print_skipped(event_ids: Iterable[str]) -> None:
    for event_id in event_ids:
        print(f"{event_id}  skipped: it does not wait for confirmation")


def _cells(event: common_pb2.Event) -> tuple[str, ...]:
    return (
        event.id, event.provider, event.event_id, event.payment_ref, said_status(event), amount_text(event),
        time_text(event.receive_time),
    )  # fmt: skip
