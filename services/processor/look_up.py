"""Answers how far events are that are named by their providers' ids."""

from collections.abc import Sequence

from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.providers.fields import MAX_EVENT_ID
from tenrusl.providers.generic_spec import NAME
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.lookup import FoundEvent, look_up_events

MAX_LOOKED_UP = 500  # one statement, whose answer has about 60 KB at the most


async def look_up(engine: Engine, *, provider: str, event_ids: Sequence[str]) -> dict[str, FoundEvent]:
    """Those that are stored, by the provider's id. Raises InvalidFieldError, UnavailableError."""
    violations = []
    if not NAME.fullmatch(provider):
        violations.append(FieldViolation("provider", f"must look like {NAME.pattern}"))
    if not 1 <= len(event_ids) <= MAX_LOOKED_UP:
        violations.append(FieldViolation("event_ids", f"must hold 1 to {MAX_LOOKED_UP} ids"))
    elif not all(1 <= len(event_id) <= MAX_EVENT_ID and "\0" not in event_id for event_id in event_ids):
        violations.append(FieldViolation("event_ids", f"must hold ids of 1 to {MAX_EVENT_ID} characters, without NUL"))
    if violations:
        raise InvalidFieldError(*violations)
    async with autocommit(engine) as connection:
        return await look_up_events(connection, provider=provider, event_ids=list(dict.fromkeys(event_ids)))
