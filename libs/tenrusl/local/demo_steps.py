"""What `make demo` sends, and what must come of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tenrusl.clock import Clock
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Outcome, Reply
from tenrusl.simulator import sign_webhook, simulated_credentials
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.requests import SimulatedEvent, SimulatedRequest, sign_event, simulate_event, simulate_thin_event

# The processor of the demo gives up after these, so that a dead letter is seen at once.
MAX_ATTEMPTS = 3
# The gateway of the demo believes X-Forwarded-For of its own machine, so that a line can come from elsewhere.
ELSEWHERE = "203.0.113.7"
_SEED = 2026
_S = PaymentStatus
_THIN = "amazon_bwp"
# First and second event of a payment, where it is not told from its beginning.
_TOLD = {"tripay": (_S.SUCCEEDED, _S.REFUNDED)}
# Their proof covers the amount; that of the others (xendit, payoneer, oy) covers nothing of the body.
_AMOUNT_COVERED = (
    "mock", "stripe", "midtrans", "paypal", "dana", "doku", "airwallex", "lemonsqueezy", "paddle", "skrill",
    "standardwebhooks", "tripay",
)  # fmt: skip
_AMOUNT, _RAISED = b"12500", b"92500"  # as they stand in every provider's notation of 12,500.00


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. reference: by which the payments API finds its payment. event_id: under which it would be
    stored.
    """

    http: SimulatedRequest
    reference: str
    event_id: str

    @property
    def provider(self) -> str:
        return self.http.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come of a request.

    answer: HTTP status. reply: the whole answer in the provider's form; None: any with that status. event: the stored
    event's status, number of tries and deliveries; None: nothing is stored. payment: its state afterwards; None:
    there is no such payment.
    """

    answer: int
    reply: Reply | None = None
    event: tuple[str, int, int] | None
    payment: PaymentStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the demo."""

    what: str
    request: Request
    expected: Expected


def demo_steps(credentials: Mapping[str, Credentials], clock: Clock) -> Iterator[Step]:
    """All steps in their order. Each is signed when it is asked for: Paddle's signature is good for five seconds."""
    sender = _Sender(credentials, clock)
    for provider in PROVIDERS:
        if provider == _THIN:
            yield from _thin_events(sender)
            continue
        yield from _life_of_a_payment(sender, provider)
        if provider in _AMOUNT_COVERED:
            raised = sender.changed(sender.request(sender.event(provider, "5", _told(provider)[-1])))
            yield _refused("amount changed after signing", raised, 401)
        window = OFFERS[provider].window_seconds
        if window is not None:
            stale = sender.event(provider, "4", _S.SUCCEEDED)
            yield _refused("signed too long ago", sender.request(stale, signed_seconds_ago=window + 60), 401)
        if provider == "stripe":
            refund = sender.request(sender.event(provider, "1", _S.REFUNDED))
            yield _stored("refund of the first payment", refund, Outcome.ACCEPTED, ("processed", 1, 1), _S.REFUNDED)
        if provider == "mock":
            yield from _refusals(sender)
            yield from _failures(sender)
    unknown = sender.request(sender.event("mock", "8", _S.SUCCEEDED))
    nobody = replace(unknown.http, provider="nobody", target="/api/webhooks/nobody")
    yield _refused("unknown provider", replace(unknown, http=nobody), 404)


class _Sender:
    """Builds and signs requests."""

    def __init__(self, credentials: Mapping[str, Credentials], clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._rng = random.Random(_SEED)  # noqa: S311 - repeats, protects nothing

    def event(
        self,
        provider: str,
        payment: str,
        status: PaymentStatus,
        *,
        minutes_ago: int = 5,
        by_query: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> SimulatedEvent:
        """minutes_ago: when it happened."""
        return simulate_event(
            provider,
            status=status,
            payment=f"{provider}_{payment}",
            amount_minor=12_500_00,
            currency=OFFERS[provider].currencies[0],
            occurred_at=self._clock.now() - timedelta(minutes=minutes_ago),
            rng=self._rng,
            by_query=by_query,
            extra=extra,
        )

    def thin_event(self) -> SimulatedEvent:
        """An event about an order."""
        return simulate_thin_event(order="order-1", occurred_at=self._clock.now(), rng=self._rng)

    def request(
        self, event: SimulatedEvent, *, signed_seconds_ago: float = 0.0, forged: bool = False, elsewhere: bool = False
    ) -> Request:
        """forged: signed with a secret that is not configured. elsewhere: sent from another address."""
        known = PROVIDERS[event.provider]
        credentials = simulated_credentials(known, self._rng) if forged else self._credentials[event.provider]
        http = sign_event(event, credentials, self._clock.now().timestamp() - signed_seconds_ago)
        if elsewhere:
            http = replace(http, headers={**http.headers, "X-Forwarded-For": ELSEWHERE})
        event_id = known.extract(http.webhook()).event_id
        return Request(http=http, reference=event.reference, event_id=event_id)

    def changed(self, request: Request) -> Request:
        """With another amount under the same signature."""
        body = request.http.body.replace(_AMOUNT, _RAISED)
        assert body != request.http.body
        return replace(request, http=replace(request.http, body=body))

    def unreadable(self) -> Request:
        """A body that is signed and is no JSON."""
        body = b'{"id": "evt_cut_off", "data": {'
        signed = sign_webhook(PROVIDERS["mock"], body, self._credentials["mock"], self._clock.now().timestamp())
        http = SimulatedRequest(
            provider="mock", method="POST", target="/api/webhooks/mock", headers=signed.headers, body=body
        )
        return Request(http=http, reference="mock_unreadable", event_id="evt_cut_off")


def _told(provider: str) -> tuple[PaymentStatus, PaymentStatus]:
    return _TOLD.get(provider, (_S.PENDING, _S.SUCCEEDED))


def _life_of_a_payment(sender: _Sender, provider: str) -> Iterator[Step]:
    """Two events in their order, two out of order, the same again, a forged one: the payment ends right, once."""
    early, late = _told(provider)
    by_query = OFFERS[provider].by_query  # then a GET is shown as well as a POST
    first = sender.event(provider, "1", early, minutes_ago=9, by_query=by_query)
    second = sender.event(provider, "1", late)
    how = " (by GET)" if by_query else ""
    yield _stored(f"{early}{how}", sender.request(first), Outcome.ACCEPTED, ("processed", 1, 1), early)
    yield _stored(f"{late}", sender.request(second), Outcome.ACCEPTED, ("processed", 1, 1), late)
    yield _stored("the same again", sender.request(second), Outcome.DUPLICATE, ("processed", 1, 2), late)
    yield _stored(f"the first one again{how}", sender.request(first), Outcome.DUPLICATE, ("processed", 1, 2), late)
    newer = sender.event(provider, "2", late)
    older = sender.event(provider, "2", early, minutes_ago=9)
    yield _stored(f"{late}, of another payment", sender.request(newer), Outcome.ACCEPTED, ("processed", 1, 1), late)
    yield _stored(f"its older {early}, late", sender.request(older), Outcome.ACCEPTED, ("processed", 1, 1), late)
    forged = sender.event(provider, "3", late)
    if OFFERS[provider].has_secret:
        yield _refused("signed with a wrong secret", sender.request(forged, forged=True), 401)
    else:
        yield _refused("from another address", sender.request(forged, elsewhere=True), 401)


def _thin_events(sender: _Sender) -> Iterator[Step]:
    """Events that are recorded and move no payment."""
    event, forged = sender.thin_event(), sender.thin_event()
    yield _stored("an order's event", sender.request(event), Outcome.ACCEPTED, ("processed", 1, 1), None)
    yield _stored("the same again", sender.request(event), Outcome.DUPLICATE, ("processed", 1, 2), None)
    yield _refused("signed with a wrong key", sender.request(forged, forged=True), 401)


def _refusals(sender: _Sender) -> Iterator[Step]:
    paid = sender.request(sender.event("mock", "5", _S.SUCCEEDED))
    yield _refused("no signature", _with_headers(paid, {"Content-Type": "application/json"}), 401)
    yield _refused("text/plain", _with_headers(paid, {**paid.http.headers, "Content-Type": "text/plain"}), 415)
    yield _refused("cut off JSON, signed", sender.unreadable(), 400)
    yield _refused("by GET", replace(paid, http=replace(paid.http, method="GET", body=b"")), 405)


def _failures(sender: _Sender) -> Iterator[Step]:
    tries = MAX_ATTEMPTS
    recovers = sender.event("mock", "6", _S.SUCCEEDED, extra={"directives": {"fail_first": tries - 1}})
    fails = sender.event("mock", "7", _S.SUCCEEDED, extra={"directives": {"fail_always": True}})
    yield _stored(
        f"processing fails {tries - 1} times",
        sender.request(recovers),
        Outcome.ACCEPTED,
        ("processed", tries, 1),
        _S.SUCCEEDED,
    )
    yield _stored("processing fails always", sender.request(fails), Outcome.ACCEPTED, ("dead_letter", tries, 1), None)
    yield _stored("the same again", sender.request(fails), Outcome.DUPLICATE, ("dead_letter", tries, 2), None)


def _with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    return replace(request, http=replace(request.http, headers=headers))


def _stored(
    what: str, request: Request, outcome: Outcome, event: tuple[str, int, int], payment: PaymentStatus | None
) -> Step:
    """It is answered as the provider expects it."""
    reply = PROVIDERS[request.provider].replies_to(request.http.webhook())[outcome]
    expected = Expected(answer=reply.status, reply=reply, event=event, payment=payment)
    return Step(what=what, request=request, expected=expected)


def _refused(what: str, request: Request, answer: int) -> Step:
    return Step(what=what, request=request, expected=Expected(answer=answer, event=None, payment=None))
