"""An endless, mixed traffic of webhooks: payments on their way, repeats, forgeries, old signatures. No I/O."""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, SignatureError
from tenrusl.simulator.keys import forgers_credentials
from tenrusl.simulator.offers import OFFERS, journeys
from tenrusl.simulator.requests import (
    SimulatedEvent,
    SimulatedRequest,
    sign_event,
    simulate_event,
    simulate_thin_event,
)

_MAX_OPEN_PAYMENTS = 32
_MAX_REMEMBERED = 1000  # how far back a repeated delivery may reach
_STEP = timedelta(minutes=2)  # from one event of a payment to the next
_LONGEST = timedelta(minutes=10)
_BEYOND_WINDOW_SECONDS = 86_400.0
_FAILING = {"directives": {"fail_first": 2}}
# Only mock obeys directives.
_MOCK = "mock"


class Kind(StrEnum):
    """What a webhook of the traffic is; all but the first two must be refused."""

    GENUINE = "genuine"
    DUPLICATE = "duplicate"
    FORGED = "forged"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Shares from 0 to 1. duplicates, forged, stale: of all webhooks; together at most 1. out_of_order: of payments,
    whose events come in the wrong order. failing: of mock's payments, whose processing fails twice at first.

    forged and stale count for providers that can be forged, or sign a time; others send a genuine one instead.
    Raises ValueError.
    """

    duplicates: float = 0.0
    forged: float = 0.0
    stale: float = 0.0
    out_of_order: float = 0.0
    failing: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.duplicates, self.forged, self.stale, self.out_of_order, self.failing)
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError("a share must be from 0 to 1")
        if self.duplicates + self.forged + self.stale > 1.0:
            raise ValueError("duplicates, forged and stale must not be more than 1 together")


@dataclass(eq=False, slots=True, kw_only=True)
class Payment:
    """A payment on its way. waiting: its events that were not sent yet, next one last. failing: told to fail."""

    provider: str
    reference: str
    failing: bool
    waiting: list["Told"] = field(default_factory=list)


@dataclass(eq=False, frozen=True, slots=True, kw_only=True)
class Told:
    """An event, however often it is delivered. payment: None for a thin event. place: in the payment's journey."""

    event: SimulatedEvent
    payment: Payment | None = None
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook to send. event_id: under which its event is stored."""

    kind: Kind
    told: Told
    request: SimulatedRequest
    event_id: str


class Traffic:
    """Makes webhooks of the providers in `credentials`, which sign as these do. Not for several threads at once.

    run: starts all references, so that no run meets the payments of another. rng: chooses; with the same one, run
    and times the traffic is the same but for keys and signatures.
    """

    def __init__(self, credentials: Mapping[str, Credentials], mix: Mix, *, run: str, rng: random.Random) -> None:
        self._credentials = credentials
        self._mix = mix
        self._run = run
        self._rng = rng
        self._names = sorted(credentials)
        self._forgers: dict[str, Credentials] = {}
        self._open: dict[str, deque[Payment]] = {name: deque() for name in self._names}
        self._sent: deque[Told] = deque(maxlen=_MAX_REMEMBERED)
        self._number = 0

    def next(self, now: datetime) -> Delivery:
        """The next webhook, signed for `now` (with time zone).

        Raises SignatureError, ValueError for credentials that nothing can be signed with, see `lacks`.
        """
        kind = self._kind()
        if kind is Kind.DUPLICATE:
            if self._sent:
                told = self._rng.choice(self._sent)
                return self._delivery(kind, told, self._credentials[told.event.provider], now.timestamp())
            kind = Kind.GENUINE
        name = self._rng.choice(self._names)
        offer, signed_at = OFFERS[name], now.timestamp()
        if kind is Kind.FORGED and offer.has_secret:
            return self._delivery(kind, self._new(name, now), self._forger(name), signed_at)
        if kind is Kind.STALE and offer.window_seconds is not None:
            signed_at -= offer.window_seconds + _BEYOND_WINDOW_SECONDS
            return self._delivery(kind, self._new(name, now), self._credentials[name], signed_at)
        told = self._step(name, now)
        self._sent.append(told)
        return self._delivery(Kind.GENUINE, told, self._credentials[name], signed_at)

    def _kind(self) -> Kind:
        drawn, mix = self._rng.random(), self._mix
        for kind, share in ((Kind.DUPLICATE, mix.duplicates), (Kind.FORGED, mix.forged), (Kind.STALE, mix.stale)):
            if drawn < share:
                return kind
            drawn -= share
        return Kind.GENUINE

    def _step(self, name: str, now: datetime) -> Told:
        """The next event of a payment on its way, or the first of a new one."""
        waiting = self._open[name]
        full = len(waiting) == _MAX_OPEN_PAYMENTS
        if waiting and (full or self._rng.random() < 0.5):
            payment = waiting.popleft()
            told = payment.waiting.pop()
        else:
            told = self._new(name, now)
            if told.payment is None:
                return told
            payment = told.payment
        if payment.waiting:
            waiting.append(payment)
        return told

    def _new(self, name: str, now: datetime) -> Told:
        """The first event of a new payment. Of its others nothing is heard unless the payment is kept."""
        self._number += 1
        reference = f"{name}-{self._run}-{self._number}"
        if not OFFERS[name].statuses:
            return Told(event=simulate_thin_event(order=reference, occurred_at=now, rng=self._rng))
        failing = name == _MOCK and self._rng.random() < self._mix.failing
        journey = (PaymentStatus.SUCCEEDED,) if failing else self._rng.choice(journeys(name))
        amount_minor = self._rng.randrange(1, 50_000) * 100  # whole units in every currency but the dinars'
        currency = self._rng.choice(OFFERS[name].currencies)
        began = now.replace(microsecond=0) - _LONGEST
        events = [
            simulate_event(
                name,
                status=status,
                payment=reference,
                amount_minor=amount_minor,
                currency=currency,
                occurred_at=began + place * _STEP,
                rng=self._rng,
                by_query=OFFERS[name].by_query and self._rng.random() < 0.5,
                extra=_FAILING if failing else None,
            )
            for place, status in enumerate(journey)
        ]
        payment = Payment(provider=name, reference=events[0].reference, failing=failing)
        told = [Told(event=event, payment=payment, place=place) for place, event in enumerate(events)]
        if self._rng.random() >= self._mix.out_of_order:
            told.reverse()  # the last of the list goes first
        payment.waiting = told
        return told.pop()

    def _forger(self, name: str) -> Credentials:
        if name not in self._forgers:
            self._forgers[name] = forgers_credentials(PROVIDERS[name], self._credentials[name], self._rng)
        return self._forgers[name]

    def _delivery(self, kind: Kind, told: Told, credentials: Credentials, signed_at: float) -> Delivery:
        request = sign_event(told.event, credentials, signed_at)
        event_id = PROVIDERS[request.provider].extract(request.webhook()).event_id
        return Delivery(kind=kind, told=told, request=request, event_id=event_id)


def lacks(provider_name: str, credentials: Credentials, now: datetime) -> str | None:
    """Why nothing can be signed for a provider with these credentials; None when it can. Raises KeyError."""
    if not credentials.fields:
        return "no credentials"
    rng = random.Random(0)  # noqa: S311 - what is made is thrown away
    traffic = Traffic({provider_name: credentials}, Mix(), run="trial", rng=rng)
    try:
        traffic.next(now)
    except (SignatureError, ValueError) as exc:
        known = isinstance(exc, SignatureError) and exc.reason is Reason.CREDENTIALS_MISSING
        return "a credential or the signer's private key is missing" if known else "a key cannot be read"
    return None
