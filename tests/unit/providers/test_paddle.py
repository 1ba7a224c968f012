"""Paddle: Billing's window and states, Classic by configuration."""

import random
from typing import Any
from urllib.parse import urlencode

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import ExtractedEvent, Verdict
from tenrusl.simulator import sign_webhook, simulated_credentials
from tests.unit.providers.webhook_requests import credentials_of, json_request, request

PADDLE = PROVIDERS["paddle"]
SENT = 1_785_000_000
BILLING = credentials_of(secret_key="pdl_ntfset_1")
BOTH = simulated_credentials(PADDLE, random.Random(1))
CLASSIC_FORM = b"alert_id=1&alert_name=payment_succeeded&order_id=9&sale_gross=29.99&currency=USD"
S = PaymentStatus


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (SENT + 5, None),
        (SENT - 5, None),
        (SENT + 5.01, Reason.TIMESTAMP_STALE),
        (SENT - 5.01, Reason.TIMESTAMP_IN_FUTURE),
    ],
)
def test_the_window_is_five_seconds_either_way(now: float, reason: Reason | None) -> None:
    signed = sign_webhook(PADDLE, b"{}", BILLING, SENT)
    assert PADDLE.verify(request(b"{}", signed.headers), BILLING, now).reason is reason


@pytest.mark.parametrize(
    "value",
    ["ts=9" + "9" * 30 + ";h1=00", "ts=-1;h1=00", "ts=1785000000;h1=", "ts=1785000000;hx=00", ";;;", "ts=1;h1=00" * 99],
)
def test_an_odd_header_is_refused(value: str) -> None:
    assert not PADDLE.verify(request(b"{}", {"Paddle-Signature": value}), BILLING, SENT).valid


def test_many_signatures_in_one_header_are_refused_without_comparing() -> None:
    signed = sign_webhook(PADDLE, b"{}", BILLING, SENT)
    value = signed.headers["Paddle-Signature"] + ";h1=00" * 16
    assert PADDLE.verify(request(b"{}", {"Paddle-Signature": value}), BILLING, SENT) == Verdict(
        Reason.SIGNATURE_MALFORMED
    )


def test_classic_is_off_until_its_key_is_configured() -> None:
    signed = sign_webhook(PADDLE, CLASSIC_FORM, BOTH, SENT, scheme="classic_rsa")
    webhook = request(signed.body, signed.headers)
    assert PADDLE.verify(webhook, BOTH, SENT).valid
    assert PADDLE.verify(webhook, BILLING, SENT).reason is Reason.SIGNATURE_MISSING


def test_billing_and_classic_work_beside_each_other() -> None:
    signed = sign_webhook(PADDLE, b'{"a":1}', BOTH, SENT)
    assert PADDLE.verify(request(signed.body, signed.headers), BOTH, SENT).valid


def test_a_classic_form_in_front_of_which_json_stands_is_no_classic_form() -> None:
    signed = sign_webhook(PADDLE, CLASSIC_FORM, BOTH, SENT, scheme="classic_rsa")
    body = b'{"a":"&' + signed.body + b'&"}'
    assert not PADDLE.verify(request(body), BOTH, SENT).valid


def _extract(event_type: str, **data: Any) -> ExtractedEvent:
    event = {"event_id": "evt_1", "event_type": event_type, "data": {"id": "txn_1", "currency_code": "USD", **data}}
    return PADDLE.extract(json_request(event))


@pytest.mark.parametrize(
    ("event_type", "data", "status"),
    [
        ("transaction.ready", {"status": "ready"}, S.PENDING),
        ("transaction.billed", {"status": "billed"}, S.PENDING),
        ("transaction.updated", {"status": "completed"}, S.PENDING),
        ("transaction.paid", {"status": "paid"}, S.SUCCEEDED),
        ("transaction.completed", {}, S.SUCCEEDED),
        ("transaction.completed", {"status": "canceled"}, None),
        ("transaction.past_due", {"status": "past_due"}, S.FAILED),
        ("transaction.revised", {"status": "completed"}, None),
        ("subscription.canceled", {"status": "canceled"}, None),
        ("payout.paid", {"amount": "-5", "currency_code": "nonsense"}, None),
    ],
)
def test_a_transaction_tells_this_state(event_type: str, data: dict[str, Any], status: PaymentStatus | None) -> None:
    assert _extract(event_type, **data).payment_status is status


@pytest.mark.parametrize(
    ("action", "kind", "state", "status", "restores"),
    [
        ("refund", "full", "approved", S.REFUNDED, False),
        ("refund", "partial", "approved", S.PARTIALLY_REFUNDED, False),
        ("refund", "proration", "approved", S.PARTIALLY_REFUNDED, False),
        ("refund", "full", "pending_approval", S.SUCCEEDED, False),
        ("refund", "full", "rejected", S.SUCCEEDED, False),
        ("refund", "full", "unheard_of", None, False),
        ("refund", "full", "reversed", S.SUCCEEDED, True),
        ("chargeback", "full", "approved", S.CHARGEBACK, False),
        ("chargeback", "full", "reversed", S.SUCCEEDED, True),
        ("chargeback_warning", "full", "approved", S.DISPUTED, False),
        ("chargeback_reverse", "full", "approved", S.SUCCEEDED, True),
        ("chargeback_warning_reverse", "full", "approved", S.SUCCEEDED, True),
        ("credit", "full", "approved", None, False),
        ("credit", "full", "reversed", None, False),
    ],
)
def test_an_adjustment_tells_this_state(
    action: str, kind: str, state: str, status: PaymentStatus | None, restores: bool
) -> None:
    event = _extract("adjustment.updated", action=action, type=kind, status=state, transaction_id="txn_9")
    assert (event.payment_status, event.restores, event.provider_ref) == (status, restores, "txn_9")


@pytest.mark.parametrize(
    ("custom_data", "ref"),
    [
        ({"order_id": 77}, "77"),
        ({"reference": "r"}, "r"),
        ({"order_id": {"a": 1}}, None),
        ({"order_id": "x" * 256}, None),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_the_merchants_own_data_is_never_refused(custom_data: object, ref: str | None) -> None:
    assert _extract("transaction.created", custom_data=custom_data).merchant_ref == ref


def test_a_currency_without_minor_units_counts_whole() -> None:
    totals = {"totals": {"grand_total": "500", "total": "400"}}
    event = _extract("transaction.completed", currency_code="JPY", details=totals)
    assert (event.amount_minor, event.currency) == (500, "JPY")


@pytest.mark.parametrize("amount", ["1.5", "-5", "", "9" * 17, "\N{ARABIC-INDIC DIGIT FIVE}", 5])
def test_a_wrong_amount_is_refused_or_absent(amount: object) -> None:
    details = {"totals": {"grand_total": amount}}
    if amount == "":
        assert _extract("transaction.completed", details=details).amount_minor is None
        return
    with pytest.raises(MalformedWebhookError) as caught:
        _extract("transaction.completed", details=details)
    assert caught.value.field == "data.details.totals.grand_total"


def _classic(**fields: str) -> ExtractedEvent:
    return PADDLE.extract(request(urlencode({"alert_id": "1", "order_id": "9", "currency": "USD"} | fields).encode()))


@pytest.mark.parametrize(
    ("alert", "fields", "status", "minor"),
    [
        ("payment_succeeded", {"sale_gross": "29.99"}, S.SUCCEEDED, 2999),
        ("subscription_payment_succeeded", {"sale_gross": "5"}, S.SUCCEEDED, 500),
        ("subscription_payment_failed", {"amount": "10.00"}, S.FAILED, 1000),
        ("payment_refunded", {"refund_type": "full", "gross_refund": "29.99"}, S.REFUNDED, 2999),
        ("payment_refunded", {"refund_type": "vat", "gross_refund": "1.00"}, S.PARTIALLY_REFUNDED, 100),
        ("subscription_payment_refunded", {"refund_type": "partial"}, S.PARTIALLY_REFUNDED, None),
        ("payment_dispute_created", {"amount": "29.99"}, S.DISPUTED, 2999),
        ("payment_dispute_closed", {}, None, None),
        ("high_risk_transaction_created", {}, S.PENDING, None),
        ("subscription_created", {}, None, None),
    ],
)
def test_a_classic_alert_tells_this_state(
    alert: str, fields: dict[str, str], status: PaymentStatus | None, minor: int | None
) -> None:
    event = _classic(alert_name=alert, **fields)
    assert (event.payment_status, event.amount_minor, event.provider_ref) == (status, minor, "9")
    assert event.event_id == "1"


@pytest.mark.parametrize(
    ("passthrough", "ref"),
    [("A-1", "A-1"), ('{"order": "A-2"}', "A-2"), ('{"order": "\\u0000"}', None), ("{", None), ("x" * 300, None)],
)
def test_passthrough_may_be_a_reference_or_json(passthrough: str, ref: str | None) -> None:
    assert _classic(alert_name="payment_succeeded", passthrough=passthrough).merchant_ref == ref
