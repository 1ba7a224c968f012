"""`tenrusl secrets`: rotating the secrets that webhooks are verified with. A secret is never an argument."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from getpass import getpass
from math import ceil
from pathlib import Path
from typing import Annotated, Any

import typer

from tenrusl.api.admin.v1 import rotation_pb2, rotation_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json, print_json_lines
from tenrusl.cli.rpc import call, login
from tenrusl.cli.tables import new_table, print_table, time_text

secrets = typer.Typer(no_args_is_help=True, help="Rotate, revoke and list the secrets of providers.")
rotate = typer.Typer(no_args_is_help=True, help="Bring in a new secret without rejecting a webhook.")
secrets.add_typer(rotate, name="rotate")
EXIT_NOT_SAFE = 3
_CALL_SECONDS = 30.0
_STDIN = "-"
_Stub = rotation_pb2_grpc.RotationServiceStub
_Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="E.g. stripe.")]
_Field = Annotated[str, typer.Option("--field", help="Field of its credentials. Default: its main secret.")]
_LeaveNone = Annotated[
    bool, typer.Option("--leave-none", help="Also when none is left, and every webhook will be rejected.")
]
_BLOCKERS = {
    rotation_pb2.BLOCKER_TOO_SOON: "it began too short a time ago",
    rotation_pb2.BLOCKER_OLD_STILL_MATCHES: "the old secret has matched recently: the provider still signs with it",
    rotation_pb2.BLOCKER_NEW_NEVER_MATCHED: "the new secret has never matched: set it at the provider",
    rotation_pb2.BLOCKER_REJECTIONS_ROSE: "more webhooks are rejected than before it began: is the new secret right?",
    rotation_pb2.BLOCKER_INGRESS_SILENT: "an ingress does not report, or none does",
    rotation_pb2.BLOCKER_INGRESS_BEHIND: "an ingress does not accept the new secret yet; wait",
    rotation_pb2.BLOCKER_INGRESS_CANNOT_READ: "an ingress cannot open the new secret: is its APP_KEY that of admin?",
}
_QUIET_BLOCKERS = (rotation_pb2.BLOCKER_TOO_SOON, rotation_pb2.BLOCKER_OLD_STILL_MATCHES)


@rotate.command()
def begin(
    provider: _Provider,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    owner: Annotated[str, typer.Option("--owner", help="Who answers for the secret. Default: you.")] = "",
    secret_file: Annotated[
        str, typer.Option(metavar="FILE", help="Holds the new secret; - for stdin. Default: you are asked for it.")
    ] = "",
    field: _Field = "",
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Accept a new secret beside the one in use, within 5 seconds. Then set it at the provider.

    Example: tenrusl secrets rotate begin stripe --reason yearly --owner payments --secret-file /run/new-secret
    """
    request = rotation_pb2.BeginRotationRequest(
        provider=provider, field=field, secret=_read_secret(secret_file), owner=owner or login(), reason=reason
    )
    answer = _ask(admin, lambda stub: stub.BeginRotation(request, timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
        return
    old = ", ".join(item.version for item in answer.old_versions) or "no other"
    print(f"{answer.version.version} is accepted beside {old}; now set it at {provider}")


@rotate.command()
def status(provider: _Provider, field: _Field = "", json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """Show how far a rotation is. Exit status: 0 when it is safe to complete, 3 when not yet, 1 when none is open.

    Example: tenrusl secrets rotate status stripe
    """
    request = rotation_pb2.GetRotationRequest(provider=provider, field=field)
    answer = _ask(admin, lambda stub: stub.GetRotation(request, timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
    else:
        _print_versions([*answer.old_versions, answer.version])
        before, now = answer.rejections_per_hour_before, answer.rejections_per_hour_now
        print(f"rejected an hour: {before:.0f} before, {now:.0f} now")
        print("safe to complete" if answer.safe_to_complete else "not safe to complete:")
        wait = f"; {ceil(answer.quiet_left.ToTimedelta().total_seconds())} s to go (TENRUSL_ROTATION_QUIET_SECONDS)"
        for blocker in answer.blockers:
            why = _BLOCKERS.get(blocker, "a reason that this version of the command does not know")
            print(f"- {why}{wait if blocker in _QUIET_BLOCKERS else ''}")
    if not answer.safe_to_complete:
        raise typer.Exit(EXIT_NOT_SAFE)


@rotate.command()
def complete(
    provider: _Provider,
    field: _Field = "",
    force: Annotated[bool, typer.Option("--force", help="Also when it is not safe.")] = False,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Refuse the old secret from now on.

    Example: tenrusl secrets rotate complete stripe
    """
    request = rotation_pb2.CompleteRotationRequest(provider=provider, field=field, force=force)
    answer = _ask(admin, lambda stub: stub.CompleteRotation(request, timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
        return
    print(f"{answer.version.version} is the only one that is accepted")
    _warn_of_environment(answer.retired_versions)


@rotate.command()
def abort(
    provider: _Provider,
    field: _Field = "",
    leave_none: _LeaveNone = False,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Take the new secret back; the old one stays.

    Example: tenrusl secrets rotate abort stripe
    """
    request = rotation_pb2.AbortRotationRequest(provider=provider, field=field, leave_none=leave_none)
    answer = _ask(admin, lambda stub: stub.AbortRotation(request, timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
        return
    print(f"{answer.version.version} is not accepted any more")


@secrets.command()
def revoke(
    provider: _Provider,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As listed, e.g. v3 or current.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    field: _Field = "",
    leave_none: _LeaveNone = False,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Refuse a secret that has leaked, at once and for ever.

    Example: tenrusl secrets revoke stripe v3 --reason "in a public repository"
    """
    request = rotation_pb2.RevokeSecretRequest(
        provider=provider, field=field, version=version, reason=reason, leave_none=leave_none
    )
    answer = _ask(admin, lambda stub: stub.RevokeSecret(request, timeout=_CALL_SECONDS))
    if json:
        print_json(answer)
        return
    print(f"{answer.version.version} is refused")
    _warn_of_environment([answer.version])


@secrets.command("list")
def list_versions(
    provider: Annotated[str, typer.Option(help="Only of this provider.")] = "",
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """List the versions of secrets, never the secrets.

    Example: tenrusl secrets list --provider stripe
    """
    request = rotation_pb2.ListSecretVersionsRequest(provider=provider)
    answer = _ask(admin, lambda stub: stub.ListSecretVersions(request, timeout=_CALL_SECONDS))
    if json:
        print_json_lines(answer.versions)
    else:
        _print_versions(answer.versions)


def _ask(admin: str, ask: Callable[[_Stub], Awaitable[Any]]) -> Any:
    return call(admin, _Stub, ask)


def _read_secret(file: str) -> str:
    """From a file, from stdin, or as it is typed, without the end of the line. Raises typer.Exit."""
    try:
        if file and file != _STDIN:
            text = Path(file).read_text(encoding="utf-8")
        elif file or not sys.stdin.isatty():
            text = sys.stdin.buffer.read().decode().replace("\r\n", "\n")  # strictly, whatever the locale
        else:
            text = getpass("new secret (not shown): ")
            text.encode()  # a terminal of another encoding
    except (OSError, UnicodeError, EOFError) as exc:
        print(f"cannot read the secret: {type(exc).__name__}", file=sys.stderr)
        raise typer.Exit(1) from None
    return text.rstrip("\r\n")


def _warn_of_environment(refused: Sequence[rotation_pb2.SecretVersion]) -> None:
    for item in refused:
        if item.in_environment:
            print(
                f"{item.version} is still in the environment of ingress, where it has no effect: "
                "put the new secret there, or remove it",
                file=sys.stderr,
            )


def _print_versions(versions: Sequence[rotation_pb2.SecretVersion]) -> None:
    headings = ("provider", "field", "version", "status", "since (UTC)", "matches", "last match", "owner", "why")
    print_table(new_table(*headings, rows=map(_cells, versions)))


def _cells(item: rotation_pb2.SecretVersion) -> tuple[str, ...]:
    status = rotation_pb2.SecretStatus.Name(item.status).removeprefix("SECRET_STATUS_").lower()
    return (
        item.provider,
        item.field,
        item.version,
        f"{status}, in the environment" if item.in_environment else status,
        time_text(item.end_time if item.HasField("end_time") else item.create_time) or "-",
        str(item.matches),
        time_text(item.last_match_time) or "-",
        item.owner or "-",
        item.reason or "-",
    )
