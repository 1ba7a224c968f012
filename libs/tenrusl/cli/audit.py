"""`tenrusl audit`: who did what."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table

from tenrusl.api.admin.v1 import audit_pb2, audit_pb2_grpc
from tenrusl.cli.rpc import call
from tenrusl.cli.runs import Json, print_json

audit = typer.Typer(no_args_is_help=True, help="Who did what, and whether the log is as it was written.")
DEFAULT_TARGET = "dns:///127.0.0.1:50054"
_CALL_SECONDS = 30.0
_VERIFY_SECONDS = 600.0
_MAX_PAGE = 200
_WIDTH = 400  # where there is no terminal: a line is never broken
_Stub = audit_pb2_grpc.AuditServiceStub

Admin = Annotated[
    str, typer.Option("--admin", envvar="TENRUSL_ADMIN_TARGET", metavar="TARGET", help="gRPC target of admin.")
]


@audit.command("list")
def list_entries(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    actor: Annotated[str, typer.Option(help="Only of this operator.")] = "",
    action: Annotated[str, typer.Option(help="Only this action, e.g. rotation.begin.")] = "",
    target: Annotated[str, typer.Option(help="Only with this target, e.g. provider/stripe.")] = "",
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """List entries, newest first.

    Example: tenrusl audit list --actor alice --limit 20
    """

    async def ask(stub: _Stub) -> list[audit_pb2.AuditEntry]:
        found: list[audit_pb2.AuditEntry] = []
        token = ""
        while len(found) < limit:
            request = audit_pb2.ListAuditEntriesRequest(
                page_size=min(limit - len(found), _MAX_PAGE),
                page_token=token,
                actor=actor,
                action=action,
                target=target,
            )
            page = await stub.ListAuditEntries(request, timeout=_CALL_SECONDS)
            found += page.entries
            token = page.next_page_token
            if not token:
                break
        return found

    entries = call(admin, _Stub, ask)
    if json:
        print(jsonlib.dumps([MessageToDict(entry, preserving_proto_field_name=True) for entry in entries]))
        return
    table = Table("number", "time (UTC)", "who", "role", "action", "target", "after", box=None)
    for entry in entries:
        after = jsonlib.dumps(MessageToDict(entry.after)) if entry.HasField("after") else ""
        table.add_row(
            str(entry.number), f"{entry.time.ToDatetime():%Y-%m-%d %H:%M:%S}", entry.actor, entry.role, entry.action,
            entry.target, after,
        )  # fmt: skip
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)


@audit.command()
def verify(json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Read the whole log. Exit status 1 when an entry is not as it was written.

    Example: tenrusl audit verify
    """

    async def ask(stub: _Stub) -> audit_pb2.VerifyAuditChainResponse:
        answer: audit_pb2.VerifyAuditChainResponse = await stub.VerifyAuditChain(
            audit_pb2.VerifyAuditChainRequest(), timeout=_VERIFY_SECONDS
        )
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    elif answer.broken_number:
        print(f"entry {answer.broken_number}: {answer.broken_reason}; the {answer.verified} before it are right")
    else:
        print(f"{answer.verified} entries are as they were written; the last hash is {answer.last_hash or 'none'}")
    if answer.broken_number:
        raise typer.Exit(1)
