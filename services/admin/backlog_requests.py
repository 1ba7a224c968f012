"""What requests of BacklogService say, checked: every field that is wrong is named."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.admin.dead_letters import Selection
from services.admin.replay import ReplayOrder
from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.statuses import EVENT_STATUS_NUMBERS
from tenrusl.rpc.texts import text_violations
from tenrusl.store.event_list import EventFilter

MAX_IDS = 1000
MAX_TEXT_CHARACTERS = 200
DEFAULT_CHANGED, MAX_CHANGED = 1000, 10_000
DEFAULT_REPLAYED, MAX_REPLAYED = 10_000, 100_000
DEFAULT_RATE, MAX_RATE = 100, 5000
_STATUSES = {number: status for status, number in EVENT_STATUS_NUMBERS.items()}
# No event is older, and later times fit no index of ids.
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_Wrong = list[FieldViolation]
_Read = TypeVar("_Read")


class BacklogRequests:
    """Reads requests; all methods raise InvalidFieldError. providers: the names that are known."""

    def __init__(self, providers: Collection[str]) -> None:
        self._providers = frozenset(providers)

    def filter(self, message: backlog_pb2.EventFilter) -> EventFilter:
        """A filter."""
        return _checked(lambda wrong: self._filter(message, wrong))

    def selection(
        self,
        request: backlog_pb2.RequeueDeadLettersRequest | backlog_pb2.DiscardEventsRequest,
        *,
        all_by_empty_filter: bool,
    ) -> Selection:
        """Ids, or a filter for dead letters."""

        def read(wrong: _Wrong) -> Selection:
            ids = self._ids_or_filter(request, wrong, empty_filter=all_by_empty_filter)
            wanted = self._filter(request.filter, wrong)
            if wanted.status not in ("", "dead_letter"):
                wrong.append(FieldViolation("filter.status", "must be dead_letter or not set"))
            limit = _number(request.limit, "limit", DEFAULT_CHANGED, MAX_CHANGED, wrong)
            if ids and request.dry_run:
                wrong.append(FieldViolation("dry_run", "goes with a filter only"))
            return Selection(ids=ids, filter=wanted, limit=limit, dry_run=request.dry_run)

        return _checked(read)

    def replay_order(self, request: backlog_pb2.ReplayEventsRequest) -> ReplayOrder:
        """Which events to replay, and how."""

        def read(wrong: _Wrong) -> ReplayOrder:
            ids = self._ids_or_filter(request, wrong, empty_filter=False)
            for name in ("resume_token", "dry_run"):
                if ids and getattr(request, name):
                    wrong.append(FieldViolation(name, "goes with a filter only"))
            return ReplayOrder(
                ids=ids,
                filter=self._filter(request.filter, wrong),
                limit=_number(request.limit, "limit", DEFAULT_REPLAYED, MAX_REPLAYED, wrong),
                events_per_second=_number(
                    request.events_per_second, "events_per_second", DEFAULT_RATE, MAX_RATE, wrong
                ),
                resume_token=request.resume_token,
                dry_run=request.dry_run,
            )

        return _checked(read)

    def _ids_or_filter(self, request: Any, wrong: _Wrong, *, empty_filter: bool) -> list[UUID]:
        has_filter = request.HasField("filter") and (empty_filter or request.filter != backlog_pb2.EventFilter())
        if bool(request.event_ids) == has_filter:
            wrong.append(FieldViolation("event_ids", "either these or a filter must be set"))
        return _ids(request.event_ids, wrong) if request.event_ids else []

    def _filter(self, message: backlog_pb2.EventFilter, wrong: _Wrong) -> EventFilter:
        if message.provider and message.provider not in self._providers:
            names = ", ".join(sorted(self._providers))
            wrong.append(FieldViolation("filter.provider", f"must be one of {names}"))
        if message.status and message.status not in _STATUSES:
            wrong.append(FieldViolation("filter.status", "is not an EventStatus"))
        for name in ("payment_ref", "failure_code"):
            value = getattr(message, name)
            if len(value) > MAX_TEXT_CHARACTERS or "\0" in value:
                wrong.append(
                    FieldViolation(f"filter.{name}", f"must be at most {MAX_TEXT_CHARACTERS} characters without NUL")
                )
        times = {
            name: _time(getattr(message, name), f"filter.{name}", wrong) if message.HasField(name) else None
            for name in ("receive_time_from", "receive_time_before")
        }
        return EventFilter(
            provider=message.provider,
            status=_STATUSES.get(message.status, ""),
            payment_ref=message.payment_ref,
            failure_code=message.failure_code,
            received_from=times["receive_time_from"],
            received_before=times["receive_time_before"],
        )


def read_ids(texts: Sequence[str]) -> list[UUID]:
    """1 to 1000 ids, each once. Raises InvalidFieldError."""
    return list(dict.fromkeys(_checked(lambda wrong: _ids(texts, wrong))))


def read_id(text: str) -> UUID:
    """The id of an event. Raises InvalidFieldError."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidFieldError(FieldViolation("event_id", "must be a UUID")) from None


def read_reason(reason: str) -> str:
    """Why. Raises InvalidFieldError."""
    if wrong := text_violations("reason", reason, MAX_TEXT_CHARACTERS):
        raise InvalidFieldError(*wrong)
    return reason


def _checked(read: Callable[[_Wrong], _Read]) -> _Read:
    wrong: _Wrong = []
    value = read(wrong)
    if wrong:
        raise InvalidFieldError(*wrong)
    return value


def _ids(texts: Sequence[str], wrong: _Wrong) -> list[UUID]:
    if not 1 <= len(texts) <= MAX_IDS:
        wrong.append(FieldViolation("event_ids", f"must hold 1 to {MAX_IDS} ids"))
        return []
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        wrong.append(FieldViolation("event_ids", "must hold UUIDs only"))
        return []


def _number(value: int, field: str, default: int, most: int, wrong: _Wrong) -> int:
    if not 0 <= value <= most:
        wrong.append(FieldViolation(field, f"must be 1 to {most:,}, or 0 for {default:,}"))
    return value or default


def _time(message: Timestamp, field: str, wrong: _Wrong) -> datetime | None:
    try:
        time = message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        time = None
    if time is None or not _FIRST <= time < _LAST:
        wrong.append(FieldViolation(field, "must lie in the years 2000 to 2199"))
    return time
