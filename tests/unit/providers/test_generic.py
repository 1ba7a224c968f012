"""Providers declared in settings: what a declaration does, and how a wrong one is named."""

import contextlib
import copy
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.generic import GenericSpecError, build_generic, parse_specs
from tenrusl.providers.types import ExtractedEvent, Outcome, PaymentKey, Provider, Verdict
from tenrusl.simulator import sign_webhook
from tests.unit.providers.webhook_requests import credentials_of, json_request, request

SENT = 1_785_000_000
CREDENTIALS = credentials_of(secret="s3cret")
S = PaymentStatus
PROPERTY = settings(deadline=None, derandomize=True, max_examples=300)
ACME: dict[str, Any] = {
    "signature": {"header": "X-Acme-Signature", "prefix": "sha256=", "separator": ",", "signed": "{timestamp}.{body}"},
    "timestamp": {"header": "X-Acme-Time", "unit": "milliseconds", "max_age_seconds": 60, "max_ahead_seconds": 5},
    "event": {
        "id": ["/id", "/data/state"],
        "type": "/kind",
        "status": "/data/state",
        "provider_ref": "/data/id",
        "merchant_ref": "/data/order~1no",
        "amount": "/data/lines/0/amount",
        "currency": "/data/currency",
        "occurred_at": "/at",
    },
    "statuses": {"ok": "succeeded", "1": "failed"},
    "amount_unit": "major",
    "reply": {"status": 202, "body": "ok", "content_type": "text/plain"},
}
BODY = {
    "id": 7,
    "kind": "payment",
    "at": "2026-07-25T17:20:00",
    "data": {"id": "p", "order/no": 12, "state": "ok", "currency": "usd", "lines": [{"amount": 1.5}]},
}


def _provider(spec: dict[str, Any] = ACME) -> Provider:
    (parsed,) = parse_specs(json.dumps({"providers": {"acme": spec}}))
    return build_generic(parsed)


def _with(**changes: Any) -> dict[str, Any]:
    """ACME with changes; `signature__signed` reaches inside, None takes a field away."""
    spec = copy.deepcopy(ACME)
    for path, value in changes.items():
        node, (*parents, name) = spec, path.split("__")
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is None:
            node.pop(name)
        else:
            node[name] = value
    return spec


def test_a_declared_provider_verifies_what_its_sender_signs() -> None:
    digest = hmac.new(b"s3cret", f"{SENT}000.{{}}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Acme-Signature": f"sha256={'0' * 64}, sha256={digest}", "X-Acme-Time": f"{SENT}000"}
    assert _provider().verify(request(b"{}", headers), CREDENTIALS, SENT) == Verdict(None, "current")
    assert _provider().verify(request(b"{} ", headers), CREDENTIALS, SENT).reason is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    ("now", "reason"),
    [(SENT + 60, None), (SENT + 61, Reason.TIMESTAMP_STALE), (SENT - 5, None), (SENT - 6, Reason.TIMESTAMP_IN_FUTURE)],
)
def test_the_window_is_the_declared_one(now: float, reason: Reason | None) -> None:
    signed = sign_webhook(_provider(), b"{}", CREDENTIALS, SENT)
    assert _provider().verify(request(b"{}", signed.headers), CREDENTIALS, now).reason is reason


@pytest.mark.parametrize(
    ("changes", "secret"),
    [
        ({"signature__encoding": "base64"}, "s"),
        ({"signature__encoding": "hex_upper"}, "s"),
        ({"signature__encoding": "hex_any_case"}, "s"),
        ({"signature__algorithm": "sha512"}, "s"),
        ({"signature__algorithm": "sha1"}, "s"),
        ({"signature__key_encoding": "base64"}, "AAEC"),
        ({"signature__key_encoding": "hex"}, "00ff"),
        ({"signature__signed": "{timestamp}{body}"}, "s"),
        ({"signature__signed": "{{v1:{method}:{path}:{query}:{timestamp}:{body}}}"}, "s"),
        ({"signature__signed": "{body}|{header:X-Acme-Id}|{timestamp}"}, "s"),
        ({"signature__signed": "{body}", "timestamp": None}, "s"),
        ({"signature__separator": None, "signature__prefix": None}, "s"),
    ],
)
def test_every_way_of_signing_is_verified_and_covers_the_body(changes: dict[str, Any], secret: str) -> None:
    provider, credentials = _provider(_with(**changes)), credentials_of(secret=secret)
    signed = sign_webhook(provider, b'{"a":1}', credentials, SENT, headers={"X-Acme-Id": "m1"}, query="a=1")
    webhook = request(signed.body, signed.headers, path="/api/webhooks/acme", query="a=1")
    assert provider.verify(webhook, credentials, SENT).valid
    for index in range(len(signed.body)):
        body = bytearray(signed.body)
        body[index] ^= 1
        forged = request(bytes(body), signed.headers, path="/api/webhooks/acme", query="a=1")
        assert not provider.verify(forged, credentials, SENT).valid


@pytest.mark.parametrize(
    ("signed", "body", "value", "moved_body", "moved_value"),
    [
        ("{header:X-Id}.{body}", b"b.c", "a", b"c", "a.b"),
        ("{header:X-Id}.{body}", b"b", "a.", b".b", "a"),
        ("{header:X-Id}..{body}", b"b", "a.", b".b", "a"),
        ("{body}.{header:X-Id}", b"a.b", "c", b"a", "b.c"),
        ("{body}..{header:X-Id}", b"a", ".c", b"a.", "c"),
    ],
)
def test_nothing_can_be_moved_between_a_header_and_the_body(
    signed: str, body: bytes, value: str, moved_body: bytes, moved_value: str
) -> None:
    provider = _provider(_with(signature__signed=signed, timestamp=None))
    verdicts = []
    for given_body, given_value in ((body, value), (moved_body, moved_value)):
        text = signed.replace("{header:X-Id}", given_value).encode().replace(b"{body}", given_body)
        digest = hmac.new(b"s3cret", text, hashlib.sha256).hexdigest()
        headers = {"X-Acme-Signature": f"sha256={digest}", "X-Id": given_value}
        verdicts.append(provider.verify(request(given_body, headers), CREDENTIALS, SENT).valid)
    assert sum(verdicts) <= 1  # one and the same text is signed in both


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, Reason.SIGNATURE_MISSING),
        ({"X-Acme-Signature": "00"}, Reason.SIGNATURE_MALFORMED),
        ({"X-Acme-Signature": "sha256=00," * 17}, Reason.SIGNATURE_MALFORMED),
        ({"X-Acme-Signature": "sha256=00"}, Reason.SIGNATURE_MISSING),
        ({"X-Acme-Signature": "sha256=00", "X-Acme-Time": "9" * 30}, Reason.TIMESTAMP_MALFORMED),
        ({"X-Acme-Signature": "sha256=é", "X-Acme-Time": "1"}, Reason.SIGNATURE_MISMATCH),
    ],
)
def test_odd_headers_are_refused(header: dict[str, str], reason: Reason) -> None:
    assert _provider().verify(request(b"{}", header), CREDENTIALS, SENT).reason is reason


@pytest.mark.parametrize(("encoding", "secret"), [("base64", "no base64"), ("hex", "0"), ("hex", "é"), ("text", "")])
def test_a_secret_that_cannot_be_read_opens_nothing(encoding: str, secret: str) -> None:
    provider = _provider(_with(signature__key_encoding=encoding))
    webhook = request(b"{}", {"X-Acme-Signature": "sha256=00", "X-Acme-Time": "1"})
    assert provider.verify(webhook, credentials_of(secret=secret), SENT).reason is Reason.CREDENTIALS_MISSING


def test_fields_are_found_where_the_pointers_lead() -> None:
    assert _provider().extract(json_request(BODY)) == ExtractedEvent(
        event_id="7:ok",
        event_type="payment",
        payment_status=S.SUCCEEDED,
        provider_ref="p",
        merchant_ref="12",
        amount_minor=150,
        currency="USD",
        occurred_at=datetime(2026, 7, 25, 17, 20, tzinfo=UTC),
    )


def test_what_is_not_in_the_map_says_nothing_about_the_payment() -> None:
    for state, status in ((1, S.FAILED), ("OK", None), ("succeeded", None)):
        body = BODY | {"data": {"id": "p", "state": state}}
        assert _provider().extract(json_request(body)).payment_status is status


@pytest.mark.parametrize(
    ("changes", "amount", "minor"),
    [
        ({"amount_unit": "minor"}, 150, 150),
        ({"amount_unit": "minor"}, "150", 150),
        ({}, "1.50", 150),
        ({"event__currency": None, "currency": "JPY"}, 500, 500),
    ],
)
def test_amounts_count_in_the_declared_unit(changes: dict[str, Any], amount: object, minor: int) -> None:
    body = BODY | {"data": {"id": "p", "state": "ok", "currency": "usd", "lines": [{"amount": amount}]}}
    assert _provider(_with(**changes)).extract(json_request(body)).amount_minor == minor


@pytest.mark.parametrize(
    ("time_format", "at"),
    [("iso8601", "2026-07-25T19:20:00+02:00"), ("unix", 1785000000), ("unix_ms", 1785000000000)],
)
def test_times_are_read_in_the_declared_format(time_format: str, at: object) -> None:
    event = _provider(_with(time_format=time_format)).extract(json_request(BODY | {"at": at}))
    assert event.occurred_at == datetime(2026, 7, 25, 17, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "event.id"),
        (BODY | {"id": None}, "event.id"),
        (BODY | {"id": [1]}, "event.id"),
        (BODY | {"id": "x" * 511}, "event.id"),
        (BODY | {"kind": 5}, "event_type"),
        (BODY | {"at": "now"}, "occurred_at"),
        (BODY | {"data": {"state": "ok", "currency": "usd", "lines": [{"amount": -1}]}}, "amount"),
    ],
)
def test_a_wrong_field_is_named(body: object, field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _provider().extract(json_request(body))
    assert caught.value.field == field


def test_replies_and_the_payments_key_are_the_declared_ones() -> None:
    provider = _provider(_with(payment_key="merchant_ref"))
    assert provider.payment_key is PaymentKey.MERCHANT_REF
    assert (provider.replies[Outcome.ACCEPTED].status, provider.replies[Outcome.DUPLICATE].body) == (202, b"ok")
    assert provider.replies[Outcome.REJECTED].status == 401


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signature": None}, "signature"),
        ({"signature__header": None}, "signature.header"),
        ({"signature__header": "X Acme"}, "signature.header"),
        ({"signature__algorithm": "md5"}, "signature.algorithm"),
        ({"signature__encoding": "octal"}, "signature.encoding"),
        ({"signature__key_encoding": 5}, "signature.key_encoding"),
        ({"signature__salt": "x"}, "signature.salt"),
        ({"signature__signed": "{timestamp}"}, "signature.signed"),
        ({"signature__signed": "{timestamp}.{body}{body}"}, "signature.signed"),
        ({"signature__signed": "{timestamp}.{method}{body}"}, "signature.signed"),
        ({"signature__signed": "{body}{timestamp}"}, "signature.signed"),
        ({"signature__signed": "{timestamp}.{body"}, "signature.signed"),
        ({"signature__signed": "{timestamp}.{nonce}.{body}"}, "signature.signed"),
        ({"signature__signed": "{body}"}, "signature.signed"),
        ({"timestamp": None}, "signature.signed"),
        ({"timestamp__unit": "days"}, "timestamp.unit"),
        ({"timestamp__max_age_seconds": -1}, "timestamp.max_age_seconds"),
        ({"timestamp__max_age_seconds": True}, "timestamp.max_age_seconds"),
        ({"timestamp__max_ahead_seconds": 1e9}, "timestamp.max_ahead_seconds"),
        ({"event": None}, "event"),
        ({"event": "x"}, "event"),
        ({"event__id": None}, "event.id"),
        ({"event__id": []}, "event.id"),
        ({"event__id": "id"}, "event.id"),
        ({"event__type": "/a~2"}, "event.type"),
        ({"event__colour": "/a"}, "event.colour"),
        ({"event__provider_ref": None}, "event.provider_ref"),
        ({"event__currency": None}, "currency"),
        ({"event__status": None}, "statuses"),
        ({"statuses": None}, "statuses"),
        ({"statuses__ok": "paid"}, "statuses.ok"),
        ({"amount_unit": "cents"}, "amount_unit"),
        ({"currency": "usd"}, "currency"),
        ({"time_format": "rfc822"}, "time_format"),
        ({"payment_key": "id"}, "payment_key"),
        ({"content_types": "application/json"}, "content_types"),
        ({"content_types": ["Application/JSON"]}, "content_types"),
        ({"reply__status": 302}, "reply.status"),
        ({"reply__status": 200.5}, "reply.status"),
        ({"reply__content_type": None}, "reply.content_type"),
        ({"nickname": "x"}, "nickname"),
    ],
)
def test_a_wrong_declaration_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(GenericSpecError) as caught:
        _provider(_with(**changes))
    assert caught.value.field == f"providers.acme.{field}"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "document"),
        ("[]", "document"),
        ("[" * 100_000, "document"),
        ('{"providers": {}, "providers": {}}', "document"),
        ("{}", "providers"),
        ('{"providers": []}', "providers"),
        ('{"providers": {}, "more": 1}', "more"),
        ('{"providers": {"Acme": {}}}', "providers.Acme.name"),
    ],
)
def test_a_document_that_is_none_is_named(text: str, field: str) -> None:
    with pytest.raises(GenericSpecError) as caught:
        parse_specs(text)
    assert caught.value.field == field


@PROPERTY
@given(
    st.dictionaries(st.sampled_from(["X-Acme-Signature", "X-Acme-Time", "x-acme-time"]), st.text(max_size=40)),
    st.one_of(
        st.binary(max_size=100),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["id", "kind", "at", "data", "state", "currency", "lines", "amount"]), inner
                )
            ),
        ).map(lambda document: json.dumps(document).encode()),
    ),
)
def test_random_requests_give_a_verdict_and_an_event_or_malformed(headers: dict[str, str], body: bytes) -> None:
    webhook = request(body, headers)
    assert not _provider().verify(webhook, CREDENTIALS, SENT).valid
    with contextlib.suppress(MalformedWebhookError):
        assert isinstance(_provider().extract(webhook), ExtractedEvent)
