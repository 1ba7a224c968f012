"""Calls of the command line to services: the answer, or one line on stderr and an exit status.

2 when a field is wrong, as for wrong arguments; 1 for all else.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import grpc
import typer
from grpc import aio

from tenrusl.cli.target import is_loopback_rpc_target
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.errors import violations_of
from tenrusl.rpc.operators import ADMIN_KEY
from tenrusl.setting_forms import SettingsError
from tenrusl.tls_files import CA_FILE, CERT_FILE, KEY_FILE, TlsFiles, tls_files

# Waiting does not help against these.
_FINAL = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)
_Stub = TypeVar("_Stub")
_Answer = TypeVar("_Answer")
# Where `make run` leaves the key of the local stack.
_LOCAL_KEY = Path(".tenrusl/admin.key")


class CallError(Exception):
    """A call failed; the text is one line that says how. final: whether it would fail again."""

    def __init__(self, text: str, *, exit_status: int, final: bool) -> None:
        super().__init__(text)
        self.exit_status = exit_status
        self.final = final


def admin_metadata(target: str) -> tuple[tuple[str, str], ...]:
    """The operator's key for calls to `target`: TENRUSL_ADMIN_KEY, or the content of TENRUSL_ADMIN_KEY_FILE.

    With neither, the key that `make run` left in this folder, for a service on this machine only. Empty without one.
    Never an argument of the command: others could see it. Raises typer.Exit for a file that cannot be read, and for
    a key that no metadata of gRPC can hold.
    """
    key, label = os.environ.get("TENRUSL_ADMIN_KEY", ""), "TENRUSL_ADMIN_KEY"
    named = os.environ.get("TENRUSL_ADMIN_KEY_FILE", "")
    path = Path(named) if named else _LOCAL_KEY if is_loopback_rpc_target(target) and _LOCAL_KEY.exists() else None
    if not key and path:
        label = "TENRUSL_ADMIN_KEY_FILE" if named else str(_LOCAL_KEY)
        try:
            key = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            print(f"{label}: cannot read it: {type(exc).__name__}", file=sys.stderr)
            raise typer.Exit(1) from None
    if not (key.isascii() and key.isprintable()):
        print(f"{label}: must be one line of printable ASCII characters", file=sys.stderr)
        raise typer.Exit(1)
    return ((ADMIN_KEY, key),) if key else ()


def tls_of_environment() -> TlsFiles | None:
    """The files of TLS for calls to services, by the same variables as theirs. Raises SettingsError."""
    certificate, key, ca = (
        Path(os.environ[name]) if os.environ.get(name) else None for name in (CERT_FILE, KEY_FILE, CA_FILE)
    )
    return tls_files(certificate=certificate, key=key, ca=ca)


def call(target: str, stub: Callable[[aio.Channel], _Stub], ask: Callable[[_Stub], Awaitable[_Answer]]) -> _Answer:
    """What `ask` returns for a stub on a channel to `target`."""
    try:
        return try_call(target, stub, ask)
    except CallError as exc:
        print(exc, file=sys.stderr)
        raise typer.Exit(exc.exit_status) from None


def try_call(target: str, stub: Callable[[aio.Channel], _Stub], ask: Callable[[_Stub], Awaitable[_Answer]]) -> _Answer:
    """As `call`; raises CallError."""
    metadata = admin_metadata(target)

    async def connected() -> _Answer:
        async with build_channel(target, tls=tls_of_environment(), metadata=metadata) as channel:
            return await ask(stub(channel))

    try:
        return asyncio.run(connected())
    except aio.AioRpcError as exc:
        wrong = "; ".join(f"{item.field}: {item.description}" for item in violations_of(exc))
        hint = "" if metadata or exc.code() is not grpc.StatusCode.UNAUTHENTICATED else "; set TENRUSL_ADMIN_KEY_FILE"
        raise CallError(
            wrong or f"{target}: {exc.code().name}: {exc.details()}{hint}",
            exit_status=2 if wrong else 1,
            final=exc.code() in _FINAL,
        ) from None
    except SettingsError as exc:
        raise CallError("\n".join(exc.problems), exit_status=1, final=True) from None


def login() -> str:
    """The name of the user who runs this, or the number where there is no name, as in many containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
