"""TriPay: the unsigned event header, the states, the answers."""

from typing import Any

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Outcome
from tests.unit.providers.webhook_requests import json_request

TRIPAY = PROVIDERS["tripay"]
S = PaymentStatus


def _body(**fields: Any) -> dict[str, Any]:
    return {"reference": "T1", "merchant_ref": "INV1", "total_amount": 200000, "status": "PAID", **fields}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PAID", S.SUCCEEDED),
        ("FAILED", S.FAILED),
        ("EXPIRED", S.EXPIRED),
        ("REFUND", S.REFUNDED),
        ("UNPAID", S.PENDING),
        ("paid", None),
        ("SETTLED", None),
    ],
)
def test_a_word_means_this_state(word: str, status: PaymentStatus | None) -> None:
    event = TRIPAY.extract(json_request(_body(status=word)))
    assert (event.payment_status, event.event_id) == (status, f"T1:{word}")


def test_another_event_than_payment_status_is_refused() -> None:
    with pytest.raises(MalformedWebhookError, match="X-Callback-Event"):
        TRIPAY.extract(json_request(_body(), {"X-Callback-Event": "custom"}))
    assert TRIPAY.extract(json_request(_body(), {"X-Callback-Event": "payment_status"})).provider_ref == "T1"


def test_rupiah_are_whole_and_the_currency_is_known() -> None:
    event = TRIPAY.extract(json_request(_body(paid_at=0)))
    assert (event.amount_minor, event.currency) == (20_000_000, "IDR")


def test_an_open_payment_has_no_reference_of_the_merchant() -> None:
    assert TRIPAY.extract(json_request(_body(merchant_ref=None))).merchant_ref is None


def test_the_answers_are_those_that_tripay_looks_for() -> None:
    assert TRIPAY.replies[Outcome.ACCEPTED].body == TRIPAY.replies[Outcome.DUPLICATE].body == b'{"success":true}'
    assert TRIPAY.replies[Outcome.REJECTED].body.startswith(b'{"success":false,')
