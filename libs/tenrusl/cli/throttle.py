"""`tenrusl throttle`: how many webhooks of a provider are taken."""

from __future__ import annotations

from typing import Annotated

import typer

from tenrusl.api.admin.v1 import throttle_pb2, throttle_pb2_grpc
from tenrusl.cli.audit import DEFAULT_TARGET, Admin
from tenrusl.cli.documents import Json, print_json, print_json_lines
from tenrusl.cli.rpc import call
from tenrusl.cli.tables import new_table, print_table, time_text

throttle = typer.Typer(no_args_is_help=True, help="Limit how many webhooks of a provider are taken.")
_CALL_SECONDS = 30.0
_Stub = throttle_pb2_grpc.ThrottleServiceStub
_Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="E.g. stripe.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]


@throttle.command("set")
def set_limit(
    provider: _Provider,
    per_second: Annotated[float, typer.Argument(metavar="PER_SECOND", help="Webhooks a second, 0.01 to 1000000.")],
    reason: _Reason,
    json: Json = False,
    admin: Admin = DEFAULT_TARGET,
) -> None:
    """Take so many webhooks a second of a provider, within two seconds; the others are answered 429.

    Example: tenrusl throttle set stripe 50 --reason "flood since 14:00"
    """
    request = throttle_pb2.SetThrottleRequest(provider=provider, requests_per_second=per_second, reason=reason)

    async def ask(stub: _Stub) -> throttle_pb2.SetThrottleResponse:
        answer: throttle_pb2.SetThrottleResponse = await stub.SetThrottle(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    else:
        print(f"{provider}: {answer.throttle.requests_per_second:g} webhooks a second")


@throttle.command()
def clear(provider: _Provider, reason: _Reason, json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """End the limit of a provider; then the gateways' default counts.

    Example: tenrusl throttle clear stripe --reason "the flood is over"
    """
    request = throttle_pb2.ClearThrottleRequest(provider=provider, reason=reason)

    async def ask(stub: _Stub) -> throttle_pb2.ClearThrottleResponse:
        answer: throttle_pb2.ClearThrottleResponse = await stub.ClearThrottle(request, timeout=_CALL_SECONDS)
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json(answer)
    else:
        print(f"{provider}: " + ("no limit of its own any more" if answer.was_set else "it had no limit of its own"))


@throttle.command("list")
def list_limits(json: Json = False, admin: Admin = DEFAULT_TARGET) -> None:
    """List the limits that are set.

    Example: tenrusl throttle list
    """

    async def ask(stub: _Stub) -> throttle_pb2.ListThrottlesResponse:
        answer: throttle_pb2.ListThrottlesResponse = await stub.ListThrottles(
            throttle_pb2.ListThrottlesRequest(), timeout=_CALL_SECONDS
        )
        return answer

    answer = call(admin, _Stub, ask)
    if json:
        print_json_lines(answer.throttles)
        return
    if not answer.throttles:
        print("no provider has a limit of its own")
        return
    rows = (
        (item.provider, f"{item.requests_per_second:g}", time_text(item.set_time), item.set_by, item.reason)
        for item in answer.throttles
    )
    print_table(new_table("provider", "a second", "since (UTC)", "by", "why", rows=rows))
