"""Payoneer: secrets that are echoed, and one notification in three forms."""

import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import ExtractedEvent, Verdict
from tests.unit.providers.webhook_requests import credentials_of, json_request, request

PAYONEER = PROVIDERS["payoneer"]
S = PaymentStatus
TOKEN = {"List-Security-Token": "W&RR%d7o1"}


@pytest.mark.parametrize(
    "configured", ["List-Security-Token: W&RR%d7o1", "\nlist-security-token:W&RR%d7o1\n", json.dumps(TOKEN)]
)
def test_a_header_of_the_merchants_choice_is_compared(configured: str) -> None:
    credentials = credentials_of(notification_headers=configured)
    assert PAYONEER.verify(request(b"{}", TOKEN), credentials, 0).valid
    assert PAYONEER.verify(request(b"{}", TOKEN, method="GET"), credentials, 0).valid
    wrong = request(b"{}", {"List-Security-Token": "W&RR%d7o"})
    assert PAYONEER.verify(wrong, credentials, 0).reason is Reason.SIGNATURE_MISMATCH
    assert PAYONEER.verify(request(b"{}"), credentials, 0).reason is Reason.SIGNATURE_MISSING


def test_all_headers_of_a_version_must_be_there() -> None:
    credentials = credentials_of(notification_headers="A: 1\nB: 2")
    assert PAYONEER.verify(request(b"", {"A": "1", "B": "2"}), credentials, 0).valid
    assert not PAYONEER.verify(request(b"", {"A": "1"}), credentials, 0).valid


@pytest.mark.parametrize("configured", ["A:", "A", '{"A": ""}', '{"A": 1}', "{}", "{", " ", "A b: c", ": x"])
def test_headers_that_cannot_be_read_let_nobody_in(configured: str) -> None:
    webhook = request(b"", {"A": "", "A b": "c"})
    verdict = PAYONEER.verify(webhook, credentials_of(notification_headers=configured), 0)
    assert verdict.reason is Reason.CREDENTIALS_MISSING


@pytest.mark.parametrize(
    ("path", "query", "reason"),
    [
        ("/a/order_id/1/token/ab%2012", "", None),
        ("/a/token/ab%2012/", "", None),
        ("/api/webhooks/payoneer/ab%2012", "", None),
        ("/api/v1/webhooks/payoneer/ab%2012/", "entity=payment", None),
        ("/api/webhooks/payoneer/token/ab%2012", "", None),
        ("/api/webhooks/payoneer/ab%2012", "token=ab%2012", Reason.SIGNATURE_MALFORMED),
        ("/api/webhooks/payoneer/ab", "", Reason.SIGNATURE_MISMATCH),
        ("/api/webhooks/payoneer/x/ab%2012", "", Reason.SIGNATURE_MISSING),
        ("/api/webhooks/payoneer", "", Reason.SIGNATURE_MISSING),
        ("/api/webhooks/payoneer/", "", Reason.SIGNATURE_MISSING),
        ("/a", "token=ab%2012&entity=payment", None),
        ("/a", "entity=payment&token=ab", Reason.SIGNATURE_MISMATCH),
        ("/a/token/ab%2012", "token=ab%2012", Reason.SIGNATURE_MALFORMED),
        ("/a", "token=x&token=ab%2012", Reason.SIGNATURE_MALFORMED),
        ("/a/token/", "", Reason.SIGNATURE_MISSING),
        ("/a", "token=", Reason.SIGNATURE_MISSING),
        ("/a/tokens/ab%2012", "", Reason.SIGNATURE_MISSING),
        ("/a", "token=%ff%fe", Reason.SIGNATURE_MISMATCH),
    ],
)
def test_a_token_in_the_address_is_compared(path: str, query: str, reason: Reason | None) -> None:
    webhook = request(b"{}", path=path, query=query)
    assert PAYONEER.verify(webhook, credentials_of(url_token="ab 12"), 0).reason is reason


def test_header_and_address_may_both_be_configured() -> None:
    credentials = credentials_of(url_token="ab", notification_headers="List-Security-Token: W&RR%d7o1")
    assert PAYONEER.verify(request(b"", TOKEN), credentials, 0).valid
    assert PAYONEER.verify(request(b"", query="token=ab"), credentials, 0).valid
    assert not PAYONEER.verify(request(b"", TOKEN, query="token=no"), credentials, 0).valid


def test_the_invented_signature_is_off_until_its_secret_is_configured() -> None:
    webhook = request(b"{}", TOKEN | {"X-Payoneer-Signature": "0" * 64})
    headers_only = credentials_of(notification_headers="List-Security-Token: W&RR%d7o1")
    assert PAYONEER.verify(webhook, headers_only, 0).valid
    assert PAYONEER.verify(webhook, credentials_of(shared_secret="s"), 0).reason is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize("more", [{}, {"url_token": "ab"}, {"notification_headers": "A: 1"}])
def test_the_invented_signature_vouches_for_no_query(more: dict[str, str]) -> None:
    credentials = credentials_of(shared_secret="s", **more)
    webhook = request(b"", method="GET", query=urlencode(FIELDS))
    signed = {"X-Payoneer-Signature": hmac.digest(b"s", b"", "sha256").hex()}
    got = request(b"", signed, method="GET", query=urlencode(FIELDS))
    assert PAYONEER.verify(got, credentials, 0).reason is Reason.SIGNATURE_MALFORMED
    assert not PAYONEER.verify(webhook, credentials, 0).valid
    form = urlencode(FIELDS).encode()
    posted = request(form, {"X-Payoneer-Signature": hmac.digest(b"s", form, "sha256").hex()})
    assert PAYONEER.verify(posted, credentials, 0) == Verdict(None, "current", body_covered=True)


FIELDS = {
    "entity": "payment",
    "statusCode": "charged",
    "reasonCode": "debited",
    "longId": "62ff",
    "transactionId": "tr-1",
    "amount": "18.00",
    "currency": "USD",
    "notificationId": "22",
}


def test_query_form_and_json_say_the_same() -> None:
    form = urlencode(FIELDS)
    events = [
        PAYONEER.extract(request(b"", method="GET", query=form + "&token=ab")),
        PAYONEER.extract(request(form.encode())),
        PAYONEER.extract(json_request(FIELDS | {"amount": 18.0, "notificationId": 22})),
    ]
    assert events[0] == events[1] == events[2]
    assert (events[0].amount_minor, events[0].event_id, events[0].event_type) == (1800, "22", "payment.charged")


def _extract(**fields: Any) -> ExtractedEvent:
    return PAYONEER.extract(json_request(FIELDS | fields))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"statusCode": "preauthorized"}, S.AUTHORIZED),
        ({"statusCode": "declined"}, S.FAILED),
        ({"statusCode": "cancelation_requested"}, S.CANCELED),
        ({"statusCode": "unknown"}, S.PENDING),
        ({"statusCode": "charged_back"}, S.CHARGEBACK),
        ({"statusCode": "new_word"}, None),
        ({"statusCode": None}, None),
        ({"entity": "customer"}, None),
        ({"interactionReason": "SYSTEM_FAILURE"}, None),
    ],
)
def test_a_code_means_this_state(fields: dict[str, Any], status: PaymentStatus | None) -> None:
    assert _extract(**fields).payment_status is status


def test_without_an_id_the_key_holds_the_state() -> None:
    assert _extract(notificationId=None).event_id == "62ff:charged:debited"
