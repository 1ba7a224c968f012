"""DANA: what is signed is what is read, and what each notification says."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import ExtractedEvent, Headers, Outcome, Verdict, Webhook
from tenrusl.simulator import sign_webhook, simulated_credentials
from tests.unit.providers.webhook_requests import credentials_of

DANA = PROVIDERS["dana"]
S = PaymentStatus
NOW = 1_785_000_000.0
PATH = "/v1.0/debit/notify"
CREDENTIALS = simulated_credentials(DANA, random.Random(1))
BODY = b'{"originalReferenceNo":"D-1","note":"a b  c","quote":"\\"x\\""}'


def _signed(body: bytes = BODY) -> Headers:
    return Headers(list(sign_webhook(DANA, body, CREDENTIALS, NOW, path=PATH).headers.items()))


def _verdict(headers: Headers, body: bytes, *, path: str = PATH, method: str = "POST", now: float = NOW) -> Verdict:
    return DANA.verify(Webhook(method=method, path=path, headers=headers, body=body), CREDENTIALS, now)


@pytest.mark.parametrize("days", [0, 400, -400])
def test_time_does_not_matter_since_dana_sets_no_limit(days: int) -> None:
    assert _verdict(_signed(), BODY, now=NOW + days * 86_400).valid


def test_white_space_between_tokens_may_have_been_added_on_the_way() -> None:
    pretty = BODY.replace(b":", b" : ").replace(b",", b",\r\n\t")
    assert _verdict(_signed(), pretty).valid


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a b  c", b"a b c"),
        (b"D-1", b"D-2"),
        (b'\\"x\\"', b'\\\\\\"x\\\\\\"'),
        (b"}", b',"x":1}'),
        (b'"note"', b'"not e"'),
    ],
)
def test_no_other_repair_is_tried(old: bytes, new: bytes) -> None:
    """The official SDK takes escapes and spaces away until something fits; what it then reads was never signed."""
    assert _verdict(_signed(), BODY.replace(old, new, 1)) == Verdict(Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize("path", ["/v1.0/debit/notify/", "/api/webhooks/dana", "", "/v1.0/debit/notify?x=1"])
def test_the_path_is_signed(path: str) -> None:
    assert _verdict(_signed(), BODY, path=path) == Verdict(Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", Reason.SIGNATURE_MISSING),
        ("AAA", Reason.SIGNATURE_MALFORMED),
        ("é", Reason.SIGNATURE_MALFORMED),
        ("AAAA", Reason.SIGNATURE_MISMATCH),
        ("A" * 344, Reason.SIGNATURE_MISMATCH),
    ],
)
def test_a_signature_of_another_form_is_refused(signature: str, reason: Reason) -> None:
    assert _verdict(_signed().with_values({"X-Signature": signature}), BODY) == Verdict(reason)


def test_dana_is_told_by_its_own_codes() -> None:
    told = {outcome: json.loads(reply.body)["responseCode"] for outcome, reply in DANA.replies.items()}
    assert told == {Outcome.ACCEPTED: "2005600", Outcome.DUPLICATE: "2005600", Outcome.REJECTED: "4015600"}
    assert DANA.replies[Outcome.ACCEPTED].status == 200


def _extract(**fields: Any) -> ExtractedEvent:
    document = {
        "originalPartnerReferenceNo": "ORDER-1",
        "originalReferenceNo": "D-1",
        "amount": {"value": "50000.00", "currency": "IDR"},
        "latestTransactionStatus": "00",
        "finishedTime": "2025-10-10T16:16:33+07:00",
        **fields,
    }
    return DANA.extract(Webhook(method="POST", path="/", headers=Headers([]), body=json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("code", "status"),
    [("00", S.SUCCEEDED), ("01", S.PENDING), ("02", S.PENDING), ("05", S.EXPIRED), ("07", S.PENDING), ("99", None)],
)
def test_a_notification_tells_this_state(code: str, status: PaymentStatus | None) -> None:
    event = _extract(latestTransactionStatus=code)
    assert (event.event_id, event.payment_status) == (f"D-1:{code}", status)


def test_references_amount_and_time_are_read() -> None:
    event = _extract(finishedTime=None, createdTime="2025-10-10T16:15:37")
    assert (event.provider_ref, event.merchant_ref, event.amount_minor) == ("D-1", "ORDER-1", 5_000_000)
    assert event.occurred_at == datetime(2025, 10, 10, 9, 15, 37, tzinfo=UTC)


def test_a_time_may_be_milliseconds_as_in_a_notification_that_dana_signed() -> None:
    event = _extract(createdTime="1757998647000", finishedTime="1757998714761")
    assert event.occurred_at == datetime(2025, 9, 16, 4, 58, 34, 761_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "valid"),
    [
        (lambda pem: pem, True),
        (lambda pem: pem.replace("\n", "\r\n"), True),
        (lambda pem: pem.replace("\n", "\\n"), True),  # in one line of an environment file
        (lambda pem: "".join(pem.splitlines()[1:-1]), True),  # without the lines around it
        (lambda pem: "".join(pem.splitlines()[1:-2]), False),
        (lambda pem: "AAAA", False),
        (lambda pem: "é", False),
    ],
)
def test_the_key_is_read_in_the_forms_that_it_is_copied_in(form: Callable[[str], str], valid: bool) -> None:
    (version,) = CREDENTIALS.versions("public_key_pem")
    key = credentials_of(public_key_pem=form(version.secret.reveal()))
    webhook = Webhook(method="POST", path=PATH, headers=_signed(), body=BODY)
    assert DANA.verify(webhook, key, NOW).reason is (None if valid else Reason.CREDENTIALS_MISSING)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"finishedTime": "9999999999999"}, "finishedTime"),
        ({"finishedTime": "175799871476"}, "finishedTime"),
        ({"originalReferenceNo": None}, "originalReferenceNo"),
        ({"originalPartnerReferenceNo": 1}, "originalPartnerReferenceNo"),
        ({"latestTransactionStatus": 0}, "latestTransactionStatus"),
        ({"amount": {"value": "1.005"}}, "amount.value"),
        ({"amount": "5"}, "amount"),
        ({"finishedTime": "9999-12-31T00:00:00+07:00"}, "finishedTime"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract(**fields)
    assert caught.value.field == field
