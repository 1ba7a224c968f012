"""Finding events by filter, page by page in the order of their ids, which is that of time.

No index serves each filter: one on every new event would cost accepting it. So a page looks through a span of at most
MAX_LOOKED_THROUGH events, found by the narrowest index for the status or the reference, and may find fewer than asked
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
_SET_ASIDE = "status IN ('dead_letter', 'discarded')"
_TRIED = "status IN ('processed', 'failed', 'dead_letter', 'unconfirmed', 'discarded')"
# Where the ids are read in their order: only as far as needed.
_IN_ORDER = {
    "failed": "status = 'failed'",
    "unconfirmed": "status = 'unconfirmed'",
    "dead_letter": _SET_ASIDE,
    "discarded": _SET_ASIDE,
}

# Those that came with the reference, tried or not, and those that changed the payment which it names now. The first are
# read in order from their index; of those that were never tried there are as many as the backlog has.
_OF_PAYMENT = f"""
    SELECT {_FACTS} FROM webhook_events WHERE id IN (
        (SELECT id FROM webhook_events
         WHERE {_TRIED} AND payment_ref = %(payment_ref)s AND provider = ANY(%(providers)s) AND {_WITHIN}
         ORDER BY id {{order}} LIMIT %(most)s)
        UNION ALL
        (SELECT id FROM webhook_events
         WHERE {UNFINISHED} AND status <> 'failed' AND provider = ANY(%(providers)s) AND payment_ref = %(payment_ref)s)
        UNION ALL
        (SELECT transition.webhook_event_id FROM payments
         JOIN payment_transitions AS transition ON transition.payment_id = payments.id
         WHERE payments.provider = ANY(%(providers)s) AND payments.payment_ref = %(payment_ref)s)
    )
    """  # noqa: S608 - made of constants
# Of the index alone, which has no order of ids; the rows of those that are wanted.
_WAITING = f"""
    SELECT {_FACTS} FROM webhook_events WHERE id IN (
        SELECT id FROM webhook_events WHERE {UNFINISHED} AND status = 'received' AND {_WITHIN}
        ORDER BY id {{order}} LIMIT %(most)s
    )
    """  # noqa: S608 - made of constants
# As many as are under way.
_UNDER_LEASE = f"SELECT {_FACTS} FROM webhook_events WHERE status = 'processing'"  # noqa: S608

# `source` is read whole where it has no order; else only as far as needed.
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
    statement = span_statement(wanted, newest_first=newest_first)
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


def span_statement(wanted: EventFilter, *, newest_first: bool) -> str:
    """The statement of find_events, by what narrows the span most."""
    order, reverse = ("DESC", "ASC") if newest_first else ("ASC", "DESC")
    whole = {"received": _WAITING, "processing": _UNDER_LEASE}
    if wanted.payment_ref or wanted.status in whole:
        source, materialized = _OF_PAYMENT if wanted.payment_ref else whole[wanted.status], "MATERIALIZED"
    else:
        condition = _IN_ORDER.get(wanted.status, "TRUE")
        source, materialized = f"SELECT {_FACTS} FROM webhook_events WHERE {condition}", "NOT MATERIALIZED"  # noqa: S608
    return _SPAN.format(
        source=source.format(order=order),
        materialized=materialized,
        facts=_FACTS,
        within=_WITHIN,
        order=order,
        reverse=reverse,
    )
