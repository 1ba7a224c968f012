"""OY! Indonesia: callbacks of a payment link, in rupiah."""

from datetime import timedelta, timezone
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.simulator.facts import PaymentFacts, event_for, major_number

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))
_WORDS = {
    _S.PENDING: "waiting_payment",
    _S.SUCCEEDED: "complete",
    _S.FAILED: "failed",
    _S.EXPIRED: "expired",
    _S.CANCELED: "closed",
}


def oy(facts: PaymentFacts) -> dict[str, Any]:
    """Raises ValueError for another currency than IDR."""
    word = event_for("oy", _WORDS, facts.status)
    if facts.currency != "IDR":
        raise ValueError("oy knows IDR only")
    time = facts.occurred_at.astimezone(_WIB).strftime("%Y-%m-%dT%H:%M:%S")
    amount = major_number(facts.amount_minor, facts.currency)
    return {
        "partner_tx_id": facts.merchant_ref,
        "tx_ref_number": facts.payment_ref,
        "amount": amount,
        "paid_amount": amount,
        "sender_name": "Sender Name",
        "sender_bank": "008",
        "payment_method": "VA",
        "status": word,
        "settlement_type": "realtime",
        "settlement_status": "SUCCESS" if facts.status is _S.SUCCEEDED else "WAITING",
        "is_invoice": False,
        "created": time,
        "updated": time,
    }
