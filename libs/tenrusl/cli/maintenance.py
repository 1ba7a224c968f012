"""`tenrusl maintenance`: what must happen now and then."""

from __future__ import annotations

import typer

from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.scheduler.v1 import scheduler_pb2
from tenrusl.cli.documents import Json
from tenrusl.cli.runs import DEFAULT_TARGET, TIMEOUT_SECONDS, Scheduler, follow

maintenance = typer.Typer(no_args_is_help=True, help="Partitions ahead, leftovers, events that are stranded.")
_WORDS = {
    "partitions_made": "payload partitions made",
    "transmissions_forgotten": "transmissions forgotten",
    "idempotency_keys_forgotten": "idempotency keys forgotten",
    "rejected_forgotten": "rejected webhooks forgotten",
    "stale_leases": "events whose processing ended without a result, and that are due",
}


@maintenance.command()
def run(json: Json = False, scheduler: Scheduler = DEFAULT_TARGET) -> None:
    """Make partitions ahead, forget leftovers, and name events that cannot become due.

    Example: tenrusl maintenance run --json
    """
    request = scheduler_pb2.RunMaintenanceRequest()
    result = follow(
        scheduler,
        lambda stub: stub.RunMaintenance(request, timeout=TIMEOUT_SECONDS),
        json=json,
        words=_WORDS,
    )
    if json:
        return
    for event in result.stranded_events:
        status = common_pb2.EventStatus.Name(event.status).removeprefix("EVENT_STATUS_").lower()
        due = event.next_retry_time.ToDatetime()
        print(
            f"{event.event_id}  {event.provider}  {status}, due {due:%Y-%m-%d}: `tenrusl webhooks retry-one ID --force`"
        )


@maintenance.callback()
def group() -> None:
    """Partitions ahead, leftovers, events that are stranded."""
