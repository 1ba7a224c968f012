"""What `make demo` sends, and what must come of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tenrusl.local.signing import credentials_of
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Headers, Webhook
from tenrusl.settings import Settings
from tenrusl.simulator import build, sign_webhook, simulated_credentials

# The processor of the demo gives up after these, so that a dead letter is seen at once.
MAX_ATTEMPTS = 3
_SEED = 2026
_S = PaymentStatus
_CURRENCY = {"mock": "EUR", "stripe": "USD", "xendit": "IDR", "midtrans": "IDR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. payment_ref: of the payment that it is about. event_id: under which it would be stored."""

    provider: str
    headers: dict[str, str]
    body: bytes
    payment_ref: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come of a request.

    answer: HTTP status. event: the stored event's status, number of tries and deliveries; None: nothing is stored.
    payment: its state afterwards; None: there is no such payment.
    """

    answer: int
    event: tuple[str, int, int] | None
    payment: PaymentStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the demo."""

    what: str
    request: Request
    expected: Expected


def demo_steps(settings: Settings, now: datetime) -> list[Step]:
    """All steps, in the order in which they are sent. now: the time at which they are signed."""
    sender = _Sender(settings, now)
    steps = [step for provider in _CURRENCY for step in _life_of_a_payment(sender, provider)]
    return [*steps, *_stripe_refusals(sender), *_refusals(sender), *_failures(sender)]


class _Sender:
    """Builds and signs requests."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._now = now
        self._rng = random.Random(_SEED)  # noqa: S311 - repeats, protects nothing

    def request(
        self,
        provider: str,
        status: PaymentStatus,
        payment: str,
        *,
        minutes_ago: int = 0,
        signed_minutes_ago: int = 0,
        forged: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> Request:
        """minutes_ago: when it happened. forged: signed with a secret that is not configured."""
        known = PROVIDERS[provider]
        body = build(
            provider,
            status=status,
            payment_ref=f"{provider}_{payment}",
            merchant_ref=f"order_{payment}",
            amount_minor=12_500_00,
            currency=_CURRENCY[provider],
            occurred_at=self._now - timedelta(minutes=minutes_ago),
            rng=self._rng,
            extra=extra,
        )
        credentials = simulated_credentials(known, self._rng) if forged else credentials_of(known, self._settings)
        signed_at = self._now - timedelta(minutes=signed_minutes_ago)
        signed = sign_webhook(known, body, credentials, signed_at.timestamp())
        return Request(
            provider=provider,
            headers=dict(signed.headers),
            body=signed.body,
            payment_ref=f"{provider}_{payment}",
            event_id=_event_id(provider, dict(signed.headers), signed.body),
        )

    def unreadable(self) -> Request:
        """A body that is signed and is no JSON."""
        known, body = PROVIDERS["mock"], b'{"id": "evt_cut_off", "data": {'
        signed = sign_webhook(known, body, credentials_of(known, self._settings), self._now.timestamp())
        return Request(
            provider="mock",
            headers=dict(signed.headers),
            body=body,
            payment_ref="mock_unreadable",
            event_id="evt_cut_off",
        )


def _event_id(provider: str, headers: dict[str, str], body: bytes) -> str:
    webhook = Webhook(method="POST", path="", headers=Headers(list(headers.items())), body=body)
    return PROVIDERS[provider].extract(webhook).event_id


def _life_of_a_payment(sender: _Sender, provider: str) -> list[Step]:
    """Pending, paid, told again, told late, forged: the payment ends paid, once."""
    first, again = (202, 200) if provider == "mock" else (200, 200)
    pending = sender.request(provider, _S.PENDING, "1", minutes_ago=9)
    succeeded = sender.request(provider, _S.SUCCEEDED, "1", minutes_ago=5)
    late = sender.request(provider, _S.PENDING, "2", minutes_ago=9)
    forged = sender.request(provider, _S.SUCCEEDED, "3", forged=True)
    return [
        _step("pending", pending, first, ("processed", 1, 1), _S.PENDING),
        _step("succeeded", succeeded, first, ("processed", 1, 1), _S.SUCCEEDED),
        _step("the same again", succeeded, again, ("processed", 1, 2), _S.SUCCEEDED),
        _step("the first one again", pending, again, ("processed", 1, 2), _S.SUCCEEDED),
        _step(
            "succeeded, of another payment",
            sender.request(provider, _S.SUCCEEDED, "2", minutes_ago=5),
            first,
            ("processed", 1, 1),
            _S.SUCCEEDED,
        ),
        _step("its older pending, late", late, first, ("processed", 1, 1), _S.SUCCEEDED),
        _step("signed with a wrong secret", forged, 401, None, None),
    ]


def _stripe_refusals(sender: _Sender) -> list[Step]:
    stale = sender.request("stripe", _S.SUCCEEDED, "4", signed_minutes_ago=60)
    refund = sender.request("stripe", _S.REFUNDED, "1")
    return [
        _step("signed an hour ago", stale, 401, None, None),
        _step("refund of the first payment", refund, 200, ("processed", 1, 1), _S.REFUNDED),
    ]


def _refusals(sender: _Sender) -> list[Step]:
    paid = sender.request("mock", _S.SUCCEEDED, "5")
    changed = replace(paid, body=paid.body.replace(b"1250000", b"9250000"))
    unsigned = replace(paid, headers={"Content-Type": "application/json"})
    typed = replace(paid, headers={**paid.headers, "Content-Type": "text/plain"})
    midtrans = sender.request("midtrans", _S.SUCCEEDED, "5")
    raised = replace(midtrans, body=midtrans.body.replace(b'"gross_amount":"12500', b'"gross_amount":"92500'))
    return [
        _step("amount changed after signing", changed, 401, None, None),
        _step("amount changed after signing", raised, 401, None, None),
        _step("no signature", unsigned, 401, None, None),
        _step("text/plain", typed, 415, None, None),
        _step("cut off JSON, signed", sender.unreadable(), 400, None, None),
        _step("unknown provider", replace(paid, provider="nobody"), 404, None, None),
    ]


def _failures(sender: _Sender) -> list[Step]:
    tries = MAX_ATTEMPTS
    recovers = sender.request("mock", _S.SUCCEEDED, "6", extra={"directives": {"fail_first": tries - 1}})
    fails = sender.request("mock", _S.SUCCEEDED, "7", extra={"directives": {"fail_always": True}})
    return [
        _step(f"processing fails {tries - 1} times", recovers, 202, ("processed", tries, 1), _S.SUCCEEDED),
        _step("processing fails always", fails, 202, ("dead_letter", tries, 1), None),
        _step("the same again", fails, 200, ("dead_letter", tries, 2), None),
    ]


def _step(
    what: str, request: Request, answer: int, event: tuple[str, int, int] | None, payment: PaymentStatus | None
) -> Step:
    return Step(what=what, request=request, expected=Expected(answer=answer, event=event, payment=payment))
