"""Xendit: deduplication, and what invoices, payments and refunds say."""

import json
from typing import Any

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import ExtractedEvent, Headers, Webhook

XENDIT = PROVIDERS["xendit"]
S = PaymentStatus


def _extract(document: dict[str, Any], headers: list[tuple[str, str]] | None = None) -> ExtractedEvent:
    body = json.dumps(document).encode()
    return XENDIT.extract(Webhook(method="POST", path="/", headers=Headers(headers or []), body=body))


def _payment(event: str, **data: Any) -> ExtractedEvent:
    return _extract({"event": event, "created": "2026-01-01T00:00:00Z", "data": {"payment_id": "py-1", **data}})


@pytest.mark.parametrize(
    ("word", "status"),
    [("PENDING", S.PENDING), ("PAID", S.SUCCEEDED), ("SETTLED", S.SUCCEEDED), ("EXPIRED", S.EXPIRED), ("NEW", None)],
)
def test_an_invoice_tells_this_state_under_a_key_of_its_own(word: str, status: PaymentStatus | None) -> None:
    event = _extract({"id": "inv1", "status": word, "external_id": "o1"})
    assert (event.event_id, event.payment_status) == (f"invoice:inv1:{word}", status)


@pytest.mark.parametrize(
    ("event_type", "word", "status"),
    [
        ("payment.capture", "SUCCEEDED", S.SUCCEEDED),
        ("payment.authorization", "AUTHORIZED", S.AUTHORIZED),
        ("payment.failure", "FAILED", S.FAILED),
        ("payment.expiry", "EXPIRED", S.EXPIRED),
        ("payment_request.expiry", "EXPIRED", S.EXPIRED),
        ("payment.succeeded", "SUCCEEDED", S.SUCCEEDED),
        ("payment.pending", "PENDING", S.PENDING),
        ("payment.failed", "FAILED", S.FAILED),
        ("payment.awaiting_capture", "AWAITING_CAPTURE", S.AUTHORIZED),
        # Where the name and the state disagree, the better one is never believed.
        ("payment.capture", "PENDING", S.PENDING),
        ("payment.capture", "FAILED", S.FAILED),
        ("payment.capture", "AUTHORIZED", None),
        ("payment.capture", "WHATEVER", None),
        ("payment.failure", "SUCCEEDED", S.FAILED),
        ("payment.pending", "SUCCEEDED", S.PENDING),
        ("payment_token.activation", "SUCCEEDED", None),
    ],
)
def test_a_payment_event_tells_this_state(event_type: str, word: str, status: PaymentStatus | None) -> None:
    event = _payment(event_type, status=word)
    assert (event.event_id, event.payment_status) == (f"{event_type}:py-1:{word}", status)


def test_version_2_of_the_payments_api_is_read() -> None:
    data = {"id": "py-2", "reference_id": "o2", "amount": 10000.5, "currency": "PHP", "status": "SUCCEEDED"}
    event = _extract({"event": "payment.succeeded", "data": data})
    assert (event.provider_ref, event.merchant_ref, event.amount_minor) == ("py-2", "o2", 1_000_050)


REFUND = {
    "id": "rfd-1",
    "payment_id": "py-1",
    "invoice_id": None,
    "amount": 10000,
    "currency": "PHP",
    "status": "SUCCEEDED",
    "reference_id": "refund-7",
}


@pytest.mark.parametrize("data", [REFUND, {"event": "refund.succeeded", "data": REFUND}], ids=["inner", "wrapped"])
def test_a_refund_that_succeeded_is_no_payment_that_succeeded(data: dict[str, Any]) -> None:
    event = _extract({"event": "refund.succeeded", "data": data})
    assert event.payment_status is S.PARTIALLY_REFUNDED
    assert (event.event_id, event.provider_ref) == ("refund.succeeded:rfd-1:SUCCEEDED", "py-1")
    assert (event.amount_minor, event.merchant_ref) == (1_000_000, None)


def test_a_refund_that_failed_says_nothing_about_the_payment() -> None:
    event = _extract({"event": "refund.failed", "data": REFUND | {"status": "FAILED"}})
    assert event.payment_status is None


def test_a_refund_of_an_invoice_belongs_to_the_invoice() -> None:
    event = _extract({"event": "refund.succeeded", "data": REFUND | {"invoice_id": "inv1"}})
    assert event.provider_ref == "inv1"


def test_a_refund_without_an_id_is_known_by_its_payment() -> None:
    event = _extract({"event": "refund.succeeded", "data": {"payment_id": "py-1", "status": "SUCCEEDED"}})
    assert (event.event_id, event.provider_ref) == ("refund.succeeded:py-1:SUCCEEDED", "py-1")


def test_a_paid_amount_of_nothing_is_not_what_was_asked_for() -> None:
    event = _extract({"id": "i", "status": "PAID", "amount": 500, "paid_amount": 0, "currency": "JPY"})
    assert event.amount_minor == 0


def test_the_webhook_id_is_the_key_where_it_is_sent() -> None:
    event = _extract({"id": "inv1", "status": "PAID"}, [("Webhook-ID", "wh-1")])
    assert event.event_id == "wh-1"


@pytest.mark.parametrize(
    "headers", [[("webhook-id", "a"), ("Webhook-Id", "b")], [("webhook-id", "x" * 513)], [("webhook-id", "é")]]
)
def test_a_wrong_webhook_id_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract({"id": "inv1", "status": "PAID"}, headers)
    assert caught.value.field == "webhook-id"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"id": "i"}, "status"),
        ({"status": "PAID"}, "id"),
        ({"id": "i", "status": "PAID", "amount": "1e5", "currency": "IDR"}, "amount"),
        ({"id": "i", "status": "PAID", "updated": "yesterday"}, "updated"),
        ({"id": "i", "status": "PAID", "updated": "2026-01-01T00:00:00"}, "updated"),
        ({"event": "payment.capture", "data": {}}, "data.id"),
        ({"event": "payment.capture", "data": 1}, "data"),
        ({"event": 1}, "event"),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract(document)
    assert caught.value.field == field
