"""Payloads as the providers send them, for a state of a payment. Shapes: docs/providers."""

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money, stripe
from tenrusl.simulator.facts import PaymentFacts, event_for, major_number
from tenrusl.simulator.payloads_airwallex import airwallex
from tenrusl.simulator.payloads_dana import dana
from tenrusl.simulator.payloads_doku import doku, doku_direct_debit, doku_token_request, doku_virtual_account
from tenrusl.simulator.payloads_lemonsqueezy import lemonsqueezy
from tenrusl.simulator.payloads_midtrans import midtrans, midtrans_payout, midtrans_snap
from tenrusl.simulator.payloads_oy import oy
from tenrusl.simulator.payloads_paddle import paddle, paddle_classic
from tenrusl.simulator.payloads_payoneer import payoneer
from tenrusl.simulator.payloads_paypal import paypal
from tenrusl.simulator.payloads_skrill import skrill
from tenrusl.simulator.payloads_standardwebhooks import standardwebhooks
from tenrusl.simulator.payloads_tripay import tripay

_S = PaymentStatus


def build(
    provider_name: str,
    *,
    status: PaymentStatus,
    payment_ref: str,
    merchant_ref: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    rng: random.Random,
    event_id: str | None = None,
    refunded_minor: int | None = None,
    extra: Mapping[str, Any] | None = None,
    scheme: str | None = None,
) -> bytes:
    """The unsigned body, JSON or a form, that tells `status` of a payment.

    event_id: by default a new one from `rng`. refunded_minor: by default all for `refunded`, half for
    `partially_refunded`. occurred_at: with time zone, to the second. scheme: by which it will be signed, where
    another interface of the provider sends other bodies. Raises ValueError for a provider without a builder, and
    for a status that the provider has no event for.
    """
    builder = _OTHER_INTERFACES.get((provider_name, scheme)) or BUILDERS.get(provider_name)
    if builder is None:
        raise ValueError(f"no payloads for provider {provider_name!r}")
    facts = PaymentFacts(
        status=status,
        event_id=event_id or f"evt_{rng.getrandbits(96):024x}",
        payment_ref=payment_ref,
        merchant_ref=merchant_ref,
        amount_minor=amount_minor,
        currency=currency,
        occurred_at=occurred_at,
        refunded_minor=refunded_minor if refunded_minor is not None else _refunded(status, amount_minor),
        extra=extra or {},
    )
    fields = builder(facts) | dict(facts.extra)
    if builder in _FORMS:
        return urlencode(fields).encode()
    return json.dumps(fields, separators=(",", ":")).encode()


def _refunded(status: PaymentStatus, amount_minor: int) -> int:
    return amount_minor if status is _S.REFUNDED else (amount_minor + 1) // 2


def _mock(facts: PaymentFacts) -> dict[str, Any]:
    return {
        "id": facts.event_id,
        "type": f"payment.{facts.status.value}",
        "occurred_at": facts.occurred_at.isoformat(timespec="seconds"),
        "data": {
            "id": facts.payment_ref,
            "status": facts.status.value,
            "amount_minor": facts.amount_minor,
            "currency": facts.currency,
            "merchant_ref": facts.merchant_ref,
        },
    }


# Status → event type, kind of object, the object's own state.
_STRIPE: dict[PaymentStatus, tuple[str, str, dict[str, Any]]] = {
    _S.PENDING: ("payment_intent.processing", "payment_intent", {"status": "processing"}),
    _S.AUTHORIZED: ("payment_intent.amount_capturable_updated", "payment_intent", {"status": "requires_capture"}),
    _S.SUCCEEDED: ("payment_intent.succeeded", "payment_intent", {"status": "succeeded"}),
    _S.FAILED: ("payment_intent.payment_failed", "payment_intent", {"status": "requires_payment_method"}),
    _S.CANCELED: ("payment_intent.canceled", "payment_intent", {"status": "canceled"}),
    _S.EXPIRED: ("charge.expired", "charge", {"status": "failed", "captured": False}),
    _S.REFUNDED: ("charge.refunded", "charge", {"status": "succeeded", "captured": True, "refunded": True}),
    _S.PARTIALLY_REFUNDED: ("charge.refunded", "charge", {"status": "succeeded", "captured": True, "refunded": False}),
    _S.DISPUTED: ("charge.dispute.created", "dispute", {"status": "needs_response", "reason": "fraudulent"}),
    _S.CHARGEBACK: ("charge.dispute.closed", "dispute", {"status": "lost", "reason": "fraudulent"}),
}


def _stripe(facts: PaymentFacts) -> dict[str, Any]:
    event_type, kind, state = event_for("stripe", _STRIPE, facts.status)
    tail = facts.event_id.removeprefix("evt_")
    amount = _stripe_units(facts.amount_minor, facts.currency)
    subject: dict[str, Any] = {
        "id": facts.payment_ref if kind == "payment_intent" else f"{kind[:2]}_{tail}",
        "object": kind,
        "amount": amount,
        "currency": facts.currency.lower(),
        "created": int(facts.occurred_at.timestamp()) - 30,
        "description": "Order of a customer",
        "livemode": False,
        "metadata": {"order_id": facts.merchant_ref},
        **state,
    }
    if kind == "payment_intent":
        subject |= {
            "amount_capturable": amount if facts.status is _S.AUTHORIZED else 0,
            "amount_received": amount if facts.status is _S.SUCCEEDED else 0,
            "capture_method": "automatic",
            "client_secret": f"{facts.payment_ref}_secret_{tail}",
            "confirmation_method": "automatic",
            "payment_method": f"pm_{tail}",
            "payment_method_options": {
                "card": {"installments": None, "network": None, "request_three_d_secure": "automatic"}
            },
            "payment_method_types": ["card"],
            "receipt_email": None,
            "statement_descriptor_suffix": None,
            "transfer_group": None,
        }
    else:
        subject |= {"payment_intent": facts.payment_ref, "balance_transaction": f"txn_{tail}"}
    if event_type == "charge.refunded":
        subject["amount_refunded"] = _stripe_units(facts.refunded_minor, facts.currency)
    return {
        "id": facts.event_id,
        "object": "event",
        "api_version": "2024-06-20",
        "created": int(facts.occurred_at.timestamp()),
        "type": event_type,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": f"req_{tail[:14]}", "idempotency_key": f"key-{tail}"},
        "data": {"object": subject},
    }


def _stripe_units(amount_minor: int, currency: str) -> int:
    digits = stripe.smallest_unit_digits(currency)
    return int(amount_minor * 10**digits // 10 ** money.exponent(currency))


_XENDIT_INVOICE = {_S.PENDING: "PENDING", _S.SUCCEEDED: "PAID", _S.EXPIRED: "EXPIRED"}
_XENDIT_PAYMENT = {
    _S.AUTHORIZED: ("payment.authorization", "AUTHORIZED"),
    _S.FAILED: ("payment.failure", "FAILED"),
}


def _xendit(facts: PaymentFacts) -> dict[str, Any]:
    """An invoice where invoices know the status, else an event of the payments API v3.

    No event tells a whole refund from a part: a refund's payload does not say what was paid.
    """
    time = facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if facts.status in _XENDIT_INVOICE:
        return {
            "id": facts.payment_ref,
            "external_id": facts.merchant_ref,
            "user_id": "6279ce4495d10c9afc3171b8",
            "status": _XENDIT_INVOICE[facts.status],
            "is_high": False,
            "amount": major_number(facts.amount_minor, facts.currency),
            "currency": facts.currency,
            "payment_method": "BANK_TRANSFER",
            "payment_channel": "MANDIRI",
            "created": time,
            "updated": time,
        }
    if facts.status is _S.PARTIALLY_REFUNDED:
        event, word = "refund.succeeded", "SUCCEEDED"
        data: dict[str, Any] = {
            "id": f"rfd-{facts.event_id.removeprefix('evt_')}",
            "invoice_id": facts.payment_ref,
            "amount": major_number(facts.refunded_minor, facts.currency),
            "reason": "REQUESTED_BY_CUSTOMER",
        }
    else:
        event, word = event_for("xendit", _XENDIT_PAYMENT, facts.status)
        data = {
            "payment_id": facts.payment_ref,
            "reference_id": facts.merchant_ref,
            "request_amount": major_number(facts.amount_minor, facts.currency),
            "channel_code": "CARDS",
        }
    data |= {"status": word, "currency": facts.currency, "created": time, "updated": time}
    business = "6094fa76c2fd53701b8e079c"
    return {"event": event, "business_id": business, "created": time, "api_version": "v3", "data": data}


BUILDERS: Mapping[str, Callable[[PaymentFacts], dict[str, Any]]] = {
    "mock": _mock,
    "stripe": _stripe,
    "xendit": _xendit,
    "midtrans": midtrans,
    "paypal": paypal,
    "dana": dana,
    "doku": doku,
    "airwallex": airwallex,
    "lemonsqueezy": lemonsqueezy,
    "oy": oy,
    "paddle": paddle,
    "payoneer": payoneer,
    "skrill": skrill,
    "standardwebhooks": standardwebhooks,
    "tripay": tripay,
}
# By provider and scheme.
_OTHER_INTERFACES: Mapping[tuple[str, str | None], Callable[[PaymentFacts], dict[str, Any]]] = {
    ("doku", "snap_token_request"): doku_token_request,
    ("doku", "snap_symmetric"): doku_virtual_account,
    ("doku", "snap_rsa"): doku_direct_debit,
    ("midtrans", "iris"): midtrans_payout,
    ("midtrans", "snap_rsa"): midtrans_snap,
    ("paddle", "classic_rsa"): paddle_classic,
}
_FORMS = frozenset({payoneer, skrill, paddle_classic})  # all others send JSON
