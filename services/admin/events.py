"""Looking at events."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenrusl.errors import NotFoundError, Reason
from tenrusl.rpc.paging import page_token, read_id_token, read_page_size
from tenrusl.store.audit import ChainedEntry, entries_of_event
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.event_details import Effect, EventDetails, FailedTry, effect_of, read_events
from tenrusl.store.event_list import EventFilter, find_events

MAX_AUDIT_ENTRIES = 50
_FAILED = frozenset({"failed", "dead_letter", "discarded"})


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order, and the token of the next page (empty on the last)."""

    events: list[EventDetails]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to an event."""

    at: datetime
    what: str
    detail: str = ""


class Events:
    """Lists events, and tells of one. providers: the names that are known."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        self._engine = engine
        self._providers = tuple(providers)

    async def page(self, wanted: EventFilter, *, page_size: int, token: str, oldest_first: bool = False) -> EventPage:
        """A page of events. Raises InvalidFieldError, UnavailableError."""
        query = ["ListEvents", *wanted.key(), "oldest first" if oldest_first else "newest first"]
        limit, after = read_page_size(page_size), read_id_token(token, query)
        async with autocommit(self._engine) as connection:
            span = await find_events(
                connection, wanted, providers=self._providers, limit=limit, after=after, newest_first=not oldest_first
            )
            found = await read_events(connection, span.ids)
        return EventPage(found, page_token(str(span.end), query) if span.end else "")

    async def show(self, event_id: UUID) -> tuple[EventDetails, list[Happening]]:
        """An event and what happened to it, oldest first. Raises NotFoundError(EVENT_NOT_FOUND), UnavailableError."""
        async with autocommit(self._engine) as connection:
            found = await read_events(connection, [event_id])
            if not found:
                raise NotFoundError(Reason.EVENT_NOT_FOUND, f"there is no event {event_id}")
            effect = await effect_of(connection, event_id)
            entries = await entries_of_event(connection, event_id, limit=MAX_AUDIT_ENTRIES)
        return found[0], timeline(found[0], effect, entries)


def _failure(item: FailedTry) -> str:
    next_try = f"next due {item.next_at:%Y-%m-%d %H:%M:%S}" if item.next_at else "the last one"
    return f"try {item.number}, failed: {item.failure_code}; {next_try}"


def timeline(event: EventDetails, effect: Effect | None, entries: list[ChainedEntry]) -> list[Happening]:
    """What happened to an event, oldest first."""
    times = f", delivered {event.deliveries} times" if event.deliveries > 1 else ""
    happened = [Happening(event.received_at, "received", f"request {event.request_id}{times}")]
    failures = event.failures()
    happened += [Happening(item.at, "tried", _failure(item)) for item in failures]
    # The last try, where it did not fail. None is left after a requeue, or when the database did not let it happen.
    if event.last_attempt_at and event.attempts and event.last_attempt_at not in {item.at for item in failures}:
        cause = f", failed: {event.failure_code}" if event.status in _FAILED else ""
        happened.append(Happening(event.last_attempt_at, "tried", f"try {event.attempts}{cause}"))
    if effect:
        moved = f"{effect.from_status or 'nothing'} to {effect.to_status}"
        happened.append(Happening(effect.at, "applied", f"payment {effect.payment_id}, {moved}: {effect.disposition}"))
    if event.processed_at:
        happened.append(Happening(event.processed_at, "processed"))
    if event.confirmed_at:
        happened.append(Happening(event.confirmed_at, "confirmed", f"by {event.confirmed_by}"))
    if event.discarded_at:
        happened.append(Happening(event.discarded_at, "discarded", f"by {event.discarded_by}: {event.discard_reason}"))
    if event.next_retry_at:
        happened.append(Happening(event.next_retry_at, "due", f"as {event.status}"))
    happened += [Happening(item.entry.at, item.entry.action, f"by {item.entry.actor}") for item in entries]
    return sorted(happened, key=lambda item: item.at)
