"""Finding events by filter, page by page in the order of their ids, which is that of time.

No index serves each filter: one on every new event would cost accepting it. So a page looks through a span of at most
MAX_LOOKED_THROUGH events, found by the narrowest index for the status or the payment, and may find fewer than asked
for while there are more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.ids import first_id
from tenrusl.store import arrays
from tenrusl.store.due import UNFINISHED
from tenrusl.store.engine import fetch

MAX_LOOKED_THROUGH = 10_000
REFUTED = "refuted"
# Between the making of an id and received_at.
_SLACK = timedelta(minutes=1)
_MAX_ID = UUID(int=2**128 - 1)
_NIL = UUID(int=0)
_FACTS = "id, provider, status, failure_code, received_at"
_WITHIN = "id > %(above)s AND id < %(below)s"
_UNFINISHED_STATUSES = frozenset({"received", "failed", "processing"})
_SET_ASIDE_STATUSES = frozenset({"dead_letter", "discarded"})
_SET_ASIDE = "status IN ('dead_letter', 'discarded')"

# Those of a payment: by its transitions where it has them, else by the partial indexes of what is not processed.
_OF_PAYMENT = f"""
    SELECT {_FACTS} FROM webhook_events WHERE id IN (
        SELECT transition.webhook_event_id FROM payments
        JOIN payment_transitions AS transition ON transition.payment_id = payments.id
        WHERE payments.provider = ANY(%(providers)s) AND payments.payment_ref = %(payment_ref)s
    )
    UNION ALL
    SELECT {_FACTS} FROM webhook_events
    WHERE {_SET_ASIDE} AND provider = ANY(%(providers)s) AND payment_ref = %(payment_ref)s
    UNION ALL
    SELECT {_FACTS} FROM webhook_events WHERE status = 'unconfirmed' AND payment_ref = %(payment_ref)s
    UNION ALL
    SELECT {_FACTS} FROM webhook_events
    WHERE {UNFINISHED} AND provider = ANY(%(providers)s) AND payment_ref = %(payment_ref)s
    """  # noqa: S608 - made of constants
_OF_BACKLOG = f"SELECT {_FACTS} FROM webhook_events WHERE {UNFINISHED}"  # noqa: S608

# `source` is read whole where it is small and has no index in the order of the ids; else only as far as needed.
_SPAN = """
    WITH source AS {materialized} ({source}), span AS MATERIALIZED (
        SELECT {facts} FROM source WHERE {within} ORDER BY id {order} LIMIT %(most)s
    )
    SELECT
        ARRAY(
            SELECT id FROM span
            WHERE (%(provider)s = '' OR provider = %(provider)s) AND (%(status)s = '' OR status = %(status)s)
                AND (%(failure_code)s = '' OR failure_code = %(failure_code)s)
                AND NOT (%(without_refuted)s AND COALESCE(failure_code, '') = 'refuted')
                AND received_at >= %(received_from)s AND received_at < %(received_before)s
            ORDER BY id {order} LIMIT %(limit)s
        ),
        (SELECT count(*) FROM span),
        (SELECT id FROM span ORDER BY id {reverse} LIMIT 1)
    """
_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; empty texts and None let all pass. status: one of tables.EVENT_STATUSES.

    received_from, received_before: the first is part of the span, the other is not.
    without_refuted: leaves out those of which somebody said that they are not true.
    """

    provider: str = ""
    status: str = ""
    payment_ref: str = ""
    failure_code: str = ""
    received_from: datetime | None = None
    received_before: datetime | None = None
    without_refuted: bool = False

    def key(self) -> list[str]:
        """Texts that are the same for equal filters only."""
        times = [time.isoformat() if time else "" for time in (self.received_from, self.received_before)]
        return [self.provider, self.status, self.payment_ref, self.failure_code, *times]


ALL_EVENTS = EventFilter()


@dataclass(frozen=True, slots=True)
class Span:
    """Ids that match, in order, and the id after which it goes on; None when there is nothing left."""

    ids: list[UUID]
    end: UUID | None


async def find_events(
    connection: AsyncConnection,
    wanted: EventFilter,
    *,
    providers: Sequence[str],
    limit: int,
    after: UUID | None = None,
    newest_first: bool = False,
) -> Span:
    """At most `limit` ids in order after `after`. providers: all known names, for look-ups by payment.

    With newest_first "after" means older.
    """
    source, materialized = _source(wanted)
    order, reverse = ("DESC", "ASC") if newest_first else ("ASC", "DESC")
    statement = _SPAN.format(
        source=source,
        materialized="MATERIALIZED" if materialized else "NOT MATERIALIZED",
        facts=_FACTS,
        within=_WITHIN,
        order=order,
        reverse=reverse,
    )
    above = first_id(wanted.received_from - _SLACK) if wanted.received_from else _NIL
    below = first_id(wanted.received_before + _SLACK) if wanted.received_before else _MAX_ID
    if after is not None:
        above, below = (above, min(below, after)) if newest_first else (max(above, after), below)
    parameters: dict[str, Any] = {
        "above": above,
        "below": below,
        "most": MAX_LOOKED_THROUGH,
        "limit": limit,
        "providers": arrays.texts([wanted.provider] if wanted.provider else list(providers)),
        "provider": wanted.provider,
        "status": wanted.status,
        "payment_ref": wanted.payment_ref,
        "failure_code": wanted.failure_code,
        "without_refuted": wanted.without_refuted and wanted.failure_code != REFUTED,
        "received_from": wanted.received_from or _EARLIEST,
        "received_before": wanted.received_before or _LATEST,
    }
    ids, looked_through, last = (await fetch(connection, statement, parameters))[0]
    if len(ids) == limit:
        return Span(ids, ids[-1])
    return Span(ids, last if looked_through == MAX_LOOKED_THROUGH else None)


def _source(wanted: EventFilter) -> tuple[str, bool]:
    """A query for the events in question, and whether it must be read whole."""
    if wanted.payment_ref:
        return _OF_PAYMENT, True
    if wanted.status in _UNFINISHED_STATUSES:
        return _OF_BACKLOG, True
    condition = {"unconfirmed": "status = 'unconfirmed'"} | dict.fromkeys(_SET_ASIDE_STATUSES, _SET_ASIDE)
    return f"SELECT {_FACTS} FROM webhook_events WHERE {condition.get(wanted.status, 'TRUE')}", False  # noqa: S608
