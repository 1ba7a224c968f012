"""`tenrusl rejected`: webhooks that verified with no accepted secret."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tenrusl.api.admin.v1 import rejected_pb2, rejected_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.rpc import call
from tenrusl.cli.runs import TIMEOUT_SECONDS, Json, print_json

rejected = typer.Typer(no_args_is_help=True, help="Webhooks that verified with no secret; they are kept for a day.")
_CALL_SECONDS = 30.0
_MAX_PAGE = 200
_WIDTH = 400  # where there is no terminal: a line is never broken
_COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
_Stub = rejected_pb2_grpc.RejectedServiceStub
_Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="E.g. stripe.")]


@rejected.command("list")
def list_rejected(
    provider: _Provider,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """List rejected webhooks of a provider, newest first, without what was sent.

    Example: tenrusl rejected list stripe
    """

    async def ask(stub: _Stub) -> list[rejected_pb2.RejectedWebhook]:
        found: list[rejected_pb2.RejectedWebhook] = []
        token = ""
        while len(found) < limit:
            request = rejected_pb2.ListRejectedRequest(
                provider=provider, page_size=min(limit - len(found), _MAX_PAGE), page_token=token
            )
            page = await stub.ListRejected(request, timeout=_CALL_SECONDS)
            found += page.webhooks
            token = page.next_page_token
            if not token:
                break
        return found

    webhooks = call(admin, _Stub, ask)
    if json:
        print(jsonlib.dumps([MessageToDict(webhook, preserving_proto_field_name=True) for webhook in webhooks]))
        return
    if not webhooks:
        print(f"no rejected webhook of {provider} is kept")
        return
    table = Table("received (UTC)", "reason", "from", "request id", "bytes", box=None)
    for webhook in webhooks:
        table.add_row(
            f"{webhook.receive_time.ToDatetime():%Y-%m-%d %H:%M:%S}",
            common_pb2.ErrorReason.Name(webhook.reason).removeprefix("ERROR_REASON_"),
            webhook.source_ip,
            webhook.request_id,
            str(webhook.size_bytes),
        )
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)


@rejected.command()
def reverify(
    provider: _Provider,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Judge the rejected webhooks of a provider again, after a secret was put right; accept those that verify now.

    Each is judged by the time when it came, and its event is processed once, also where the provider sent it again.
    Exit status 1 when some verify and could not be stored.

    Example: tenrusl rejected reverify stripe --reason "the secret was mistyped"
    """
    request = rejected_pb2.ReverifyRejectedRequest(provider=provider, reason=reason)
    console = Console(highlight=False)

    async def ask(stub: _Stub) -> rejected_pb2.ReverifyRejectedResponse:
        answer = rejected_pb2.ReverifyRejectedResponse()
        with Progress(*_COLUMNS, console=console, transient=True, disable=json or not console.is_terminal) as progress:
            task = progress.add_task("waiting for admin")
            async for answer in stub.ReverifyRejected(request, timeout=TIMEOUT_SECONDS):
                progress.update(task, description=_text(answer))
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    else:
        print(_text(answer))
    if answer.not_stored:
        raise typer.Exit(1)


def _text(answer: rejected_pb2.ReverifyRejectedResponse) -> str:
    text = (
        f"{answer.examined} judged again: {answer.accepted} accepted, {answer.duplicates} known already, "
        f"{answer.still_rejected} still rejected"
    )
    return f"{text}, {answer.not_stored} not stored: try again" if answer.not_stored else text
