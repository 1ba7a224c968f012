"""`tenrusl rejected`: webhooks that verified with no accepted secret."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tenrusl.api.admin.v1 import rejected_pb2, rejected_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json, print_json_lines
from tenrusl.cli.lists import Found, collect, warn_of_more
from tenrusl.cli.rpc import call
from tenrusl.cli.runs import TIMEOUT_SECONDS
from tenrusl.cli.tables import new_console, new_table, print_table, time_text

rejected = typer.Typer(no_args_is_help=True, help="Webhooks that verified with no secret; they are kept for a day.")
_CALL_SECONDS = 30.0
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

    async def ask(stub: _Stub) -> Found:
        async def page(size: int, token: str) -> rejected_pb2.ListRejectedResponse:
            request = rejected_pb2.ListRejectedRequest(provider=provider, page_size=size, page_token=token)
            answer: rejected_pb2.ListRejectedResponse = await stub.ListRejected(request, timeout=_CALL_SECONDS)
            return answer

        return await collect(page, "webhooks", limit)

    found = call(admin, _Stub, ask)
    if json:
        print_json_lines(found.items)
    elif not found.items:
        print(f"no rejected webhook of {provider} is kept")
    else:
        headings = ("received (UTC)", "reason", "from", "request id", "bytes")
        print_table(new_table(*headings, rows=map(_cells, found.items)))
    warn_of_more(found)


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
    console = new_console()

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


def _cells(webhook: rejected_pb2.RejectedWebhook) -> tuple[str, ...]:
    reason = common_pb2.ErrorReason.Name(webhook.reason).removeprefix("ERROR_REASON_")
    return time_text(webhook.receive_time), reason, webhook.source_ip, webhook.request_id, str(webhook.size_bytes)


def _text(answer: rejected_pb2.ReverifyRejectedResponse) -> str:
    text = (
        f"{answer.examined} judged again: {answer.accepted} accepted, {answer.duplicates} known already, "
        f"{answer.still_rejected} still rejected"
    )
    return f"{text}, {answer.not_stored} not stored: try again" if answer.not_stored else text
