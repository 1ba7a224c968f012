"""What operators do about events that wait for confirmation."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.processor.paging import page_token, read_page_size, read_page_token
from services.processor.process import SKIPPED, Processor, Result, ResultStatus
from tenrusl.clock import Clock
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.unconfirmed import WaitingEvent, confirm_events, list_unconfirmed, refute_events

MAX_NAME_CHARACTERS = 100
_log = structlog.get_logger("unconfirmed")


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """Events, oldest first, and the token of the next page (empty on the last)."""

    events: list[WaitingEvent]
    next_page_token: str


class UnconfirmedEvents:
    """Lists, confirms and refutes them."""

    def __init__(self, *, engine: Engine, processor: Processor, clock: Clock) -> None:
        self._engine = engine
        self._processor = processor
        self._clock = clock

    async def page(self, *, page_size: int, token: str, provider: str) -> WaitingPage:
        """A page of them. Raises InvalidFieldError, UnavailableError."""
        limit, after = read_page_size(page_size), read_page_token(token)
        async with autocommit(self._engine) as connection:
            found = await list_unconfirmed(connection, limit=limit + 1, after=after, provider=provider or None)
        page = found[:limit]
        return WaitingPage(page, page_token(page[-1].id) if len(found) > limit else "")

    async def confirm(self, event_ids: Sequence[UUID], *, confirmed_by: str) -> dict[UUID, Result]:
        """Takes down who says that they are true, and applies them; a result for each id.

        Raises InvalidFieldError; UnavailableError or OverloadedError, and then those that were confirmed are due.
        """
        _check_name("confirmed_by", confirmed_by)
        now = self._clock.now()
        async with autocommit(self._engine) as connection:
            confirmed = await confirm_events(connection, event_ids, confirmed_by=confirmed_by, now=now)
        _log.info("events confirmed", confirmed_by=confirmed_by, event_ids=sorted(map(str, confirmed)))
        # With force, since the try in which it was held back must not count against the last attempt.
        done = await self._processor.process(sorted(confirmed), force=True) if confirmed else {}
        return {event_id: done.get(event_id, SKIPPED) for event_id in event_ids}

    async def refute(self, event_ids: Sequence[UUID], *, refuted_by: str) -> dict[UUID, Result]:
        """Sets them aside as dead letters; a result for each id. Raises InvalidFieldError, UnavailableError."""
        _check_name("refuted_by", refuted_by)
        async with autocommit(self._engine) as connection:
            refuted = await refute_events(connection, event_ids, message=f"refuted by {refuted_by}")
        _log.info("events refuted", refuted_by=refuted_by, event_ids=sorted(map(str, refuted)))
        result = Result(ResultStatus.DEAD_LETTER, "refuted")
        return {event_id: result if event_id in refuted else SKIPPED for event_id in event_ids}


def _check_name(field: str, name: str) -> None:
    if not (1 <= len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and name.strip()):
        raise InvalidFieldError(FieldViolation(field, f"must be 1 to {MAX_NAME_CHARACTERS} printable characters"))
