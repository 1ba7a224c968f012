"""Midtrans: payment notifications, SNAP notifications, and those of payouts (Iris)."""

from datetime import timedelta, timezone
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))
# Status → transaction_status, status_code.
_WORDS = {
    _S.PENDING: ("pending", "201"),
    _S.AUTHORIZED: ("authorize", "200"),
    _S.SUCCEEDED: ("settlement", "200"),
    _S.FAILED: ("deny", "202"),
    _S.CANCELED: ("cancel", "202"),
    _S.EXPIRED: ("expire", "202"),
    _S.REFUNDED: ("refund", "200"),
    _S.PARTIALLY_REFUNDED: ("partial_refund", "200"),
    _S.CHARGEBACK: ("chargeback", "200"),
}
_SNAP_CODES = {_S.PENDING: "03", _S.SUCCEEDED: "00", _S.FAILED: "06", _S.CANCELED: "05", _S.REFUNDED: "04"}


def midtrans(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is the transaction_id, `merchant_ref` the order_id. The signer adds signature_key."""
    word, code = event_for("midtrans", _WORDS, facts.status)
    time = facts.occurred_at.astimezone(_WIB).strftime("%Y-%m-%d %H:%M:%S")
    body = {
        "transaction_time": time,
        "transaction_status": word,
        "transaction_id": facts.payment_ref,
        "status_message": "midtrans payment notification",
        "status_code": code,
        "payment_type": "credit_card",
        "order_id": facts.merchant_ref,
        "merchant_id": "G141532850",
        "gross_amount": money.major_text(facts.amount_minor, facts.currency),
        "fraud_status": "accept",
        "currency": facts.currency,
    }
    if facts.status is _S.SUCCEEDED:
        body["settlement_time"] = time
    if facts.status in (_S.REFUNDED, _S.PARTIALLY_REFUNDED):
        body["refund_amount"] = money.major_text(facts.refunded_minor, facts.currency)
    return body


def midtrans_snap(facts: PaymentFacts) -> dict[str, Any]:
    """SNAP, for scheme `snap_rsa`."""
    code = event_for("midtrans SNAP", _SNAP_CODES, facts.status)
    return {
        "originalPartnerReferenceNo": facts.merchant_ref,
        "originalReferenceNo": facts.payment_ref,
        "amount": {"value": money.major_text(facts.amount_minor, facts.currency), "currency": facts.currency},
        "latestTransactionStatus": code,
        "transactionStatusDesc": facts.status.value,
        "transactionDate": facts.occurred_at.astimezone(_WIB).isoformat(timespec="seconds"),
    }


def midtrans_payout(facts: PaymentFacts) -> dict[str, Any]:
    """A payout, for scheme `iris`: `payment_ref` is its reference. Raises ValueError for any status but succeeded."""
    event_for("midtrans payout", {_S.SUCCEEDED: "completed"}, facts.status)
    return {
        "reference_no": facts.payment_ref,
        "amount": money.major_text(facts.amount_minor, facts.currency),
        "status": "completed",
        "updated_at": facts.occurred_at.astimezone(_WIB).isoformat(timespec="seconds"),
    }
