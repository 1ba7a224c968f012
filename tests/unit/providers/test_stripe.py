"""Stripe: the time window, and what each event says about its payment."""

import json
from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Credentials, ExtractedEvent, Headers, SecretVersion, Verdict, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook

STRIPE = PROVIDERS["stripe"]
SENT = 1_785_000_000
CREDENTIALS = Credentials({"signing_secret": (SecretVersion("current", Secret("whsec_1")),)})
S = PaymentStatus


def _webhook(header: str, body: bytes = b"{}") -> Webhook:
    return Webhook(method="POST", path="/", headers=Headers([("stripe-signature", header)]), body=body)


def _signature(body: bytes = b"{}") -> str:
    return sign_webhook(STRIPE, body, CREDENTIALS, SENT).headers["Stripe-Signature"]


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (SENT, None),
        (SENT + 300, None),
        (SENT + 300.001, Reason.TIMESTAMP_STALE),
        (SENT + 86_400, Reason.TIMESTAMP_STALE),
        (SENT - 86_400, None),  # a time in the future passes, as in Stripe's SDKs
    ],
)
def test_only_age_counts(now: float, reason: Reason | None) -> None:
    assert STRIPE.verify(_webhook(_signature()), CREDENTIALS, now).reason is reason


def test_a_stale_forgery_is_a_forgery() -> None:
    verdict = STRIPE.verify(_webhook(f"t={SENT},v1={'0' * 64}"), CREDENTIALS, SENT + 86_400)
    assert verdict == Verdict(Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header: header + ",v1=00,v1=", None),
        (lambda header: "v1=" + "0" * 64 + "," + header, None),
        (lambda header: header + ",v0=1,foo,=,t=5", None),  # unknown entries and later times are ignored
        (lambda header: "t=5," + header, Reason.SIGNATURE_MISMATCH),  # the first time counts
        (lambda header: header.replace("v1", "V1"), Reason.SIGNATURE_MISSING),
        (lambda header: header.replace(",v1", ", v1"), Reason.SIGNATURE_MISSING),
        (lambda header: header.split(",")[1], Reason.SIGNATURE_MISSING),
        (lambda header: header.replace("t=", "t=0"), Reason.TIMESTAMP_MALFORMED),
        (lambda header: header.replace("t=", "t=+"), Reason.TIMESTAMP_MALFORMED),
        (lambda header: header.replace("t=1", "t=\N{ARABIC-INDIC DIGIT ONE}"), Reason.TIMESTAMP_MALFORMED),
        (lambda header: "t=" + "9" * 5000 + ",v1=00", Reason.TIMESTAMP_MALFORMED),
        (lambda header: header + ",v1=00" * 16, Reason.SIGNATURE_MALFORMED),
        (lambda header: "", Reason.SIGNATURE_MISSING),
    ],
)
def test_the_header_is_read_strictly(change: Any, reason: Reason | None) -> None:
    assert STRIPE.verify(_webhook(change(_signature())), CREDENTIALS, SENT).reason is reason


def _extract(event_type: str, subject: dict[str, Any], **event: Any) -> ExtractedEvent:
    body = {"id": "evt_1", "object": "event", "type": event_type, "data": {"object": subject}, **event}
    return STRIPE.extract(_webhook("", json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("event_type", "subject", "status", "restores"),
    [
        ("payment_intent.created", {}, S.PENDING, False),
        ("payment_intent.payment_failed", {"status": "requires_payment_method"}, S.FAILED, False),
        ("payment_intent.canceled", {}, S.CANCELED, False),
        ("payment_intent.amount_capturable_updated", {"status": "requires_capture"}, S.AUTHORIZED, False),
        ("payment_intent.amount_capturable_updated", {"status": "canceled"}, None, False),
        ("payment_intent.unheard_of", {"status": "succeeded"}, None, False),
        ("checkout.session.completed", {"payment_status": "paid"}, S.SUCCEEDED, False),
        ("checkout.session.completed", {"payment_status": "no_payment_required"}, S.SUCCEEDED, False),
        ("checkout.session.completed", {"payment_status": "unpaid", "status": "complete"}, S.PENDING, False),
        ("checkout.session.completed", {"payment_status": "new"}, None, False),
        ("checkout.session.async_payment_succeeded", {}, S.SUCCEEDED, False),
        ("checkout.session.async_payment_failed", {}, S.FAILED, False),
        ("checkout.session.expired", {}, S.EXPIRED, False),
        ("charge.succeeded", {"captured": True}, S.SUCCEEDED, False),
        ("charge.succeeded", {"captured": False, "status": "succeeded"}, S.AUTHORIZED, False),
        ("charge.succeeded", {"captured": True, "status": "pending"}, None, False),
        ("charge.captured", {"captured": True, "status": "failed"}, None, False),
        ("payment_intent.succeeded", {"status": "succeeded"}, S.SUCCEEDED, False),
        ("payment_intent.succeeded", {"status": "requires_capture"}, None, False),
        ("payment_intent.succeeded", {"status": "processing"}, None, False),
        ("checkout.session.async_payment_succeeded", {"payment_status": "paid"}, S.SUCCEEDED, False),
        ("checkout.session.async_payment_succeeded", {"payment_status": "unpaid"}, None, False),
        ("charge.failed", {}, S.FAILED, False),
        ("charge.expired", {}, S.EXPIRED, False),
        ("charge.refunded", {"amount": 5, "amount_refunded": 5}, S.REFUNDED, False),
        ("charge.refunded", {"amount": 5, "amount_refunded": 4, "status": "succeeded"}, S.PARTIALLY_REFUNDED, False),
        ("charge.refunded", {"amount": 5, "amount_refunded": 0}, None, False),
        ("refund.failed", {"status": "failed"}, S.SUCCEEDED, True),
        ("charge.refund.updated", {"status": "failed"}, S.SUCCEEDED, True),
        ("charge.refund.updated", {"status": "succeeded"}, None, False),
        ("refund.created", {"status": "succeeded"}, None, False),
        ("charge.dispute.created", {"status": "needs_response"}, S.DISPUTED, False),
        ("charge.dispute.updated", {"status": "warning_under_review"}, S.DISPUTED, False),
        ("charge.dispute.funds_withdrawn", {"status": "under_review"}, S.DISPUTED, False),
        ("charge.dispute.closed", {"status": "lost"}, S.CHARGEBACK, False),
        ("charge.dispute.closed", {"status": "won"}, S.SUCCEEDED, True),
        ("charge.dispute.closed", {"status": "warning_closed"}, S.SUCCEEDED, True),
        ("charge.dispute.closed", {"status": "prevented"}, S.SUCCEEDED, True),
        ("charge.dispute.closed", {"status": "appeal_lodged"}, S.DISPUTED, False),
        ("payout.failed", {"status": "failed", "amount": -500}, None, False),
        ("customer.created", {"id": "cus_1"}, None, False),
    ],
)
def test_an_event_tells_this_state(
    event_type: str, subject: dict[str, Any], status: PaymentStatus | None, restores: bool
) -> None:
    event = _extract(event_type, subject)
    assert (event.payment_status, event.restores) == (status, restores)


@pytest.mark.parametrize(
    ("subject", "ref"),
    [
        ({"id": "pi_1"}, "pi_1"),
        ({"id": "ch_1", "payment_intent": "pi_1"}, "pi_1"),
        ({"id": "ch_1", "payment_intent": None}, "ch_1"),
        ({"id": "dp_1", "charge": "ch_1", "payment_intent": None}, "ch_1"),
        ({"id": "cs_1", "payment_intent": None}, "cs_1"),
    ],
)
def test_all_objects_of_a_payment_lead_to_it(subject: dict[str, Any], ref: str) -> None:
    assert _extract("charge.failed", subject).provider_ref == ref


def test_checkout_names_the_merchants_reference_and_the_total() -> None:
    session = {"client_reference_id": "order-7", "amount_total": 1999, "currency": "eur", "payment_status": "paid"}
    event = _extract("checkout.session.completed", session)
    assert (event.merchant_ref, event.amount_minor, event.currency) == ("order-7", 1999, "EUR")


@pytest.mark.parametrize(
    ("metadata", "ref"),
    [
        ({"order_id": "6735"}, "6735"),
        ({"reference": "r"}, "r"),
        ({"order_id": "x" * 500}, None),  # Stripe allows 500 characters, our column 255
        ({"order_id": "x" * 500, "reference": "r"}, "r"),
        ({"order_id": ["a"]}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_merchants_own_data_is_never_refused(metadata: object, ref: str | None) -> None:
    assert _extract("payment_intent.succeeded", {"metadata": metadata}).merchant_ref == ref


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [(500, "jpy", 500), (500, "mga", 50_000), (50_000, "isk", 500), (1230, "kwd", 1230)],
)
def test_stripes_smallest_unit_becomes_iso_minor_units(amount: int, currency: str, minor: int) -> None:
    event = _extract("payment_intent.created", {"amount": amount, "currency": currency})
    assert event.amount_minor == minor


def test_what_was_received_counts_when_less_was_captured() -> None:
    subject = {"amount": 2000, "amount_received": 1500, "currency": "usd"}
    assert _extract("payment_intent.succeeded", subject).amount_minor == 1500


def test_a_thin_event_has_a_name_and_a_time_only() -> None:
    body = b'{"id":"evt_2","object":"v2.core.event","type":"v1.billing.meter","created":"2026-07-25T17:20:00.5Z"}'
    event = STRIPE.extract(_webhook("", body))
    assert (event.event_id, event.payment_status, event.provider_ref) == ("evt_2", None, None)
    assert event.occurred_at is not None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "body"),
        ({}, "type"),
        ({"type": "a"}, "id"),
        ({"type": "a", "id": 1}, "id"),
        ({"type": "a", "id": "x" * 513}, "id"),
        ({"type": "a", "id": "e", "data": []}, "data"),
        ({"type": "a", "id": "e", "data": {"object": "pi"}}, "data.object"),
        ({"type": "a", "id": "e", "data": {"object": {"id": {}}}}, "data.object.id"),
        ({"type": "a", "id": "e", "data": {"object": {"id": "x" * 256}}}, "data.object.id"),
        ({"type": "a", "id": "e", "created": "now"}, "created"),
        ({"type": "a", "id": "e", "created": 1785000000000}, "created"),
        ({"type": "a", "id": "e", "created": True}, "created"),
        ({"type": "charge.failed", "id": "e", "data": {"object": {"currency": "dollar"}}}, "data.object.currency"),
    ],
)
def test_a_wrong_field_is_named(document: object, field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        STRIPE.extract(_webhook("", json.dumps(document).encode()))
    assert (caught.value.reason, caught.value.field) == (Reason.EVENT_FIELD_INVALID, field)


@pytest.mark.parametrize("amount", [-1, 20.5, "2000", True, 10**15 + 1, []])
def test_a_wrong_amount_is_refused(amount: object) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract("charge.failed", {"amount": amount, "currency": "usd"})
    assert caught.value.field == "data.object.amount"
