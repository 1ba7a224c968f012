"""`tenrusl events`: events that wait for an operator's confirmation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.cli.rpc import call, login

events = typer.Typer(no_args_is_help=True, help="Look at events, replay them, confirm those that no signature covers.")
_TIMEOUT_SECONDS = 30.0
_Stub = processor_pb2_grpc.ProcessorServiceStub

_Processor = Annotated[
    str,
    typer.Option(
        "--processor", envvar="TENRUSL_PROCESSOR_TARGET", metavar="TARGET", help="gRPC target of the processor."
    ),
]
_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `tenrusl events unconfirmed` prints them.")]
_Who = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so, kept with the events. Default: you.")]
_DEFAULT_TARGET = "dns:///127.0.0.1:50052"


@events.command()
def unconfirmed(
    provider: Annotated[str, typer.Option(help="Only of this provider.")] = "",
    processor: _Processor = _DEFAULT_TARGET,
) -> None:
    """List the events that wait, oldest first."""

    async def ask(stub: _Stub) -> list[common_pb2.Event]:
        found: list[common_pb2.Event] = []
        token = ""
        while True:
            request = processor_pb2.ListUnconfirmedEventsRequest(page_size=200, page_token=token, provider=provider)
            page = await stub.ListUnconfirmedEvents(request, timeout=_TIMEOUT_SECONDS)
            found += page.events
            token = page.next_page_token
            if not token:
                return found

    waiting = call(processor, processor_pb2_grpc.ProcessorServiceStub, ask)
    if not waiting:
        print("no event waits for confirmation")
        return
    table = Table("id", "provider", "event", "payment", "says", "amount", "received (UTC)", box=None)
    for event in waiting:
        table.add_row(*_cells(event))
    console = Console()
    # Ids are to be copied, and read by other programs: a line is never broken.
    console.print(table, soft_wrap=True) if console.is_terminal else Console(width=400).print(table)


@events.command()
def confirm(ids: _Ids, by: _Who = "", processor: _Processor = _DEFAULT_TARGET) -> None:
    """Say that these events are true, and apply them. Exit status 1 when one was not waiting, or was not applied."""
    request = processor_pb2.ConfirmEventsRequest(event_ids=ids, confirmed_by=by or login())

    async def ask(stub: _Stub) -> list[processor_pb2.EventResult]:
        return list((await stub.ConfirmEvents(request, timeout=_TIMEOUT_SECONDS)).results)

    _report(
        call(processor, processor_pb2_grpc.ProcessorServiceStub, ask),
        wanted=processor_pb2.EVENT_RESULT_STATUS_PROCESSED,
    )


@events.command()
def refute(ids: _Ids, by: _Who = "", processor: _Processor = _DEFAULT_TARGET) -> None:
    """Say that these events are not true, and set them aside. Exit status 1 when one was not waiting."""
    request = processor_pb2.RefuteEventsRequest(event_ids=ids, refuted_by=by or login())

    async def ask(stub: _Stub) -> list[processor_pb2.EventResult]:
        return list((await stub.RefuteEvents(request, timeout=_TIMEOUT_SECONDS)).results)

    _report(
        call(processor, processor_pb2_grpc.ProcessorServiceStub, ask),
        wanted=processor_pb2.EVENT_RESULT_STATUS_DEAD_LETTER,
    )


def _report(results: list[processor_pb2.EventResult], *, wanted: processor_pb2.EventResultStatus) -> None:
    for result in results:
        name = processor_pb2.EventResultStatus.Name(result.status).removeprefix("EVENT_RESULT_STATUS_").lower()
        if result.status == processor_pb2.EVENT_RESULT_STATUS_SKIPPED:
            name = "skipped: it does not wait for confirmation"
        print(f"{result.event_id}  {name}")
    if any(result.status != wanted for result in results):
        raise typer.Exit(1)


def _cells(event: common_pb2.Event) -> tuple[str, ...]:
    status = common_pb2.PaymentStatus.Name(event.payment_status).removeprefix("PAYMENT_STATUS_").lower()
    amount = f"{event.amount_minor} {event.currency}" if event.HasField("amount_minor") else ""
    received = datetime.fromtimestamp(event.receive_time.seconds, UTC)
    return (
        event.id, event.provider, event.event_id, event.payment_ref, status, amount, f"{received:%Y-%m-%d %H:%M:%S}",
    )  # fmt: skip
