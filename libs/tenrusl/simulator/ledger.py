"""What was answered, and what must have become of the payments. No I/O."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import combinations
from typing import TypeVar
from uuid import UUID

from tenrusl.payments import PaymentStatus, StatusReport, fold
from tenrusl.simulator.traffic import Delivery, Kind, Payment

_TO_BE_REFUSED = frozenset({Kind.FORGED, Kind.STALE})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_K = TypeVar("_K")
# Place in the payment's journey → what the event told.
_Places = dict[int, PaymentStatus]
# Provider, and the id under which the event is stored.
EventKey = tuple[str, str]


@dataclass(slots=True)
class Tally:
    """Webhooks of one provider or kind. answers: by HTTP status, None for no answer. seconds: of each answer."""

    answers: Counter[int | None] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.answers.total()

    @property
    def acked(self) -> int:
        return sum(count for status, count in self.answers.items() if _is_ack(status))

    @property
    def refused(self) -> int:
        """Answers 4xx: sending it again would not help."""
        return sum(count for status, count in self.answers.items() if status is not None and 400 <= status < 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class AckedEvent:
    """An event that was acknowledged, so it must be stored. failing: its processing was told to fail at first."""

    provider: str
    event_id: str
    failing: bool = False

    @property
    def key(self) -> EventKey:
        return self.provider, self.event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A payment of which an event was acknowledged, and the states that it may be in.

    may_be_missing: of no event it is certain that it was applied.
    """

    provider: str
    reference: str
    statuses: frozenset[PaymentStatus]
    may_be_missing: bool = False


class Ledger:
    """Takes down each answer. Not for several threads at once."""

    def __init__(self) -> None:
        self.by_provider: dict[str, Tally] = {}
        self.by_kind: dict[Kind, Tally] = {}
        self.all = Tally()
        self._events: dict[EventKey, AckedEvent] = {}
        self._acked: dict[Payment, dict[int, tuple[PaymentStatus, EventKey]]] = {}
        self._unsure: dict[Payment, _Places] = {}

    def note(self, delivery: Delivery, status: int | None, seconds: float) -> None:
        """status: of the answer, None when there was none. seconds: from the moment for which the webhook was meant
        to the end of the answer.
        """
        tallies = (self.all, _of(self.by_provider, delivery.request.provider), _of(self.by_kind, delivery.kind))
        for tally in tallies:
            tally.answers[status] += 1
            if status is not None:
                tally.seconds.append(seconds)
        if delivery.kind in _TO_BE_REFUSED:
            return
        told = delivery.told
        failing = told.payment is not None and told.payment.failing
        event = AckedEvent(provider=delivery.request.provider, event_id=delivery.event_id, failing=failing)
        if _is_ack(status):
            self._events.setdefault(event.key, event)
        if told.payment is None or told.event.status is None:
            return
        if _is_ack(status):
            self._acked.setdefault(told.payment, {})[told.place] = (told.event.status, event.key)
        elif status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # The answer, not the event, may have got lost.
            self._unsure.setdefault(told.payment, {})[told.place] = told.event.status

    @property
    def wrongly_acked(self) -> int:
        """Forged and stale webhooks that were accepted."""
        return sum(self.by_kind[kind].acked for kind in _TO_BE_REFUSED if kind in self.by_kind)

    @property
    def wrongly_refused(self) -> int:
        """Authentic webhooks that were refused for good."""
        return sum(tally.refused for kind, tally in self.by_kind.items() if kind not in _TO_BE_REFUSED)

    @property
    def acked_events(self) -> list[AckedEvent]:
        """Each once, in the order of the first acknowledgement. Without those that had to be refused."""
        return list(self._events.values())

    def expectations(self, unapplied: Collection[EventKey] = frozenset()) -> list[Expectation]:
        """One for each payment of which an event was acknowledged, in the order of the first acknowledgement.

        unapplied: acknowledged events of which it is not certain that they were applied.
        """
        return [
            _expectation(payment, acked, self._unsure.get(payment, {}), unapplied)
            for payment, acked in self._acked.items()
        ]


def _expectation(
    payment: Payment,
    acked: Mapping[int, tuple[PaymentStatus, EventKey]],
    unsure: _Places,
    unapplied: Collection[EventKey],
) -> Expectation:
    certain = {place: status for place, (status, key) in acked.items() if key not in unapplied}
    others = {place: status for place, (status, key) in acked.items() if key in unapplied}
    return Expectation(
        provider=payment.provider,
        reference=payment.reference,
        statuses=_possible(certain, unsure | others),
        may_be_missing=not certain,
    )


def _is_ack(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _of(tallies: dict[_K, Tally], key: _K) -> Tally:
    return tallies.setdefault(key, Tally())


def _possible(acked: Mapping[int, PaymentStatus], unsure: Mapping[int, PaymentStatus]) -> frozenset[PaymentStatus]:
    """The states that certain events lead to, with any of those that may have been applied besides."""
    open_places = [place for place in unsure if place not in acked]
    found = set()
    for length in range(len(open_places) + 1):
        for chosen in combinations(open_places, length):
            status = _state({**acked, **{place: unsure[place] for place in chosen}})
            if status is not None:
                found.add(status)
    return frozenset(found)


def _state(places: Mapping[int, PaymentStatus]) -> PaymentStatus | None:
    return fold(
        StatusReport(event_id=UUID(int=place), status=status, occurred_at=_EPOCH + timedelta(hours=place))
        for place, status in places.items()
    )
