"""The simulator's traffic is what the providers' rules accept, and says what was asked for."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SignatureError, Webhook
from tenrusl.simulator import BUILDERS, build, sign_webhook, simulated_credentials

NOW = datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
S = PaymentStatus
FACTS: dict[str, Any] = {"payment_ref": "pay-1", "merchant_ref": "order-1", "currency": "IDR"}
_DISPUTES = (S.DISPUTED, S.CHARGEBACK)
# What a provider has no event for.
MISSING: dict[str, tuple[PaymentStatus, ...]] = {
    "xendit": (S.CANCELED, S.REFUNDED, *_DISPUTES),
    "midtrans": (S.DISPUTED,),
    "airwallex": (S.EXPIRED, S.REFUNDED),
    "lemonsqueezy": (S.AUTHORIZED, S.EXPIRED, S.CANCELED, *_DISPUTES),
    "oy": (S.AUTHORIZED, S.REFUNDED, S.PARTIALLY_REFUNDED, *_DISPUTES),
    "paddle": (S.AUTHORIZED, S.EXPIRED),
    "payoneer": (S.EXPIRED, S.DISPUTED),
    "skrill": (S.AUTHORIZED, S.EXPIRED, S.REFUNDED, S.PARTIALLY_REFUNDED, S.DISPUTED),
    "tripay": (S.PENDING, S.AUTHORIZED, S.CANCELED, S.PARTIALLY_REFUNDED, *_DISPUTES),
    "paypal": (S.EXPIRED, S.PARTIALLY_REFUNDED),
    "dana": tuple(status for status in S if status not in (S.PENDING, S.SUCCEEDED, S.EXPIRED)),
    "doku": (S.AUTHORIZED, S.CANCELED, S.PARTIALLY_REFUNDED, S.DISPUTED, S.CHARGEBACK),
}
WITHOUT_TIME = {"skrill": tuple(S), "tripay": (S.FAILED, S.EXPIRED)}
# What a payload about a refund or a dispute leaves out.
WITHOUT_MERCHANT_REF = {
    "xendit": (S.PARTIALLY_REFUNDED,),
    "paddle": (S.REFUNDED, S.PARTIALLY_REFUNDED, *_DISPUTES),
}
WITH_ONE_AMOUNT = ("mock", "standardwebhooks")
CASES = [(name, status) for name in BUILDERS for status in PaymentStatus if status not in MISSING.get(name, ())]


def _build(name: str, status: PaymentStatus, **options: Any) -> bytes:
    facts: dict[str, Any] = {
        "payment_ref": "pay-1",
        "merchant_ref": "order-1",
        "amount_minor": 123_400,
        "currency": "IDR",
    }
    return build(name, status=status, occurred_at=NOW, rng=random.Random(7), **(facts | options))


@pytest.mark.parametrize(("name", "status"), CASES)
def test_a_built_and_signed_payload_is_accepted_and_says_what_was_asked_for(name: str, status: PaymentStatus) -> None:
    provider = PROVIDERS[name]
    credentials = simulated_credentials(provider, random.Random(1))
    signed = sign_webhook(provider, _build(name, status), credentials, NOW.timestamp())
    path, headers = f"/api/webhooks/{name}", Headers(list(signed.headers.items()))  # some sign the path, too
    webhook = Webhook(method="POST", path=path, headers=headers, body=signed.body, source_ip="127.0.0.1")
    assert provider.verify(webhook, credentials, NOW.timestamp()).valid
    event = provider.extract(webhook)
    amount = 61_700 if status is S.PARTIALLY_REFUNDED and name not in WITH_ONE_AMOUNT else 123_400
    assert (event.payment_status, event.amount_minor, event.currency) == (status, amount, "IDR")
    assert event.provider_ref == "pay-1"
    assert event.occurred_at == (None if status in WITHOUT_TIME.get(name, ()) else NOW)
    assert event.merchant_ref == (None if status in WITHOUT_MERCHANT_REF.get(name, ()) else "order-1")


@pytest.mark.parametrize(("name", "status"), [(name, status) for name, found in MISSING.items() for status in found])
def test_a_status_without_an_event_is_named(name: str, status: PaymentStatus) -> None:
    with pytest.raises(ValueError, match=status.value):
        _build(name, status)


def test_unknown_providers_and_schemes_are_named() -> None:
    with pytest.raises(ValueError, match="nobody"):
        _build("nobody", S.PENDING)
    with pytest.raises(ValueError, match="v9"):
        sign_webhook(PROVIDERS["stripe"], b"{}", Credentials(), 0, scheme="v9")
    with pytest.raises(SignatureError):
        sign_webhook(PROVIDERS["stripe"], b"{}", Credentials(), 0)


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 500), ("KWD", 1230), ("ISK", 500), ("MGA", 50_000)])
@pytest.mark.parametrize(
    "name", ["stripe", "xendit", "midtrans", "airwallex", "lemonsqueezy", "paddle", "payoneer", "skrill"]
)
def test_other_exponents_survive(name: str, currency: str, minor: int) -> None:
    body = _build(name, S.SUCCEEDED, amount_minor=minor, currency=currency)
    event = PROVIDERS[name].extract(Webhook(method="POST", path="/", headers=Headers([]), body=body))
    assert (event.amount_minor, event.currency) == (minor, currency)


def test_a_stripe_payload_has_about_a_kilobyte() -> None:
    assert 900 <= len(_build("stripe", S.SUCCEEDED)) <= 1200


def test_the_same_seed_gives_the_same_payload_and_another_another() -> None:
    one: dict[str, Any] = {
        "amount_minor": 1,
        "currency": "USD",
        "payment_ref": "p",
        "merchant_ref": "m",
        "occurred_at": NOW,
    }
    first, second, third = (build("stripe", status=S.PENDING, rng=random.Random(seed), **one) for seed in (1, 1, 2))
    assert first == second != third


def test_extra_fields_carry_the_directives_of_mock() -> None:
    body = _build("mock", S.SUCCEEDED, event_id="evt_1", extra={"directives": {"fail_first": 2}})
    document = json.loads(body)
    assert (document["id"], document["directives"]) == ("evt_1", {"fail_first": 2})
