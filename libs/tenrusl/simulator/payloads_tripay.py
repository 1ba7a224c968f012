"""TriPay: callbacks of a closed payment, in rupiah."""

from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.simulator.facts import PaymentFacts, event_for, major_number

_S = PaymentStatus
_WORDS = {_S.SUCCEEDED: "PAID", _S.FAILED: "FAILED", _S.EXPIRED: "EXPIRED", _S.REFUNDED: "REFUND"}


def tripay(facts: PaymentFacts) -> dict[str, Any]:
    """Raises ValueError for another currency than IDR. The time is there for payments that were paid only."""
    word = event_for("tripay", _WORDS, facts.status)
    if facts.currency != "IDR":
        raise ValueError("tripay knows IDR only")
    paid = facts.status in (_S.SUCCEEDED, _S.REFUNDED)
    amount = major_number(facts.amount_minor, facts.currency)
    return {
        "reference": facts.payment_ref,
        "merchant_ref": facts.merchant_ref,
        "payment_method": "BCA Virtual Account",
        "payment_method_code": "BCAVA",
        "total_amount": amount,
        "fee_merchant": 0,
        "fee_customer": 0,
        "total_fee": 0,
        "amount_received": amount,
        "is_closed_payment": 1,
        "status": word,
        "paid_at": int(facts.occurred_at.timestamp()) if paid else None,
        "note": None,
    }
