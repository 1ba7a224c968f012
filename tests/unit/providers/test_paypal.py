"""PayPal: which certificate is asked for and believed, what the CRC covers, and what each event says."""

import json
import random
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.keys import KeyRequest, with_key
from tenrusl.providers.schemes.paypal_transmission import LIVE_NAME, SANDBOX_NAME
from tenrusl.providers.types import Credentials, ExtractedEvent, Headers, SecretVersion, Verdict, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials
from tenrusl.simulator.pki import Issued, authority, issue

PAYPAL = PROVIDERS["paypal"]
S = PaymentStatus
NOW = 1_785_000_000.0
BODY = b'{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}'
SIGNER = simulated_credentials(PAYPAL, random.Random(1))
PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)
PATH = "/v1/notifications/certs/CERT-360caa42-fca2a594-df8cd2d5"
ROOT = authority()


def _field(name: str, *values: str) -> dict[str, tuple[SecretVersion, ...]]:
    return {name: tuple(SecretVersion(str(n), Secret(value)) for n, value in enumerate(values))}


def _with(**fields: str) -> Credentials:
    changed = dict(SIGNER.fields)
    for name, value in fields.items():
        changed |= _field(name, value)
    return Credentials(changed)


def _without(*names: str) -> Credentials:
    return Credentials({name: found for name, found in SIGNER.fields.items() if name not in names})


def _signed(credentials: Credentials = SIGNER, headers: dict[str, str] | None = None) -> Webhook:
    """Signed, and then with other headers; an empty one is left out."""
    signed = sign_webhook(PAYPAL, BODY, credentials, NOW)
    items = [(name, value) for name, value in (dict(signed.headers) | (headers or {})).items() if value]
    return Webhook(method="POST", path="/", headers=Headers(items), body=BODY)


def _verdict(webhook: Webhook, credentials: Credentials = SIGNER, now: float = NOW) -> Verdict:
    return PAYPAL.verify(webhook, credentials, now)


def _header(name: str, value: str) -> dict[str, str]:
    return {f"Paypal-{name}": value}


def test_the_signers_webhook_is_valid() -> None:
    assert _verdict(_signed()) == Verdict(None, "current")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.paypal.com" + PATH,
        "https://api.paypal.com:443" + PATH,
        "https://api.paypal.com:8443" + PATH,
        "https://api.paypal.com." + PATH,
        "https://user@api.paypal.com" + PATH,
        "https://api.paypal.com@evil.example" + PATH,
        "https://evil.example#@api.paypal.com" + PATH,
        "https://api.paypal.com\\@evil.example" + PATH,
        "https://api.paypal.com.evil.example" + PATH,
        "https://evilapi.paypal.com" + PATH,
        "https://аpi.paypal.com" + PATH,  # noqa: RUF001 - a Cyrillic letter
        "https://api.paypal。com" + PATH,
        "https://xn--pi-7kc.paypal.com" + PATH,
        "https://api.sandbox.paypal.com" + PATH,  # not where the live host alone is allowed
        "https://api.paypal.com/v1/notifications/certs/../../evil",
        "https://api.paypal.com/v1/notifications/certs/CERT-1/..",
        "https://api.paypal.com/v1/notifications/certs/",
        "https://api.paypal.com/v1/oauth2/token",
        "https://api.paypal.com/v1/notifications/certs/CERT-%2e%2e",
        "https://api.paypal.com" + PATH + "?redirect=https://evil.example",
        "https://api.paypal.com" + PATH + "#x",
        "https://api.paypal.com" + PATH + "/",
        "https://api.paypal.com" + PATH + "\n",
        " https://api.paypal.com" + PATH,
        "https://api.paypal.com",
        "https:///" + PATH,
        "//api.paypal.com" + PATH,
        "not a url",
        "https://api.paypal.com/v1/notifications/certs/CERT-" + "a" * 200,
    ],
)
def test_an_address_that_is_not_paypals_is_refused_before_any_fetch(url: str) -> None:
    webhook = _signed(headers=_header("Cert-Url", url))
    assert _verdict(webhook) == Verdict(Reason.KEY_URL_NOT_ALLOWED)
    assert PAYPAL.key_needed is not None
    assert PAYPAL.key_needed(webhook, _without("cert_pem")) is None


def _needed(webhook: Webhook, credentials: Credentials) -> KeyRequest | None:
    assert PAYPAL.key_needed is not None
    return PAYPAL.key_needed(webhook, credentials)


def test_the_certificate_is_asked_for_and_passed_in() -> None:
    webhook, operator = _signed(), _without("cert_pem", "cert_private_key_pem", "cert_url")
    assert _verdict(webhook, operator) == Verdict(Reason.CREDENTIALS_MISSING)
    request = _needed(webhook, operator)
    assert request is not None
    assert (request.host, request.port) == ("api.paypal.com", 443)
    assert request.url == webhook.headers.get("paypal-cert-url")
    document = SIGNER.versions("cert_pem")[0].secret.reveal()
    assert _verdict(webhook, with_key(operator, request, document)) == Verdict(None, "current")


@pytest.mark.parametrize(
    ("credentials", "headers"),
    [
        (SIGNER, {}),  # a certificate is configured
        (Credentials(), {}),
        (_without("cert_pem"), _header("Auth-Algo", "SHA1withRSA")),
        (_without("cert_pem"), _header("Transmission-Sig", "")),
        (_without("cert_pem"), _header("Transmission-Sig", "A")),
        (_without("cert_pem"), _header("Transmission-Id", "")),
        (_without("cert_pem"), _header("Transmission-Time", "now")),
        (_without("cert_pem"), _header("Cert-Url", "")),
    ],
)
def test_no_certificate_is_fetched_for_a_forgery_on_its_face(credentials: Credentials, headers: dict[str, str]) -> None:
    assert _needed(_signed(headers=headers), credentials) is None


@pytest.mark.parametrize("host", ["127.0.0.1:8443", "api.sandbox.paypal.com"])
def test_another_host_counts_only_as_it_is_configured(host: str) -> None:
    webhook = _signed(headers=_header("Cert-Url", f"https://{host}{PATH}"))
    credentials = Credentials(
        {**_without("cert_pem").fields, **_field("cert_url_allowed_hosts", f" api.paypal.com,{host.upper()} ")}
    )
    request = _needed(webhook, credentials)
    assert request is not None
    assert request.authority == host


def _certified(signer: Issued, *, roots: str = ROOT.certificate_pem, served: str = "", **fields: str) -> Verdict:
    credentials = _with(
        cert_pem=signer.certificate_pem + served, cert_private_key_pem=signer.key_pem, root_pems=roots, **fields
    )
    return _verdict(_signed(credentials), credentials)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = authority("Another CA")
BELOW = authority("Intermediate CA", issuer=ROOT, path_length=0)
BELOW_BELOW = authority("Intermediate CA 2", issuer=BELOW)
SIGNED_BY = {
    "the root": (issue(ROOT, LIVE_NAME, key=RSA_KEY), "", None),
    "an intermediate that is served with it": (issue(BELOW, LIVE_NAME, key=RSA_KEY), BELOW.certificate_pem, None),
    "an intermediate that is missing": (issue(BELOW, LIVE_NAME, key=RSA_KEY), "", Reason.KEY_UNTRUSTED),
    "one more than the path length allows": (
        issue(BELOW_BELOW, LIVE_NAME, key=RSA_KEY),
        BELOW_BELOW.certificate_pem + BELOW.certificate_pem,
        Reason.KEY_UNTRUSTED,
    ),
    "another authority": (issue(OTHER, LIVE_NAME, key=RSA_KEY), "", Reason.KEY_UNTRUSTED),
    "another authority, served with it": (
        issue(OTHER, LIVE_NAME, key=RSA_KEY), OTHER.certificate_pem, Reason.KEY_UNTRUSTED,
    ),
    "a certificate that is no authority": (
        issue(issue(ROOT, LIVE_NAME, key=RSA_KEY), LIVE_NAME, key=RSA_KEY),
        issue(ROOT, LIVE_NAME, key=RSA_KEY).certificate_pem,
        Reason.KEY_UNTRUSTED,
    ),
    "the root, of another name": (issue(ROOT, "www.paypal.com", key=RSA_KEY), "", Reason.KEY_UNTRUSTED),
    "the root, of a longer name": (
        issue(ROOT, f"{LIVE_NAME}.evil.example", key=RSA_KEY), "", Reason.KEY_UNTRUSTED,
    ),
    "the root, for the sandbox": (issue(ROOT, SANDBOX_NAME, key=RSA_KEY), "", Reason.KEY_UNTRUSTED),
    "the root, not yet valid": (
        issue(ROOT, LIVE_NAME, key=RSA_KEY, not_before=_at(1)), "", Reason.KEY_UNTRUSTED,
    ),
    "the root, no more valid": (
        issue(ROOT, LIVE_NAME, key=RSA_KEY, not_after=_at(-1)), "", Reason.KEY_UNTRUSTED,
    ),
    "more certificates than there can be": (
        issue(ROOT, LIVE_NAME, key=RSA_KEY), ROOT.certificate_pem * 8, Reason.CREDENTIALS_MISSING,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("signer", "served", "reason"), SIGNED_BY.values(), ids=SIGNED_BY)
def test_a_certificate_is_believed_if_signed_by(signer: Issued, served: str, reason: Reason | None) -> None:
    assert _certified(signer, served=served).reason is reason


def test_the_sandboxs_certificate_counts_where_its_host_is_allowed() -> None:
    sandbox = issue(ROOT, SANDBOX_NAME, key=RSA_KEY)
    verdict = _certified(sandbox, cert_url_allowed_hosts="api.paypal.com,api.sandbox.paypal.com")
    assert verdict.valid


def test_a_certificate_that_was_believed_is_not_when_it_has_run_out() -> None:
    signer = issue(ROOT, LIVE_NAME, key=RSA_KEY, not_after=_at(3600))
    credentials = _with(
        cert_pem=signer.certificate_pem, cert_private_key_pem=signer.key_pem, root_pems=ROOT.certificate_pem
    )
    webhook = _signed(credentials)
    assert _verdict(webhook, credentials).valid
    assert _verdict(webhook, credentials, NOW + 3601) == Verdict(Reason.KEY_UNTRUSTED)
    assert _verdict(webhook, credentials).valid


def test_weak_and_other_keys_are_not_believed() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is what is tested
    assert _certified(issue(ROOT, LIVE_NAME, key=weak)) == Verdict(Reason.KEY_UNTRUSTED)
    other = issue(ROOT, LIVE_NAME, key=ec.generate_private_key(ec.SECP256R1()))
    credentials = _with(cert_pem=other.certificate_pem, root_pems=ROOT.certificate_pem)
    assert _verdict(_signed(), credentials) == Verdict(Reason.KEY_UNTRUSTED)


def test_texts_that_are_no_certificates_count_as_none() -> None:
    for field in ("cert_pem", "root_pems", "intermediate_pems"):
        assert _verdict(_signed(), _with(**{field: "no certificate"})) == Verdict(Reason.CREDENTIALS_MISSING)


def test_without_roots_those_of_digicert_count() -> None:
    assert _verdict(_signed(), _without("root_pems")) == Verdict(Reason.KEY_UNTRUSTED)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (_header("Auth-Algo", "SHA1withRSA"), Reason.SIGNATURE_MALFORMED),
        (_header("Auth-Algo", "sha256withrsa"), Reason.SIGNATURE_MALFORMED),
        (_header("Auth-Algo", ""), Reason.SIGNATURE_MISSING),
        (_header("Transmission-Sig", "A" * 343), Reason.SIGNATURE_MALFORMED),
        (_header("Transmission-Sig", "A" * 100_000), Reason.SIGNATURE_MALFORMED),
        (_header("Transmission-Sig", "AAAA"), Reason.SIGNATURE_MISMATCH),
        (_header("Transmission-Id", "other"), Reason.SIGNATURE_MISMATCH),
        (_header("Transmission-Time", "2026-07-25T17:20:01Z"), Reason.SIGNATURE_MISMATCH),
        (_header("Transmission-Time", "2026-07-25T17:20:00"), Reason.TIMESTAMP_MALFORMED),
        (_header("Transmission-Time", "9999-12-31T23:59:59Z"), Reason.SIGNATURE_MISMATCH),
        (_header("Transmission-Time", "9999-12-31T23:59:59-23:59"), Reason.SIGNATURE_MISMATCH),
        (_header("Transmission-Time", "-1"), Reason.TIMESTAMP_MALFORMED),
        (_header("Transmission-Time", "9" * 30), Reason.TIMESTAMP_MALFORMED),
    ],
)
def test_headers_are_read_strictly(headers: dict[str, str], reason: Reason) -> None:
    assert _verdict(_signed(headers=headers)) == Verdict(reason)


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (4 * 86_400, None),
        (4 * 86_400 + 1, Reason.TIMESTAMP_STALE),
        (-86_400, None),
        (-86_401, Reason.TIMESTAMP_IN_FUTURE),
    ],
)
def test_a_transmission_counts_for_four_days(age: float, reason: Reason | None) -> None:
    assert _verdict(_signed(), SIGNER, NOW + age).reason is reason


def test_the_webhooks_id_is_ours_and_never_the_requests() -> None:
    foreign = _signed(_with(webhook_id="OTHER"))
    assert _verdict(foreign) == Verdict(Reason.SIGNATURE_MISMATCH)


def test_the_crc_is_no_proof_of_the_body() -> None:
    """A known weakness of PayPal's scheme: whoever saw one request can write another body with the same CRC."""
    wanted = zlib.crc32(BODY)
    forged = BODY.replace(b"WH-1", b"WH-2") + b" "
    patch = _crc_patch(zlib.crc32(forged), wanted)
    webhook = _signed()
    assert zlib.crc32(forged + patch) == wanted
    assert _verdict(Webhook(method="POST", path="/", headers=webhook.headers, body=forged + patch)).valid


def _crc_patch(crc: int, wanted: int) -> bytes:
    """Four bytes that lead from one CRC-32 to another, by the table of the polynomial read backwards."""
    table = [_table_entry(n) for n in range(256)]
    by_top = {entry >> 24: n for n, entry in enumerate(table)}
    state, indexes = wanted ^ 0xFFFFFFFF, []
    for _ in range(4):
        index = by_top[state >> 24]
        indexes.append(index)
        state = ((state ^ table[index]) << 8) & 0xFFFFFFFF
    state, patch = crc ^ 0xFFFFFFFF, bytearray()
    for index in reversed(indexes):
        byte = (state ^ index) & 0xFF
        patch.append(byte)
        state = (state >> 8) ^ table[index]
    return bytes(patch)


def _table_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


@PROPERTY
@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=40), st.binary(max_size=80))
def test_any_request_gets_a_verdict_and_fetches_nothing_elsewhere(url: str, sig: str, time: str, body: bytes) -> None:
    headers = {
        **_header("Cert-Url", url),
        **_header("Transmission-Sig", sig),
        **_header("Transmission-Time", time),
        **_header("Transmission-Id", "1"),
        **_header("Auth-Algo", "SHA256withRSA"),
    }
    webhook = Webhook(method="POST", path="/", headers=Headers(list(headers.items())), body=body)
    assert not _verdict(webhook).valid
    assert _needed(webhook, _without("cert_pem")) is None


def _extract(event_type: str, resource: dict[str, Any], **event: Any) -> ExtractedEvent:
    document = {"id": "WH-1", "event_type": event_type, "resource": resource, **event}
    webhook = Webhook(method="POST", path="/", headers=Headers([]), body=json.dumps(document).encode())
    return PAYPAL.extract(webhook)


def _outcome(code: str) -> dict[str, Any]:
    return {"dispute_outcome": {"outcome_code": code}}


def _order(*payments: dict[str, Any]) -> dict[str, Any]:
    """An order says COMPLETED also when its payments do not (developer.paypal.com, Orders v2)."""
    return {"status": "COMPLETED", "purchase_units": [{"payments": payment} for payment in payments]}


@pytest.mark.parametrize(
    ("event_type", "resource", "status", "restores"),
    [
        ("CHECKOUT.ORDER.APPROVED", {"status": "APPROVED"}, S.PENDING, False),
        ("CHECKOUT.ORDER.SAVED", {}, S.PENDING, False),
        ("CHECKOUT.ORDER.COMPLETED", {"status": "COMPLETED"}, S.SUCCEEDED, False),
        ("CHECKOUT.ORDER.COMPLETED", _order({"captures": [{"status": "COMPLETED"}]}), S.SUCCEEDED, False),
        ("CHECKOUT.ORDER.COMPLETED", _order({"captures": [{"status": "PARTIALLY_REFUNDED"}]}), S.SUCCEEDED, False),
        ("CHECKOUT.ORDER.COMPLETED", _order({"captures": [{"status": "PENDING"}]}), S.PENDING, False),
        ("CHECKOUT.ORDER.COMPLETED", _order({"captures": [{"status": "DECLINED"}]}), S.FAILED, False),
        (
            "CHECKOUT.ORDER.COMPLETED",
            _order({"captures": [{"status": "COMPLETED"}]}, {"captures": [{"status": "FAILED"}]}),
            None,
            False,
        ),
        ("CHECKOUT.ORDER.COMPLETED", _order({"authorizations": [{"status": "CREATED"}]}), S.AUTHORIZED, False),
        ("CHECKOUT.ORDER.COMPLETED", _order({}), S.SUCCEEDED, False),
        ("PAYMENT.AUTHORIZATION.CREATED", {"status": "CREATED"}, S.AUTHORIZED, False),
        ("PAYMENT.AUTHORIZATION.CREATED", {"status": "DENIED"}, None, False),
        ("PAYMENT.AUTHORIZATION.CREATED", {"state": "authorized"}, S.AUTHORIZED, False),
        ("PAYMENT.AUTHORIZATION.VOIDED", {"status": "VOIDED"}, S.CANCELED, False),
        ("PAYMENT.CAPTURE.PENDING", {}, S.PENDING, False),
        ("PAYMENT.CAPTURE.COMPLETED", {}, S.SUCCEEDED, False),
        ("PAYMENT.CAPTURE.COMPLETED", {"status": "REFUNDED"}, S.SUCCEEDED, False),
        ("PAYMENT.CAPTURE.COMPLETED", {"status": "PENDING"}, None, False),
        ("PAYMENT.CAPTURE.COMPLETED", {"status": "DECLINED"}, None, False),
        ("PAYMENT.SALE.COMPLETED", {"state": "pending"}, None, False),
        ("PAYMENT.CAPTURE.DECLINED", {}, S.FAILED, False),
        ("PAYMENT.CAPTURE.DENIED", {}, S.FAILED, False),
        ("PAYMENT.CAPTURE.REFUNDED", {"status": "COMPLETED"}, S.REFUNDED, False),
        ("PAYMENT.CAPTURE.REFUNDED", {"status": "PARTIALLY_REFUNDED"}, S.PARTIALLY_REFUNDED, False),
        ("PAYMENT.CAPTURE.REFUNDED", {"status": "PENDING"}, None, False),
        ("PAYMENT.CAPTURE.REVERSED", {"status": "COMPLETED"}, S.CHARGEBACK, False),
        ("PAYMENT.SALE.COMPLETED", {"state": "completed"}, S.SUCCEEDED, False),
        ("PAYMENT.SALE.DENIED", {}, S.FAILED, False),
        ("PAYMENT.SALE.REFUNDED", {"state": "completed"}, S.REFUNDED, False),
        ("PAYMENT.SALE.REFUNDED", {"state": "pending"}, None, False),
        ("PAYMENT.SALE.REFUNDED", {"state": "failed"}, None, False),
        ("PAYMENT.SALE.REVERSED", {"state": "completed"}, S.CHARGEBACK, False),
        ("CUSTOMER.DISPUTE.CREATED", {}, S.DISPUTED, False),
        ("CUSTOMER.DISPUTE.UPDATED", {"status": "RESOLVED"}, S.DISPUTED, False),
        (
            "CUSTOMER.DISPUTE.UPDATED",
            {"status": "RESOLVED", **_outcome("RESOLVED_SELLER_FAVOUR")},
            S.SUCCEEDED,
            True,
        ),
        ("CUSTOMER.DISPUTE.UPDATED", _outcome("RESOLVED_SELLER_FAVOUR"), S.DISPUTED, False),
        ("CUSTOMER.DISPUTE.RESOLVED", _outcome("RESOLVED_SELLER_FAVOUR"), S.SUCCEEDED, True),
        ("CUSTOMER.DISPUTE.RESOLVED", _outcome("RESOLVED_BUYER_FAVOUR"), S.CHARGEBACK, False),
        ("CUSTOMER.DISPUTE.RESOLVED", _outcome("SOMETHING_NEW"), S.DISPUTED, False),
        ("CUSTOMER.DISPUTE.RESOLVED", {}, S.DISPUTED, False),
        ("PAYMENT.PAYOUTSBATCH.SUCCESS", {"status": "COMPLETED", "amount": "5"}, None, False),
        ("PAYMENT.CAPTURE.UNHEARD_OF", {"status": "COMPLETED"}, None, False),
    ],
)
def test_an_event_tells_this_state(
    event_type: str, resource: dict[str, Any], status: PaymentStatus | None, restores: bool
) -> None:
    event = _extract(event_type, resource)
    assert (event.payment_status, event.restores) == (status, restores)


def _up(path: str) -> dict[str, Any]:
    return {"id": "R-1", "links": [{"rel": "self", "href": "https://x/1"}, {"rel": "up", "href": path}]}


@pytest.mark.parametrize(
    ("event_type", "resource", "ref"),
    [
        ("PAYMENT.CAPTURE.COMPLETED", {"id": "C-1", "links": [_up("https://x/v2/checkout/orders/O")]}, "C-1"),
        ("PAYMENT.CAPTURE.REFUNDED", _up("https://api.paypal.com/v2/payments/captures/C-1"), "C-1"),
        ("PAYMENT.CAPTURE.REVERSED", _up("https://api.paypal.com/v2/payments/captures/C-1/"), "C-1"),
        ("PAYMENT.CAPTURE.REFUNDED", _up("https://api.paypal.com/v2/payments/authorizations/A-1"), "R-1"),
        ("PAYMENT.CAPTURE.REFUNDED", _up("http://[bad/captures/C-1"), "R-1"),
        ("PAYMENT.SALE.REFUNDED", {"id": "R-1", "sale_id": "S-1"}, "S-1"),
        (
            "PAYMENT.SALE.REVERSED",
            {"id": "R-1", "links": [{"rel": "sale", "href": "https://api.paypal.com/v1/payments/sale/S-1"}]},
            "S-1",
        ),
        (
            "PAYMENT.CAPTURE.REFUNDED",
            {"id": "R-1", "supplementary_data": {"related_ids": {"capture_id": "C-1", "order_id": "O-1"}}},
            "C-1",
        ),
        ("CUSTOMER.DISPUTE.CREATED", {"disputed_transactions": [{"seller_transaction_id": "C-1"}]}, "C-1"),
        ("CUSTOMER.DISPUTE.CREATED", {"dispute_id": "PP-D-1"}, "PP-D-1"),
    ],
)
def test_refunds_and_disputes_lead_to_the_payment(event_type: str, resource: dict[str, Any], ref: str) -> None:
    assert _extract(event_type, resource).provider_ref == ref


@pytest.mark.parametrize(
    ("resource", "minor", "currency"),
    [
        ({"amount": {"currency_code": "USD", "value": "5.00"}}, 500, "USD"),
        ({"amount": {"currency_code": "JPY", "value": "500"}}, 500, "JPY"),
        ({"amount": {"currency": "EUR", "total": "7.47"}}, 747, "EUR"),
        ({"purchase_units": [{"amount": {"currency_code": "USD", "value": "30.00"}}]}, 3000, "USD"),
        ({"dispute_amount": {"currency_code": "USD", "value": "1.00"}, "amount": {}}, 100, "USD"),
        ({}, None, None),
    ],
)
def test_amounts_are_texts_in_major_units(resource: dict[str, Any], minor: int | None, currency: str | None) -> None:
    event = _extract("CUSTOMER.DISPUTE.CREATED", resource)
    assert (event.amount_minor, event.currency) == (minor, currency)


@pytest.mark.parametrize(
    ("event_type", "status"),
    [("PAYMENT.SALE.REFUNDED", S.REFUNDED), ("PAYMENT.SALE.REVERSED", S.CHARGEBACK)],
)
def test_v1_writes_what_goes_back_with_a_minus(event_type: str, status: PaymentStatus) -> None:
    event = _extract(event_type, {"sale_id": "S-1", "amount": {"total": "-0.49", "currency": "USD"}})
    assert (event.payment_status, event.amount_minor, event.currency) == (status, 49, "USD")


def test_paypals_own_signature_leads_to_digicerts_root() -> None:
    """Sent by PayPal's webhook simulator, which signs with the live certificate and the id WEBHOOK_ID."""
    sent = json.loads((Path(__file__).parents[2] / "data" / "paypal_simulator.json").read_text())
    credentials = Credentials({**_field("webhook_id", "WEBHOOK_ID"), **_field("cert_pem", sent["cert_pem"])})
    webhook = Webhook(
        method="POST", path="/", headers=Headers(list(sent["headers"].items())), body=sent["body"].encode()
    )
    assert _verdict(webhook, credentials, sent["now"]) == Verdict(None, "0")
    event = PAYPAL.extract(webhook)
    assert (event.payment_status, event.provider_ref, event.amount_minor) == (S.REFUNDED, "9T0916710M1105906", 1)
    assert _verdict(webhook, Credentials({**credentials.fields, **_field("webhook_id", "OTHER")}), sent["now"]) == (
        Verdict(Reason.SIGNATURE_MISMATCH)
    )


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        ({"amount": {"currency_code": "USD", "value": "5.001"}}, "resource.amount.value"),
        ({"amount": {"currency_code": "USD", "value": "-5.00"}}, "resource.amount.value"),
        ({"amount": {"currency_code": "DOLLAR", "value": "5"}}, "resource.amount.currency_code"),
        ({"amount": []}, "resource.amount"),
        ({"id": 5}, "resource.id"),
        ({"purchase_units": {}}, "resource.purchase_units"),
    ],
)
def test_a_wrong_field_is_named(resource: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract("PAYMENT.CAPTURE.COMPLETED", resource)
    assert caught.value.field == field
