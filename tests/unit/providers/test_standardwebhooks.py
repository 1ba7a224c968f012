"""Standard Webhooks: both kinds of signature, keys as they are written, and careful reading of the body."""

import base64
import random
from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Credentials, ExtractedEvent
from tenrusl.simulator import sign_webhook, simulated_credentials
from tests.unit.providers.webhook_requests import credentials_of, json_request, request

STANDARD = PROVIDERS["standardwebhooks"]
SENT = 1_785_000_000
ALL = simulated_credentials(STANDARD, random.Random(1))
SECRET = credentials_of(secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
S = PaymentStatus


def _only(*names: str) -> Credentials:
    return Credentials({name: ALL.fields[name] for name in names})


def _signature(credentials: Credentials, event_id: str = "msg_1") -> dict[str, str]:
    return dict(sign_webhook(STANDARD, b"{}", credentials, SENT, headers={"webhook-id": event_id}).headers)


def test_either_kind_of_signature_is_enough() -> None:
    headers = _signature(ALL)
    assert headers["webhook-signature"].startswith("v1,")
    assert " v1a," in headers["webhook-signature"]
    for credentials in (ALL, _only("secret"), _only("public_key")):
        assert STANDARD.verify(request(b"{}", headers), credentials, SENT).valid


def test_every_changed_character_of_an_ed25519_signature_is_refused() -> None:
    headers = _signature(_only("private_key"))
    value = headers["webhook-signature"]
    for index, character in enumerate(value):
        for changed in (
            value[:index] + chr(ord(character) ^ 1) + value[index + 1 :],
            value[:index] + value[index + 1 :],
        ):
            forged = request(b"{}", headers | {"webhook-signature": changed})
            assert not STANDARD.verify(forged, _only("public_key"), SENT).valid, changed


@pytest.mark.parametrize(
    ("secret", "valid"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", True),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", True),
        ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", False),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", False),
        ("whsec_", False),
        ("whsec_no base64", False),
        ("whsec_é", False),
    ],
)
def test_a_secret_may_lack_its_prefix_and_is_no_key_of_another_kind(secret: str, valid: bool) -> None:
    verdict = STANDARD.verify(request(b"{}", _signature(SECRET)), credentials_of(secret=secret), SENT)
    assert verdict.reason is (None if valid else Reason.CREDENTIALS_MISSING)


@pytest.mark.parametrize("key", ["whpk_", "whpk_AAAA", "whpk_" + base64.b64encode(b"\x01" * 31).decode(), "x y"])
def test_a_public_key_that_is_none_lets_nobody_in(key: str) -> None:
    verdict = STANDARD.verify(request(b"{}", _signature(ALL)), credentials_of(public_key=key), SENT)
    assert not verdict.valid


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("webhook-timestamp", lambda value: value + ".5", Reason.TIMESTAMP_MALFORMED),
        ("webhook-timestamp", lambda value: "0" + value, Reason.TIMESTAMP_MALFORMED),
        ("webhook-timestamp", lambda value: "-" + value, Reason.TIMESTAMP_MALFORMED),
        ("webhook-timestamp", lambda value: "9" * 30, Reason.TIMESTAMP_MALFORMED),
        ("webhook-timestamp", lambda value: "253402300799", Reason.SIGNATURE_MISMATCH),
        ("webhook-id", lambda value: value + ".1", Reason.SIGNATURE_MALFORMED),
        ("webhook-id", lambda value: "", Reason.SIGNATURE_MISSING),
        ("webhook-signature", lambda value: "v2" + value[2:], Reason.SIGNATURE_MISSING),
        ("webhook-signature", lambda value: "  " + value + " v3,x garbage", None),
        ("webhook-signature", lambda value: " ".join([value] * 17), Reason.SIGNATURE_MALFORMED),
        ("webhook-signature", lambda value: value.upper(), Reason.SIGNATURE_MISSING),
        ("webhook-signature", lambda value: value.rstrip("="), Reason.SIGNATURE_MISMATCH),
    ],
)
def test_headers_are_read_strictly(name: str, change: Any, reason: Reason | None) -> None:
    headers = _signature(SECRET)
    headers[name] = change(headers[name])
    assert STANDARD.verify(request(b"{}", headers), SECRET, SENT).reason is reason


@pytest.mark.parametrize(
    ("now", "reason"), [(SENT + 300.1, Reason.TIMESTAMP_STALE), (SENT - 300.1, Reason.TIMESTAMP_IN_FUTURE)]
)
def test_the_window_is_five_minutes_either_way(now: float, reason: Reason) -> None:
    assert STANDARD.verify(request(b"{}", _signature(SECRET)), SECRET, now).reason is reason


def test_the_id_is_that_of_the_headers_that_were_verified() -> None:
    svix = sign_webhook(STANDARD, b"{}", SECRET, SENT, scheme="svix", headers={"svix-id": "msg_svix"})
    webhook = request(b"{}", dict(svix.headers) | {"webhook-id": "msg_other"})
    assert STANDARD.verify(webhook, SECRET, SENT).valid
    assert STANDARD.extract(webhook).event_id == "msg_svix"


def _extract(event_type: str, **data: Any) -> ExtractedEvent:
    return STANDARD.extract(json_request({"type": event_type, "data": data}, {"webhook-id": "msg_1"}))


@pytest.mark.parametrize(
    ("event_type", "data", "status"),
    [
        ("payment.succeeded", {}, S.SUCCEEDED),
        ("payment.succeeded", {"status": "paid"}, S.SUCCEEDED),
        ("payment.succeeded", {"status": "failed"}, None),
        ("payment.updated", {"status": "paid"}, None),
        ("payment.intent.failed", {}, S.FAILED),
        ("invoice.paid", {"status": "paid"}, None),
        ("succeeded", {}, None),
    ],
)
def test_only_types_of_payments_tell_a_state(
    event_type: str, data: dict[str, Any], status: PaymentStatus | None
) -> None:
    assert _extract(event_type, id="pay_1", **data).payment_status is status


@pytest.mark.parametrize("headers", [{}, {"webhook-id": "x" * 513}, {"webhook-id": "é"}, {"webhook-id": "a\tb"}])
def test_without_a_usable_id_there_is_no_event(headers: dict[str, str]) -> None:
    with pytest.raises(MalformedWebhookError, match="webhook-id"):
        STANDARD.extract(json_request({}, headers))
