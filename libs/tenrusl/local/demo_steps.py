"""What `make demo` does, provider by provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tenrusl.clock import Clock
from tenrusl.local import demo_provider
from tenrusl.local.demo_lines import ONCE, Act, Step, decided, refused, stored, with_headers
from tenrusl.local.demo_sender import Sender
from tenrusl.local.demo_variants import VARIANTS
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials
from tenrusl.simulator.offers import OFFERS

# The processor of the demo gives up after these, so that a dead letter is seen at once.
MAX_ATTEMPTS = 3
# The provider whose events move a payment only once somebody confirms them: TENRUSL_CONFIRM_PROVIDERS.
CONFIRMED = "xendit"
_S = PaymentStatus
_THIN = "amazon_bwp"
# First and second event of a payment, where it is not told from its beginning.
_TOLD = {"tripay": (_S.SUCCEEDED, _S.REFUNDED)}
# Their proof covers nothing of the body, that of all others at least the amount.
_AMOUNT_NOT_COVERED = frozenset({"oy", "payoneer", "xendit"})


def demo_steps(credentials: Mapping[str, Credentials], clock: Clock) -> Iterator[Step]:
    """All steps in their order. Each is signed when it is asked for: Paddle's signature is good for five seconds.

    `Step.learn` must have been called before the next step is asked for.
    """
    sender = Sender(credentials, clock)
    for provider in (*PROVIDERS, demo_provider.NAME):
        if provider == _THIN:
            yield from _thin_events(sender)
        elif provider == CONFIRMED:
            yield from _confirmation(sender)
        else:
            yield from _life_of_a_payment(sender, provider)
            yield from _tampering(sender, provider)
        if provider in VARIANTS:
            yield from VARIANTS[provider](sender)
        if provider == "mock":
            yield from _refusals(sender)
            yield from _failures(sender)
    unknown = sender.request(sender.event("mock", "8", _S.SUCCEEDED))
    nobody = replace(unknown.http, provider="nobody", target="/api/webhooks/nobody")
    yield refused("unknown provider", replace(unknown, http=nobody), 404)


def _told(provider: str) -> tuple[PaymentStatus, PaymentStatus]:
    return _TOLD.get(provider, (_S.PENDING, _S.SUCCEEDED))


def _life_of_a_payment(sender: Sender, provider: str) -> Iterator[Step]:
    """Two events in their order, two out of order, the same again: the payment ends right, once."""
    early, late = _told(provider)
    by_query = provider in OFFERS and OFFERS[provider].by_query  # then a GET is shown as well as a POST
    first = sender.event(provider, "1", early, minutes_ago=9, by_query=by_query)
    second = sender.event(provider, "1", late)
    how = " (by GET)" if by_query else ""
    yield stored(f"{early}{how}", sender.request(first), ONCE, early)
    yield stored(f"{late}", sender.request(second), ONCE, late)
    yield stored("the same again", sender.request(second), ("processed", 1, 2), late, again=True)
    yield stored(f"the first one again{how}", sender.request(first), ("processed", 1, 2), late, again=True)
    newer = sender.event(provider, "2", late)
    older = sender.event(provider, "2", early, minutes_ago=9)
    yield stored(f"{late}, of another payment", sender.request(newer), ONCE, late)
    yield stored(f"its older {early}, late", sender.request(older), ONCE, late)


def _tampering(sender: Sender, provider: str) -> Iterator[Step]:
    """What somebody else may try: each is refused, and nothing is stored."""
    late = _told(provider)[-1]
    forged = sender.event(provider, "3", late)
    if provider in OFFERS and not OFFERS[provider].has_secret:
        yield refused("from another address", sender.request(forged, elsewhere=True))
    else:
        yield refused("signed with a wrong secret", sender.request(forged, forged=True))
    if provider not in _AMOUNT_NOT_COVERED:
        raised = sender.changed(sender.request(sender.event(provider, "5", late)))
        yield refused("amount changed after signing", raised)
    window = demo_provider.WINDOW_SECONDS if provider == demo_provider.NAME else OFFERS[provider].window_seconds
    if window is not None:
        stale = sender.event(provider, "4", _S.SUCCEEDED)
        yield refused("signed too long ago", sender.request(stale, signed_seconds_ago=window + 60))


def _thin_events(sender: Sender) -> Iterator[Step]:
    """Events that are recorded and move no payment."""
    event, forged = sender.thin_event(), sender.thin_event()
    yield stored("an order's event", sender.request(event), ONCE, None)
    yield stored("the same again", sender.request(event), ("processed", 1, 2), None, again=True)
    yield refused("signed with a wrong key", sender.request(forged, forged=True))


def _confirmation(sender: Sender) -> Iterator[Step]:
    """Nothing vouches for what the events say, so they wait for an operator and move no payment until then."""
    first = sender.event(CONFIRMED, "1", _S.PENDING, minutes_ago=9)
    second = sender.event(CONFIRMED, "1", _S.SUCCEEDED)
    request = sender.request(first)
    yield stored("pending", request, ("unconfirmed", 1, 1), None)
    yield decided(Act.CONFIRM, request, ("processed", 2, 1), _S.PENDING)
    request = sender.request(second)
    yield stored("succeeded", request, ("unconfirmed", 1, 1), _S.PENDING)
    yield stored("the same again", request, ("unconfirmed", 1, 2), _S.PENDING, again=True)
    yield decided(Act.CONFIRM, request, ("processed", 2, 2), _S.SUCCEEDED)
    yield stored("the same again", request, ("processed", 2, 3), _S.SUCCEEDED, again=True)
    untrue = sender.request(sender.event(CONFIRMED, "2", _S.SUCCEEDED))
    yield stored("succeeded, of another payment", untrue, ("unconfirmed", 1, 1), None)
    yield decided(Act.REFUTE, untrue, ("dead_letter", 1, 1), None)
    yield refused("with a wrong token", sender.request(sender.event(CONFIRMED, "3", _S.SUCCEEDED), forged=True))


def _refusals(sender: Sender) -> Iterator[Step]:
    paid = sender.request(sender.event("mock", "5", _S.SUCCEEDED))
    yield refused("no signature", with_headers(paid, {"Content-Type": "application/json"}))
    yield refused("text/plain", with_headers(paid, {**paid.http.headers, "Content-Type": "text/plain"}), 415)
    yield refused("cut off JSON, signed", sender.unreadable(), 400)
    yield refused("by GET", replace(paid, http=replace(paid.http, method="GET", body=b"")), 405)


def _failures(sender: Sender) -> Iterator[Step]:
    tries = MAX_ATTEMPTS
    recovers = sender.event("mock", "6", _S.SUCCEEDED, extra={"directives": {"fail_first": tries - 1}})
    fails = sender.event("mock", "7", _S.SUCCEEDED, extra={"directives": {"fail_always": True}})
    yield stored(f"processing fails {tries - 1} times", sender.request(recovers), ("processed", tries, 1), _S.SUCCEEDED)
    yield stored("processing fails always", sender.request(fails), ("dead_letter", tries, 1), None)
    yield stored("the same again", sender.request(fails), ("dead_letter", tries, 2), None, again=True)
