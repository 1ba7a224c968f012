"""Midtrans: what the signed fields must look like, and what each notification says."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Credentials, ExtractedEvent, Headers, SecretVersion, Verdict, Webhook
from tenrusl.secret import Secret

MIDTRANS = PROVIDERS["midtrans"]
KEY = "SB-Mid-server-1"
CREDENTIALS = Credentials({"server_key": (SecretVersion("current", Secret(KEY)),)})
S = PaymentStatus


def _webhook(document: object, headers: list[tuple[str, str]] | None = None) -> Webhook:
    return Webhook(method="POST", path="/", headers=Headers(headers or []), body=json.dumps(document).encode())


def _notification(**fields: Any) -> dict[str, Any]:
    return {
        "transaction_id": "tx-1",
        "order_id": "order-1",
        "transaction_status": "settlement",
        "status_code": "200",
        "gross_amount": "10000.00",
        "transaction_time": "2020-01-09 18:27:19",
        **fields,
    }


def _extract(**fields: Any) -> ExtractedEvent:
    return MIDTRANS.extract(_webhook(_notification(**fields)))


def _signed(*parts: str) -> str:
    return hashlib.sha512("".join((*parts, KEY)).encode()).hexdigest()


@pytest.mark.parametrize(
    ("word", "code", "fraud", "status"),
    [
        ("capture", "200", "accept", S.SUCCEEDED),
        ("capture", "200", None, S.SUCCEEDED),
        ("capture", "201", "challenge", S.PENDING),
        ("capture", "200", "challenge", S.PENDING),
        ("capture", "202", "deny", S.FAILED),
        ("capture", "200", "unheard_of", S.PENDING),
        ("settlement", "200", "accept", S.SUCCEEDED),
        ("settlement", "200", None, S.SUCCEEDED),
        ("settlement", "200", "challenge", S.PENDING),
        ("pending", "201", "accept", S.PENDING),
        ("authorize", "200", "accept", S.AUTHORIZED),
        ("deny", "202", "accept", S.FAILED),
        ("deny", "202", None, S.FAILED),
        ("failure", "202", None, S.FAILED),
        ("cancel", "202", None, S.CANCELED),
        ("expire", "202", None, S.EXPIRED),
        ("refund", "200", None, S.REFUNDED),
        ("partial_refund", "200", None, S.PARTIALLY_REFUNDED),
        ("chargeback", "200", None, S.CHARGEBACK),
        ("partial_chargeback", "200", None, S.CHARGEBACK),
        ("unheard_of", "200", "accept", None),
    ],
)
def test_a_notification_tells_this_state(word: str, code: str, fraud: str | None, status: PaymentStatus | None) -> None:
    event = _extract(transaction_status=word, status_code=code, fraud_status=fraud)
    assert event.payment_status is status
    assert event.event_id.startswith(f"tx-1:{word}:{code}:{fraud or ''}")


def test_a_pending_notification_relabelled_as_settled_is_refused() -> None:
    """transaction_status is not signed, status_code is."""
    pending = _notification(status_code="201", signature_key=_signed("order-1", "201", "10000.00"))
    forged = _webhook(pending | {"transaction_status": "settlement"})
    assert MIDTRANS.verify(forged, CREDENTIALS, 0).valid
    with pytest.raises(MalformedWebhookError) as caught:
        MIDTRANS.extract(forged)
    assert caught.value.field == "transaction_status"


def test_digits_cannot_move_between_the_signed_fields() -> None:
    signature = _signed("A", "201", "200000.00")  # reads as well as A201, 200, 000.00
    moved = _notification(order_id="A201", status_code="200", gross_amount="000.00", signature_key=signature)
    assert MIDTRANS.verify(_webhook(moved), CREDENTIALS, 0) == Verdict(Reason.EVENT_FIELD_INVALID)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"signature_key": None}, Reason.SIGNATURE_MISSING),
        ({"signature_key": ""}, Reason.SIGNATURE_MISSING),
        ({"signature_key": 1}, Reason.SIGNATURE_MALFORMED),
        ({"signature_key": "é"}, Reason.SIGNATURE_MISMATCH),
        ({"gross_amount": 10000}, Reason.EVENT_FIELD_INVALID),
        ({"status_code": 200}, Reason.EVENT_FIELD_INVALID),
        ({"order_id": None}, Reason.EVENT_FIELD_INVALID),
    ],
)
def test_a_notification_that_cannot_be_checked_is_refused(fields: dict[str, Any], reason: Reason) -> None:
    document = _notification(signature_key=_signed("order-1", "200", "10000.00")) | fields
    assert MIDTRANS.verify(_webhook(document), CREDENTIALS, 0) == Verdict(reason)


@pytest.mark.parametrize("document", [[], "text", 1, None])
def test_a_body_that_is_no_object_has_no_signature(document: object) -> None:
    assert MIDTRANS.verify(_webhook(document), CREDENTIALS, 0) == Verdict(Reason.SIGNATURE_MISSING)


def test_two_partial_refunds_of_one_amount_are_two_events() -> None:
    def key(*keys: str) -> str:
        refunds = [{"refund_key": key, "refund_amount": "10.00"} for key in keys]
        return _extract(transaction_status="partial_refund", refund_amount="10.00", refunds=refunds).event_id

    assert key("a") != key("a", "b")
    assert key("a", "b") == key("b", "a")


def test_times_are_those_of_jakarta() -> None:
    assert _extract().occurred_at == datetime(2020, 1, 9, 11, 27, 19, tzinfo=UTC)


@pytest.mark.parametrize(("amount", "text"), [("2500.00", "2500.00"), ("2500", "2500"), (2500, "2500.00")])
def test_a_refunds_amount_may_be_a_number(amount: object, text: str) -> None:
    event = _extract(transaction_status="partial_refund", refund_amount=amount)
    assert (event.event_id, event.amount_minor) == (f"tx-1:partial_refund:200::{text}", 250_000)


def test_a_payout_is_recorded_and_changes_no_payment() -> None:
    body = {"reference_no": "iris-1", "amount": "200000.00", "status": "completed", "transaction_status": "settlement"}
    event = MIDTRANS.extract(_webhook(body, [("iris-signature", "00")]))
    assert (event.event_id, event.payment_status, event.amount_minor) == ("payout:iris-1:completed", None, 20_000_000)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("00", S.SUCCEEDED),
        ("01", S.PENDING),
        ("03", S.PENDING),
        ("04", S.REFUNDED),
        ("05", S.CANCELED),
        ("06", S.FAILED),
        ("07", None),
    ],
)
def test_a_snap_notification_tells_this_state(code: str, status: PaymentStatus | None) -> None:
    body = {
        "originalPartnerReferenceNo": "order-1",
        "originalReferenceNo": "A1",
        "amount": {"value": "102800.00", "currency": "IDR"},
        "latestTransactionStatus": code,
    }
    event = MIDTRANS.extract(_webhook(body, [("X-Signature", "AA==")]))
    assert (event.event_id, event.payment_status) == (f"snap:A1:{code}", status)
    assert (event.merchant_ref, event.amount_minor) == ("order-1", 10_280_000)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"transaction_id": None}, "transaction_id"),
        ({"transaction_id": "x" * 256}, "transaction_id"),
        ({"gross_amount": "10000.005"}, "gross_amount"),
        ({"gross_amount": "-1"}, "gross_amount"),
        ({"transaction_time": "9999-99-99"}, "transaction_time"),
        ({"fraud_status": 1}, "fraud_status"),
        ({"transaction_status": "refund", "refunds": {}}, "refunds"),
        ({"transaction_status": "refund", "refunds": [1]}, "refunds"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract(**fields)
    assert caught.value.field == field
