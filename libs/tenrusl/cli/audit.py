"""`tenrusl audit`: who did what."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict

from tenrusl.api.admin.v1 import audit_pb2, audit_pb2_grpc
from tenrusl.cli.documents import Json, print_json, print_json_lines
from tenrusl.cli.lists import Found, collect, warn_of_more
from tenrusl.cli.rpc import call
from tenrusl.cli.tables import new_table, print_table, time_text

audit = typer.Typer(no_args_is_help=True, help="Who did what, and whether the log is as it was written.")
DEFAULT_TARGET = "dns:///127.0.0.1:50054"
_CALL_SECONDS = 30.0
_VERIFY_SECONDS = 600.0
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

    async def ask(stub: _Stub) -> Found:
        async def page(size: int, token: str) -> audit_pb2.ListAuditEntriesResponse:
            request = audit_pb2.ListAuditEntriesRequest(
                page_size=size, page_token=token, actor=actor, action=action, target=target
            )
            answer: audit_pb2.ListAuditEntriesResponse = await stub.ListAuditEntries(request, timeout=_CALL_SECONDS)
            return answer

        return await collect(page, "entries", limit)

    found = call(admin, _Stub, ask)
    if json:
        print_json_lines(found.items)
    else:
        headings = ("number", "time (UTC)", "who", "role", "action", "target", "after")
        print_table(new_table(*headings, rows=map(_cells, found.items)))
    warn_of_more(found)


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


def _cells(entry: audit_pb2.AuditEntry) -> tuple[str, ...]:
    after = jsonlib.dumps(MessageToDict(entry.after)) if entry.HasField("after") else ""
    return (
        str(entry.number), time_text(entry.time), entry.actor, entry.role, entry.action, entry.target, after,
    )  # fmt: skip
