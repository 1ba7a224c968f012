"""Skrill: what the signature covers, and what it does not."""

import hashlib
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Webhook
from tenrusl.simulator import sign_webhook
from tests.unit.providers.webhook_requests import credentials_of, request

SKRILL = PROVIDERS["skrill"]
CREDENTIALS = credentials_of(merchant_id="4637827", secret_word="word")
PAYMENT = {
    "transaction_id": "A-1",
    "mb_transaction_id": "200234",
    "mb_amount": "9.99",
    "mb_currency": "EUR",
    "amount": "11.50",
    "currency": "USD",
    "status": "2",
}


def _signed(**fields: str) -> Webhook:
    return request(sign_webhook(SKRILL, urlencode(PAYMENT | fields).encode(), CREDENTIALS, 0).body)


def _altered(webhook: Webhook, **fields: str) -> Webhook:
    return request(urlencode(dict(webhook.form) | fields).encode())


@pytest.mark.parametrize("fields", [{"mb_amount": "9.98"}, {"mb_currency": "USD"}, {"status": "0"}, {"sha2sig": ""}])
def test_a_signed_field_cannot_be_changed(fields: dict[str, str]) -> None:
    assert SKRILL.verify(_signed(), CREDENTIALS, 0).valid
    assert not SKRILL.verify(_altered(_signed(), **fields), CREDENTIALS, 0).valid


def test_the_amount_that_was_requested_is_not_covered_and_the_verdict_says_so() -> None:
    verdict = SKRILL.verify(_altered(_signed(), amount="0.01"), CREDENTIALS, 0)
    assert (verdict.valid, verdict.body_covered) == (True, False)


def test_digits_cannot_be_moved_between_amount_currency_and_state() -> None:
    webhook = _altered(_signed(), mb_amount="9.9", mb_currency="9EUR")
    assert SKRILL.verify(webhook, CREDENTIALS, 0).reason is Reason.SIGNATURE_MALFORMED


def test_a_right_signature_of_another_merchant_is_refused() -> None:
    theirs = credentials_of(merchant_id="1", secret_word="word")
    body = sign_webhook(SKRILL, urlencode(PAYMENT).encode(), theirs, 0).body
    assert SKRILL.verify(request(body), CREDENTIALS, 0).reason is Reason.SIGNATURE_MISMATCH


def test_sha2sig_alone_is_not_enough() -> None:
    form = {name: value for name, value in _signed().form.items() if name != "md5sig"}
    assert SKRILL.verify(request(urlencode(form).encode()), CREDENTIALS, 0).reason is Reason.SIGNATURE_MISSING


def test_a_field_that_stands_twice_is_refused() -> None:
    webhook = request(_signed().body + b"&status=2")
    assert SKRILL.verify(webhook, CREDENTIALS, 0).reason is Reason.BODY_MALFORMED


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def test_a_withdrawn_permission_is_verified_and_tells_no_payment() -> None:
    inner = _md5("word")
    fields = {"merchant_id": "4637827", "transaction_id": "A-1", "status": "-1", "rec_payment_id": "77"}
    fields["md5sig"] = _md5(f"4637827A-1{inner}-177")
    webhook = request(urlencode(fields).encode())
    assert SKRILL.verify(webhook, CREDENTIALS, 0).valid
    event = SKRILL.extract(webhook)
    assert (event.event_id, event.payment_status) == ("recurring:77:-1", None)


@pytest.mark.parametrize(
    ("word", "status"),
    [("2", PaymentStatus.SUCCEEDED), ("0", PaymentStatus.PENDING), ("-3", PaymentStatus.CHARGEBACK), ("3", None)],
)
def test_a_code_means_this_state(word: str, status: PaymentStatus | None) -> None:
    event = SKRILL.extract(_signed(status=word))
    assert (event.payment_status, event.event_id) == (status, f"200234:{word}")


@pytest.mark.parametrize("word", ["2", "0", "-2"])
def test_a_refund_is_never_a_payment_that_succeeded(word: str) -> None:
    """It has the fields and states of a payment; only the address that the merchant gave for it tells."""
    event = SKRILL.extract(replace(_signed(status=word), query="event=refund"))
    assert (event.event_id, event.event_type, event.payment_status) == (f"refund:200234:{word}", f"refund.{word}", None)
    assert (event.provider_ref, event.merchant_ref) == ("200234", "A-1")
    assert (event.amount_minor, event.currency) == (999, "EUR")


def test_without_the_requested_amount_that_of_the_account_counts() -> None:
    event = SKRILL.extract(request(b"mb_transaction_id=1&status=2&mb_amount=9.9900&mb_currency=EUR"))
    assert (event.amount_minor, event.currency) == (999, "EUR")


@pytest.mark.parametrize("body", [b"", b"status=2", b"status=2&mb_transaction_id=1&amount=x&currency=EUR"])
def test_a_body_without_what_is_needed_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedWebhookError):
        SKRILL.extract(request(body))
