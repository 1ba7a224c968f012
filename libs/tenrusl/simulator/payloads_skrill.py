"""Skrill: the fields that the status_url gets. The signer adds merchant_id and the signatures."""

from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
_CODES = {_S.PENDING: "0", _S.SUCCEEDED: "2", _S.CANCELED: "-1", _S.FAILED: "-2", _S.CHARGEBACK: "-3"}


def skrill(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is the mb_transaction_id, `merchant_ref` the transaction_id."""
    amount = money.major_text(facts.amount_minor, facts.currency)
    code = event_for("skrill", _CODES, facts.status)
    fields = {
        "pay_to_email": "merchant@example.com",
        "pay_from_email": "payer@example.com",
        "transaction_id": facts.merchant_ref,
        "mb_transaction_id": facts.payment_ref,
        "mb_amount": amount,
        "mb_currency": facts.currency,
        "amount": amount,
        "currency": facts.currency,
        "status": code,
        "customer_id": "1234567",
        "payment_type": "WLT",
    }
    return fields | ({"failed_reason_code": "04"} if facts.status is _S.FAILED else {})
