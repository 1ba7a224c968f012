"""Which events: ids or options, for all commands that take them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, cast

import typer

from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.api.common.v1 import common_pb2

_STATUSES = tuple(
    name.removeprefix("EVENT_STATUS_").lower()
    for name in common_pb2.EventStatus.keys()  # noqa: SIM118 - no mapping
    if name != "EVENT_STATUS_UNSPECIFIED"
)
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of events; else give a filter.")]
Provider = Annotated[str, typer.Option(help="Only of this provider.")]
Status = Annotated[str, typer.Option(metavar="STATUS", help=f"Only with this status: {', '.join(_STATUSES)}.")]
PaymentRef = Annotated[str, typer.Option("--payment-ref", help="Only about the payment with this reference.")]
FailureCode = Annotated[str, typer.Option("--failure-code", help="Only those that failed for this cause.")]
Since = Annotated[datetime | None, typer.Option("--since", formats=_TIMES, help="Only received then or later, in UTC.")]
Before = Annotated[datetime | None, typer.Option("--before", formats=_TIMES, help="Only received before, in UTC.")]


def event_filter(
    *,
    provider: str = "",
    status: str = "",
    payment_ref: str = "",
    failure_code: str = "",
    since: datetime | None = None,
    before: datetime | None = None,
) -> backlog_pb2.EventFilter:
    """The filter that the options mean. Raises typer.BadParameter."""
    if status and status not in _STATUSES:
        raise typer.BadParameter(f"must be one of {', '.join(_STATUSES)}", param_hint="--status")
    message = backlog_pb2.EventFilter(provider=provider, payment_ref=payment_ref, failure_code=failure_code)
    if status:
        message.status = cast("common_pb2.EventStatus", common_pb2.EventStatus.Value(f"EVENT_STATUS_{status.upper()}"))
    if since is not None:
        message.receive_time_from.FromDatetime(since.replace(tzinfo=UTC))
    if before is not None:
        message.receive_time_before.FromDatetime(before.replace(tzinfo=UTC))
    return message


def check_choice(ids: list[str] | None, wanted: backlog_pb2.EventFilter, *, everything: bool = False) -> None:
    """Ends the command unless there are either ids or a filter. everything: --all was given, a filter without fields.

    Raises typer.BadParameter.
    """
    filtered = wanted != backlog_pb2.EventFilter()
    if bool(ids) + (filtered or everything) != 1:
        raise typer.BadParameter("give either ids or a filter")


def status_word(event: common_pb2.Event) -> str:
    """How far it is, in a word."""
    return common_pb2.EventStatus.Name(event.status).removeprefix("EVENT_STATUS_").lower()
