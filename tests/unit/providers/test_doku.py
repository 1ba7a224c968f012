"""DOKU: three ways to sign, the token that SNAP needs, the answers, and what each notification says."""

import base64
import hashlib
import hmac
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.schemes.bearer_tokens import (
    LIFETIME_SECONDS,
    TOKEN_HOLDS_SECONDS,
    TOKEN_KEY,
    issue_token,
    token_is_current,
)
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Headers,
    Outcome,
    Reply,
    SecretVersion,
    SignatureError,
    Verdict,
    Webhook,
)
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials
from tenrusl.simulator.facts import PaymentFacts
from tenrusl.simulator.payloads_doku import doku_direct_debit, doku_virtual_account
from tests.unit.providers.webhook_requests import credentials_of

DOKU = PROVIDERS["doku"]
S = PaymentStatus
NOW = 1_785_000_000.0
PATH = "/api/webhooks/doku"
CREDENTIALS = simulated_credentials(DOKU, random.Random(1))
BODY = b'{"paymentRequestId":"P-1","trxId":"T-1","virtualAccountNo":"  7 1"}'
PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)


def _without(*names: str) -> Credentials:
    return Credentials({name: found for name, found in CREDENTIALS.fields.items() if name not in names})


def _signed(scheme: str, credentials: Credentials = CREDENTIALS, headers: dict[str, str] | None = None) -> Webhook:
    """Signed, and then with other headers; an empty one is left out."""
    signed = sign_webhook(DOKU, BODY, credentials, NOW, scheme=scheme, path=PATH)
    items = [(name, value) for name, value in (dict(signed.headers) | (headers or {})).items() if value]
    return Webhook(method="POST", path=PATH, headers=Headers(items), body=BODY)


def _verdict(webhook: Webhook, credentials: Credentials = CREDENTIALS, now: float = NOW) -> Verdict:
    return DOKU.verify(webhook, credentials, now)


@pytest.mark.parametrize("scheme", ["non_snap", "snap_symmetric", "snap_rsa", "snap_token_request"])
def test_each_way_is_told_by_its_headers(scheme: str) -> None:
    webhook = _signed(scheme)
    assert DOKU.scheme_of(webhook, CREDENTIALS).name == scheme
    assert _verdict(webhook).valid


@pytest.mark.parametrize(("scheme", "covered"), [("non_snap", True), ("snap_rsa", True), ("snap_token_request", False)])
def test_only_a_request_for_a_token_leaves_its_body_out(scheme: str, covered: bool) -> None:
    assert _verdict(_signed(scheme)).body_covered is covered


def test_a_client_id_that_is_not_ours_is_refused_whoever_signed() -> None:
    foreign = Credentials(
        {**CREDENTIALS.fields, "client_id": simulated_credentials(DOKU, random.Random(2)).fields["client_id"]}
    )
    for scheme in ("non_snap", "snap_token_request"):
        assert _verdict(_signed(scheme, foreign)) == Verdict(Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Digest": "AAAA"}, None),  # never read
        ({"Signature": ""}, Reason.SIGNATURE_MISSING),
        ({"Signature": "HMACSHA256="}, Reason.SIGNATURE_MISMATCH),
        ({"Signature": "hmacsha256=AAAA"}, Reason.SIGNATURE_MALFORMED),
        ({"Client-Id": ""}, Reason.SIGNATURE_MISSING),
        ({"Request-Id": "x\nRequest-Timestamp:y"}, Reason.SIGNATURE_MISMATCH),
    ],
)
def test_a_plain_notification_is_read_strictly(headers: dict[str, str], reason: Reason | None) -> None:
    assert _verdict(_signed("non_snap", headers=headers)).reason is reason


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_request_without_a_body_has_no_digest(method: str) -> None:
    sent = {"Client-Id": "MCH-1", "Request-Id": "r-1", "Request-Timestamp": "2020-08-11T08:45:42Z"}
    lines = [*(f"{name}:{value}" for name, value in sent.items()), "Request-Target:/p"]
    credentials = credentials_of(client_id="MCH-1", secret_key="SK")

    def verdict(body: bytes, digest: tuple[str, ...] = ()) -> Verdict:
        signature = base64.b64encode(hmac.digest(b"SK", "\n".join((*lines, *digest)).encode(), "sha256")).decode()
        headers = Headers([*sent.items(), ("Signature", f"HMACSHA256={signature}")])
        return DOKU.verify(Webhook(method=method, path="/p", headers=headers, body=body), credentials, NOW)

    assert verdict(b"").valid
    # Nothing would cover a body.
    assert verdict(b"{}") == Verdict(Reason.SIGNATURE_MALFORMED)
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert verdict(b"", (f"Digest:{empty}",)) == Verdict(Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize("authorization", ["bearer {}", "Bearer  {}", "Bearer {}x", "Bearer ", "Basic {}", "{}"])
def test_the_token_is_read_strictly(authorization: str) -> None:
    token = CREDENTIALS.versions("access_token")[0].secret.reveal()
    assert not _verdict(_signed("snap_symmetric", headers={"Authorization": authorization.format(token)})).valid


def test_the_asymmetric_way_counts_only_where_its_key_is_configured() -> None:
    webhook, without = _signed("snap_rsa"), _without("notification_public_key_pem")
    assert DOKU.scheme_of(webhook, without).name == "non_snap"
    assert _verdict(webhook, without) == Verdict(Reason.SIGNATURE_MISSING)


def _token(credentials: Credentials) -> tuple[Reply, str]:
    request = _signed("snap_token_request", credentials)
    assert _verdict(request, credentials).valid
    assert DOKU.handshake is not None
    reply = DOKU.handshake(request, credentials, NOW)
    assert reply is not None
    return reply, json.loads(reply.body)["accessToken"]


def test_doku_gets_a_token_and_notifies_with_it() -> None:
    operator = _without("access_token")
    reply, token = _token(operator)
    answer = json.loads(reply.body)
    assert (reply.status, answer["responseCode"], answer["expiresIn"]) == (200, "2007300", 900)
    webhook = _signed("snap_symmetric", operator)
    assert webhook.headers.get("authorization") == f"Bearer {token}"
    assert _verdict(webhook, operator).valid
    assert _verdict(webhook, operator, NOW + LIFETIME_SECONDS + 61) == Verdict(Reason.TIMESTAMP_STALE)


def _with_token_key(credentials: Credentials, secret: str | None = None) -> Credentials:
    """As ingress has them, with its own key; secret: another one than that of the credentials."""
    own = {TOKEN_KEY: (SecretVersion("own", Secret("key of this installation")),)}
    other = {} if secret is None else {"secret_key": (SecretVersion("v2", Secret(secret)),)}
    return Credentials({**credentials.fields, **own, **other})


def test_a_token_holds_when_the_secret_is_rotated_after_it_was_issued() -> None:
    before = _with_token_key(_without("access_token"))
    after = _with_token_key(_without("access_token"), "the new secret key")
    for issued_with, verified_with in ((before, after), (after, before)):
        _, token = _token(issued_with)
        fixed = {"access_token": (SecretVersion("current", Secret(token)),)}
        webhook = _signed("snap_symmetric", Credentials({**verified_with.fields, **fixed}))
        assert webhook.headers.get("authorization") == f"Bearer {token}"
        assert _verdict(webhook, verified_with).valid
        assert _verdict(webhook, verified_with, NOW + TOKEN_HOLDS_SECONDS + 1) == Verdict(Reason.TIMESTAMP_STALE)


def test_a_token_that_nobody_issued_is_refused_although_it_is_signed_over() -> None:
    webhook = _signed("snap_symmetric")  # signed with the agreed token
    assert _verdict(webhook, _without("access_token")) == Verdict(Reason.TIMESTAMP_STALE)


def test_only_a_request_for_a_token_is_answered_by_itself() -> None:
    assert DOKU.handshake is not None
    for scheme in ("non_snap", "snap_symmetric", "snap_rsa"):
        assert DOKU.handshake(_signed(scheme), CREDENTIALS, NOW) is None
    with pytest.raises(SignatureError):
        DOKU.handshake(_signed("snap_token_request"), Credentials(), NOW)


@pytest.mark.parametrize(
    ("secret", "client", "seconds", "current"),
    [
        (b"s", b"c", 0, True),
        (b"s", b"c", 960, True),
        (b"s", b"c", 961, False),
        (b"t", b"c", 0, False),
        (b"s", b"d", 0, False),
    ],
)
def test_a_token_holds_for_its_client_and_time(secret: bytes, client: bytes, seconds: int, current: bool) -> None:
    assert token_is_current(issue_token(b"s", b"c", NOW), secret, client, NOW + seconds) is current


@PROPERTY
@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_no_other_text_is_a_token(text: str) -> None:
    assert not token_is_current(text, b"s", b"c", NOW)


def test_no_changed_token_holds() -> None:
    token = issue_token(b"s", b"c", NOW)
    for index, character in enumerate(token):
        changed = token[:index] + ("A" if character != "A" else "B") + token[index + 1 :]
        assert not token_is_current(changed, b"s", b"c", NOW), changed


def _codes(webhook: Webhook) -> dict[Outcome, tuple[int, str | None]]:
    replies = DOKU.replies_to(webhook)
    return {outcome: (reply.status, json.loads(reply.body).get("responseCode")) for outcome, reply in replies.items()}


def _request(body: bytes, *headers: str) -> Webhook:
    return Webhook(method="POST", path=PATH, headers=Headers([(name, "x") for name in headers]), body=body)


@pytest.mark.parametrize(
    ("webhook", "accepted", "rejected"),
    [
        (_request(BODY), None, None),
        (_request(BODY, "X-Signature"), "2002500", "4012701"),
        (_request(b'{"latestTransactionStatus":"00"}', "X-Signature"), "2005600", "4015601"),
        (_request(b"no json", "X-Signature"), "2005600", "4015601"),
        (_request(b"[]", "X-Signature"), "2005600", "4015601"),
        (_request(b"{}", "X-Signature", "X-Client-Key"), None, "4017300"),
    ],
)
def test_each_interface_is_answered_in_its_own_form(
    webhook: Webhook, accepted: str | None, rejected: str | None
) -> None:
    codes = _codes(webhook)
    assert codes[Outcome.ACCEPTED] == codes[Outcome.DUPLICATE] == (200, accepted)
    assert codes[Outcome.REJECTED] == (401, rejected)


def test_a_paid_virtual_account_is_echoed() -> None:
    reply = DOKU.replies_to(_request(BODY, "X-Signature"))[Outcome.ACCEPTED]
    assert json.loads(reply.body)["virtualAccountData"] == json.loads(BODY)


def _extract(document: dict[str, Any]) -> ExtractedEvent:
    return DOKU.extract(Webhook(method="POST", path="/", headers=Headers([]), body=json.dumps(document).encode()))


def _transaction(word: str, **fields: Any) -> dict[str, Any]:
    return {
        "service": {"id": "CREDIT_CARD"},
        "transaction": {"status": word, "date": "2021-01-27T03:24:23Z", "original_request_id": "R-1"},
        "order": {"invoice_number": "INV-1", "amount": 150000},
        **fields,
    }


CHECKOUT = {"additional_info": {"origin": {"product": "CHECKOUT"}}}


@pytest.mark.parametrize(
    ("word", "fields", "status"),
    [
        ("SUCCESS", {}, S.SUCCEEDED),
        ("SUCCESS", CHECKOUT, S.SUCCEEDED),
        ("FAILED", {}, S.FAILED),
        ("FAILED", CHECKOUT, None),  # the customer may choose another method
        ("PENDING", {}, S.PENDING),
        ("REDIRECT", {}, S.PENDING),
        ("TIMEOUT", {}, S.PENDING),
        ("EXPIRED", {}, S.EXPIRED),
        ("REFUNDED", {}, S.REFUNDED),
        ("success", {}, None),
        ("UNHEARD_OF", {}, None),
    ],
)
def test_a_plain_notification_tells_this_state(word: str, fields: dict[str, Any], status: PaymentStatus | None) -> None:
    event = _extract(_transaction(word, **fields))
    assert (event.event_id, event.payment_status) == (f"R-1:{word}", status)
    assert (event.amount_minor, event.currency, event.merchant_ref) == (15_000_000, "IDR", "INV-1")


@pytest.mark.parametrize(
    ("fields", "event_type"),
    [
        ({}, "CREDIT_CARD"),
        ({"service": {}, "channel": {"id": "VIRTUAL_ACCOUNT_BCA"}}, "VIRTUAL_ACCOUNT_BCA"),
        ({"service": None}, "notification"),
    ],
)
def test_the_type_is_the_service_or_the_channel(fields: dict[str, Any], event_type: str) -> None:
    assert _extract(_transaction("SUCCESS", **fields)).event_type == event_type


def test_without_a_requests_id_the_invoice_is_the_key() -> None:
    document = _transaction("SUCCESS") | {"transaction": {"status": "SUCCESS"}}
    event = _extract(document)
    assert (event.event_id, event.provider_ref, event.occurred_at) == ("INV-1:SUCCESS", None, None)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("00", S.SUCCEEDED),
        ("01", S.PENDING),
        ("02", S.PENDING),
        ("03", S.PENDING),
        ("04", S.REFUNDED),
        ("05", S.CANCELED),
        ("06", S.FAILED),
        ("07", None),
    ],
)
def test_a_direct_debit_tells_this_state(code: str, status: PaymentStatus | None) -> None:
    body = {
        "originalPartnerReferenceNo": "INV-1",
        "originalReferenceNo": "D-1",
        "latestTransactionStatus": code,
        "amount": {"value": "1.00", "currency": "IDR"},
    }
    event = _extract(body)
    assert (event.event_id, event.payment_status, event.amount_minor) == (f"D-1:{code}", status, 100)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "transaction.status"),
        (_transaction("SUCCESS", order={"invoice_number": 1}), "order.invoice_number"),
        (_transaction("SUCCESS", order={"invoice_number": "I", "amount": -1}), "order.amount"),
        (_transaction("SUCCESS", service=[]), "service"),
        ({"paymentRequestId": "P"}, "trxId"),
        ({"paymentRequestId": "P", "trxId": "T", "paidAmount": {"value": "x"}}, "paidAmount.value"),
        ({"latestTransactionStatus": "00"}, "originalPartnerReferenceNo"),
        ({"grantType": "client_credentials"}, "transaction.status"),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract(document)
    assert caught.value.field == field


def _facts(status: PaymentStatus) -> PaymentFacts:
    return PaymentFacts(
        status=status,
        event_id="evt_1",
        payment_ref="P-1",
        merchant_ref="ORDER-1",
        amount_minor=1_150_000,
        currency="IDR",
        occurred_at=datetime(2026, 7, 25, 10, tzinfo=UTC),
        refunded_minor=0,
        extra={},
    )


@pytest.mark.parametrize("status", [S.PENDING, S.SUCCEEDED, S.FAILED, S.CANCELED, S.REFUNDED])
def test_the_simulators_direct_debit_is_read_back(status: PaymentStatus) -> None:
    event = _extract(doku_direct_debit(_facts(status)))
    assert (event.payment_status, event.amount_minor, event.occurred_at) == (
        status,
        1_150_000,
        _facts(status).occurred_at,
    )
    assert (event.provider_ref, event.merchant_ref) == ("P-1", "ORDER-1")


def test_the_simulators_virtual_account_is_read_back_and_only_told_when_paid() -> None:
    event = _extract(doku_virtual_account(_facts(S.SUCCEEDED)))
    assert (event.payment_status, event.amount_minor) == (S.SUCCEEDED, 1_150_000)
    assert (event.provider_ref, event.merchant_ref) == ("P-1", "ORDER-1")
    with pytest.raises(ValueError, match="pending"):
        doku_virtual_account(_facts(S.PENDING))
