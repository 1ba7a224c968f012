"""Standard Webhooks: the body that the specification recommends. The signer adds the id."""

from typing import Any

from tenrusl.simulator.facts import PaymentFacts


def standardwebhooks(facts: PaymentFacts) -> dict[str, Any]:
    """A type `payment.<status>` for every status."""
    return {
        "type": f"payment.{facts.status.value}",
        "timestamp": facts.occurred_at.isoformat(timespec="seconds"),
        "data": {
            "id": facts.payment_ref,
            "amount_minor": facts.amount_minor,
            "currency": facts.currency,
            "merchant_ref": facts.merchant_ref,
        },
    }
