"""Airwallex: the window, which alone refuses moved digits, and what each event says."""

from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import ExtractedEvent
from tenrusl.simulator import sign_webhook
from tests.unit.providers.webhook_requests import credentials_of, json_request, request

AIRWALLEX = PROVIDERS["airwallex"]
CREDENTIALS = credentials_of(secret="whsec_1")
SENT = 1_785_000_000
S = PaymentStatus


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (SENT + 300, None),
        (SENT - 300, None),
        (SENT + 300.1, Reason.TIMESTAMP_STALE),
        (SENT - 300.1, Reason.TIMESTAMP_IN_FUTURE),
    ],
)
def test_the_window_is_five_minutes_either_way(now: float, reason: Reason | None) -> None:
    signed = sign_webhook(AIRWALLEX, b"{}", CREDENTIALS, SENT)
    assert signed.headers["x-timestamp"] == f"{SENT}000"
    assert AIRWALLEX.verify(request(b"{}", signed.headers), CREDENTIALS, now).reason is reason


def test_a_digit_moved_from_the_body_into_the_time_is_refused() -> None:
    signed = sign_webhook(AIRWALLEX, b"5", CREDENTIALS, SENT)
    moved = dict(signed.headers) | {"x-timestamp": signed.headers["x-timestamp"] + "5"}
    assert AIRWALLEX.verify(request(b"", moved), CREDENTIALS, SENT).reason is Reason.TIMESTAMP_IN_FUTURE


@pytest.mark.parametrize(
    "time", ["-1", "01", "1785000000.5", "1e12", "9" * 30, " 1", "\N{ARABIC-INDIC DIGIT ONE}", "later"]
)
def test_a_time_that_is_no_plain_number_is_refused(time: str) -> None:
    webhook = request(b"{}", {"x-timestamp": time, "x-signature": "0" * 64})
    assert AIRWALLEX.verify(webhook, CREDENTIALS, SENT).reason is Reason.TIMESTAMP_MALFORMED


def _extract(name: str, **subject: Any) -> ExtractedEvent:
    return AIRWALLEX.extract(
        json_request({"id": "evt_1", "name": name, "data": {"object": {"id": "int_1", **subject}}})
    )


@pytest.mark.parametrize(
    ("name", "subject", "status", "restores"),
    [
        ("payment_intent.pending_review", {}, S.PENDING, False),
        ("payment_intent.requires_capture", {}, S.AUTHORIZED, False),
        ("payment_intent.capture_required", {}, S.AUTHORIZED, False),
        ("payment_intent.succeeded", {"status": "SUCCEEDED"}, S.SUCCEEDED, False),
        ("payment_intent.succeeded", {"status": "REQUIRES_CAPTURE"}, None, False),
        ("payment_attempt.capture_requested", {}, S.AUTHORIZED, False),
        ("payment_attempt.settled", {"status": "SETTLED"}, S.SUCCEEDED, False),
        ("payment_attempt.risk_declined", {}, S.FAILED, False),
        ("payment_attempt.expired", {"status": "EXPIRED"}, None, False),
        ("payment_attempt.cancelled", {}, None, False),
        ("refund.received", {"status": "RECEIVED"}, None, False),
        ("refund.failed", {"status": "FAILED"}, None, False),
        ("refund.succeeded", {"status": "SUCCEEDED"}, S.PARTIALLY_REFUNDED, False),
        ("refund.settled", {"status": "SETTLED"}, S.PARTIALLY_REFUNDED, False),
        ("refund.settled", {"status": "FAILED"}, None, False),
        ("payment_attempt.paid", {"status": "AUTHORIZED"}, None, False),
        ("payment_dispute.requires_response", {}, S.DISPUTED, False),
        ("payment_dispute.won", {}, S.SUCCEEDED, True),
        ("payment_dispute.lost", {}, S.CHARGEBACK, False),
        ("payout.succeeded", {"status": "SUCCEEDED", "amount": -5, "currency": "nonsense"}, None, False),
    ],
)
def test_an_event_tells_this_state(
    name: str, subject: dict[str, Any], status: PaymentStatus | None, restores: bool
) -> None:
    event = _extract(name, **subject)
    assert (event.payment_status, event.restores) == (status, restores)


@pytest.mark.parametrize("time", [1_673_595_125_123, 1_673_595_125_001, 1_785_000_000_999])
def test_the_edges_of_the_window_are_exact(time: int) -> None:
    signed = sign_webhook(AIRWALLEX, b"{}", CREDENTIALS, time / 1000)
    assert signed.headers["x-timestamp"] == str(time)
    webhook = request(b"{}", signed.headers)
    assert AIRWALLEX.verify(webhook, CREDENTIALS, (time + 300_000) / 1000).valid
    assert AIRWALLEX.verify(webhook, CREDENTIALS, (time - 300_000) / 1000).valid
    assert AIRWALLEX.verify(webhook, CREDENTIALS, (time + 300_001) / 1000).reason is Reason.TIMESTAMP_STALE


@pytest.mark.parametrize(
    ("name", "subject", "minor"),
    [
        ("payment_intent.succeeded", {"amount": 20, "captured_amount": 15.5}, 1550),
        ("payment_intent.succeeded", {"amount": 20, "captured_amount": 0}, 2000),
        ("payment_intent.cancelled", {"amount": 20, "captured_amount": 15.5}, 2000),
    ],
)
def test_what_was_captured_counts_when_it_is_less(name: str, subject: dict[str, Any], minor: int) -> None:
    assert _extract(name, currency="USD", **subject).amount_minor == minor


def test_a_refund_belongs_to_its_intent() -> None:
    assert _extract("refund.settled", id="rfd_1", payment_intent_id="int_7").provider_ref == "int_7"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"), [(16.66, "USD", 1666), (62723, "KRW", 62723), (1.234, "KWD", 1234)]
)
def test_amounts_are_numbers_in_major_units(amount: float, currency: str, minor: int) -> None:
    assert _extract("payment_intent.created", amount=amount, currency=currency).amount_minor == minor


def test_older_versions_have_no_inner_object() -> None:
    event = AIRWALLEX.extract(
        json_request({"id": "evt_1", "name": "payment_intent.created", "data": {"id": "int_1", "amount": 1}})
    )
    assert event.provider_ref == "int_1"
