"""`tenrusl dead-letters`: events that are set aside."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json
from tenrusl.cli.event_filters import (
    Before,
    FailureCode,
    Ids,
    PaymentRef,
    Provider,
    Since,
    check_choice,
    event_filter,
)
from tenrusl.cli.event_list import find_events, print_events
from tenrusl.cli.rpc import call

dead_letters = typer.Typer(no_args_is_help=True, help="Events that failed for the last time, or can never succeed.")
_CALL_SECONDS = 60.0
_Stub = backlog_pb2_grpc.BacklogServiceStub
_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most, with a filter.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count, with a filter.")]


@dead_letters.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at the most, newest first.")] = 50,
    provider: Provider = "",
    payment_ref: PaymentRef = "",
    failure_code: FailureCode = "",
    since: Since = None,
    before: Before = None,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """List dead letters, newest first. With --json one line for each.

    Example: tenrusl dead-letters list --failure-code payment_unknown
    """
    wanted = event_filter(
        provider=provider,
        status="dead_letter",
        payment_ref=payment_ref,
        failure_code=failure_code,
        since=since,
        before=before,
    )
    print_events(find_events(admin, wanted, limit), json=json)


@dead_letters.command()
def requeue(
    ids: Ids = None,
    provider: Provider = "",
    payment_ref: PaymentRef = "",
    failure_code: FailureCode = "",
    since: Since = None,
    before: Before = None,
    all_: Annotated[bool, typer.Option("--all", help="All but those that were refuted.")] = False,
    limit: _Limit = 1000,
    dry_run: _DryRun = False,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Make dead letters due at once, with all their tries before them.

    Exit status 1 when one that was named is no dead letter.
    Example: tenrusl dead-letters requeue --provider stripe --failure-code payment_unknown
    """
    wanted = event_filter(
        provider=provider, payment_ref=payment_ref, failure_code=failure_code, since=since, before=before
    )
    check_choice(ids, wanted, everything=all_)
    request = backlog_pb2.RequeueDeadLettersRequest(event_ids=ids or [], limit=limit, dry_run=dry_run)
    if not ids:
        request.filter.CopyFrom(wanted)

    async def ask(stub: _Stub) -> Any:
        return await stub.RequeueDeadLetters(request, timeout=_CALL_SECONDS)

    answer = call(admin, _Stub, ask)
    _report(answer, answer.requeued, "would be requeued" if dry_run else "requeued", json=json)


@dead_letters.command()
def discard(
    ids: Ids = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "",
    provider: Provider = "",
    payment_ref: PaymentRef = "",
    failure_code: FailureCode = "",
    since: Since = None,
    before: Before = None,
    limit: _Limit = 1000,
    dry_run: _DryRun = False,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Set events aside for good. They are kept, with the reason. By id also failed and unconfirmed ones.

    Exit status 1 when one that was named could not be discarded.
    Example: tenrusl dead-letters discard 01980a5c-7f3e-7b21-9c44-3f1e52a0c6de --reason "test shop"
    """
    if not reason and not dry_run:
        raise typer.BadParameter("is needed", param_hint="--reason")
    wanted = event_filter(
        provider=provider, payment_ref=payment_ref, failure_code=failure_code, since=since, before=before
    )
    check_choice(ids, wanted)
    request = backlog_pb2.DiscardEventsRequest(event_ids=ids or [], reason=reason, limit=limit, dry_run=dry_run)
    if not ids:
        request.filter.CopyFrom(wanted)

    async def ask(stub: _Stub) -> Any:
        return await stub.DiscardEvents(request, timeout=_CALL_SECONDS)

    answer = call(admin, _Stub, ask)
    _report(answer, answer.discarded, "would be discarded" if dry_run else "discarded", json=json)


def _report(answer: Any, number: int, word: str, *, json: bool) -> None:
    if json:
        print_json(answer)
    else:
        print(f"{number} {word}" + (f", {answer.skipped} skipped" if answer.skipped else ""))
        if answer.more:
            print("the limit was reached: there may be more")
    if answer.skipped:
        raise typer.Exit(1)
