"""`tenrusl keys`: replacing APP_KEY. The keys themselves are never asked for or shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from grpc import aio
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tenrusl.api.admin.v1 import keys_pb2, keys_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json
from tenrusl.cli.rpc import call
from tenrusl.cli.runs import TIMEOUT_SECONDS
from tenrusl.cli.tables import new_console, new_table, print_table

keys = typer.Typer(no_args_is_help=True, help="Replacing APP_KEY, under which stored data is sealed.")
_COLUMNS = (BarColumn(), TextColumn("{task.completed}/{task.total} tables"), TextColumn("{task.description}"))
_JsonLines = Annotated[bool, typer.Option("--json", help="Print each step as one JSON line.")]
_Stub = keys_pb2_grpc.KeysServiceStub
_ROLES = {
    keys_pb2.KEY_ROLE_CURRENT: "APP_KEY",
    keys_pb2.KEY_ROLE_PREVIOUS: "APP_PREVIOUS_KEYS",
    keys_pb2.KEY_ROLE_UNKNOWN: "not configured",
}


@keys.command()
def status(json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Count what each key is still needed for. A previous key that nothing needs may be dropped.

    Looks at every payload. Exit status 1 when something is sealed under a key that is not configured.

    Example: tenrusl keys status
    """
    answer = _follow(
        admin, lambda stub: stub.GetKeyUsage(keys_pb2.GetKeyUsageRequest(), timeout=TIMEOUT_SECONDS), shown=not json
    )
    if json:
        print_json(answer)
    else:
        _print_usage(answer)
    if any(key.role == keys_pb2.KEY_ROLE_UNKNOWN for key in answer.keys):
        raise typer.Exit(1)


@keys.command()
def rewrap(json: _JsonLines = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Seal under APP_KEY what is sealed under other keys, in batches, beside everything else that runs.

    Stopped at any moment, it goes on where it was when run again. Exit status 1 when something does not open.

    Example: tenrusl keys rewrap
    """
    answer = _follow(
        admin,
        lambda stub: stub.RewrapKeys(keys_pb2.RewrapKeysRequest(), timeout=TIMEOUT_SECONDS),
        shown=not json,
        each=print_json if json else None,
    )
    if not json:
        print(_text(answer))
    if answer.unreadable:
        raise typer.Exit(1)


def _follow(
    target: str,
    start: Callable[[_Stub], aio.UnaryStreamCall[Any, Any]],
    *,
    shown: bool,
    each: Callable[[Any], None] | None = None,
) -> Any:
    """The last message; a bar of the tables on a terminal. each: is called with every message."""
    console = new_console()

    async def ask(stub: _Stub) -> Any:
        message: Any = None
        columns = (*_COLUMNS, TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
            task = bar.add_task("waiting for admin", total=None)
            async for message in start(stub):
                text = _text(message) if isinstance(message, keys_pb2.RewrapKeysResponse) else ""
                bar.update(task, description=text, total=message.tables, completed=message.tables_done)
                if each is not None:
                    each(message)
        return message

    return call(target, _Stub, ask)


def _text(answer: keys_pb2.RewrapKeysResponse) -> str:
    text = (
        f"sealed anew: {answer.payloads} payloads, {answer.rejected_webhooks} rejected webhooks, "
        f"{answer.secrets} secrets"
    )
    return f"{text}; {answer.unreadable} do not open, see admin's log" if answer.unreadable else text


def _print_usage(answer: keys_pb2.GetKeyUsageResponse) -> None:
    table = new_table("key", "configured as", "payloads", "rejected", "secrets", "fingerprints", "audit", "")
    for key in answer.keys:
        counts = (key.payloads, key.rejected_webhooks, key.secrets, key.fingerprints, key.audit_entries)
        table.add_row(key.key_id, _ROLES[key.role], *map(str, counts), _advice(key.role, any(counts)))
    print_table(table)


def _advice(role: int, needed: bool) -> str:
    if role == keys_pb2.KEY_ROLE_PREVIOUS:
        return "run `tenrusl keys rewrap`" if needed else "may be dropped, unless it is the next one"
    return "does not open: put this key into APP_PREVIOUS_KEYS" if role == keys_pb2.KEY_ROLE_UNKNOWN else ""
