"""Amazon Buy with Prime: which keys of a JWKS count, in which form a signature may come, and what an event says."""

import base64
import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.keys import with_key
from tenrusl.providers.schemes.jwks import MAX_KEYS, p384_keys
from tenrusl.providers.types import Credentials, ExtractedEvent, Headers, SecretVersion, Verdict, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials
from tenrusl.simulator.fetched_keys import jwk

AMAZON = PROVIDERS["amazon_bwp"]
NOW = 1_785_000_000.0
BODY = b'{"id":"e-1","detail-type":"PACKAGE_DELIVERED"}'
SIGNER = simulated_credentials(AMAZON, random.Random(1))
JWKS: dict[str, Any] = json.loads(SIGNER.versions("jwks")[0].secret.reveal())
KEY = JWKS["keys"][0]
N = 39402006196394479212279040100143613805079739270465446667946905279627659399113263569398956308152294913554433653942643
PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)


def _with(**fields: str) -> Credentials:
    changed = {name: (SecretVersion("current", Secret(value)),) for name, value in fields.items()}
    return Credentials({**SIGNER.fields, **changed})


def _signed(headers: dict[str, str] | None = None, body: bytes = BODY) -> Webhook:
    """Signed, and then with other headers; an empty one is left out."""
    signed = sign_webhook(AMAZON, BODY, SIGNER, NOW)
    items = [(name, value) for name, value in (dict(signed.headers) | (headers or {})).items() if value]
    return Webhook(method="POST", path="/", headers=Headers(items), body=body)


def _verdict(webhook: Webhook, credentials: Credentials = SIGNER) -> Verdict:
    return AMAZON.verify(webhook, credentials, NOW)


def _signature(webhook: Webhook) -> bytes:
    return base64.b64decode(webhook.headers.require("x-amzn-signature"))


def _resigned(raw: bytes) -> Webhook:
    return _signed({"X-Amzn-Signature": base64.b64encode(raw).decode()})


def _raw(webhook: Webhook) -> bytes:
    r, s = decode_dss_signature(_signature(webhook))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


@pytest.mark.parametrize(
    ("encodings", "der", "raw"),
    [
        (None, True, False),
        ("der", True, False),
        ("raw", False, True),
        ("der,raw", True, True),
        (" RAW , der", True, True),
    ],
)
def test_the_form_of_a_signature_is_a_setting(encodings: str | None, der: bool, raw: bool) -> None:
    credentials = SIGNER if encodings is None else _with(signature_encoding=encodings)
    signed = _signed()
    assert _verdict(signed, credentials).valid is der
    assert _verdict(_resigned(_raw(signed)), credentials).valid is raw


@pytest.mark.parametrize(("r", "s"), [(0, 0), (0, 1), (1, 0), (N, N), (1, N), (N - 1, N - 1), (2**384 - 1, 1)])
def test_numbers_that_no_signature_has_are_refused(r: int, s: int) -> None:
    credentials = _with(signature_encoding="der,raw")
    assert not _verdict(_resigned(encode_dss_signature(r, s)), credentials).valid
    assert not _verdict(_resigned(r.to_bytes(48, "big") + s.to_bytes(48, "big")), credentials).valid


def test_der_is_read_strictly() -> None:
    der = _signature(_signed())
    loose = [
        der + b"\0",
        der[:-1],
        b"\x30\x80" + der[2:] + b"\0\0",  # indefinite length
        b"\x30\x81" + der[1:],  # the length in a longer form
        der[:2] + b"\x02" + bytes([der[3] + 1]) + b"\0" + der[4:],  # a leading zero too many
    ]
    for changed in loose:
        assert not _verdict(_resigned(changed)).valid, changed.hex()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Amzn-Signature": ""}, Reason.SIGNATURE_MISSING),
        ({"X-Amzn-Signature": "AAA"}, Reason.SIGNATURE_MALFORMED),
        ({"X-Amzn-Signature": "é"}, Reason.SIGNATURE_MALFORMED),
        ({"X-Amzn-Signature": "AB=="}, Reason.SIGNATURE_MALFORMED),  # bits that no byte needs
        ({"X-Amzn-Kid": ""}, Reason.SIGNATURE_MISSING),
        ({"X-Amzn-Kid": "other"}, Reason.SIGNATURE_MISMATCH),
        ({"X-Amzn-Kid": "A" * 100_000}, Reason.SIGNATURE_MISMATCH),
    ],
)
def test_headers_are_read_strictly(headers: dict[str, str], reason: Reason) -> None:
    assert _verdict(_signed(headers)) == Verdict(reason)


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"crv": "P-256"},
        {"use": "enc"},
        {"alg": "ES256"},
        {"alg": "none"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kid": ""},
        {"kid": 5},
        {"x": KEY["y"]},  # not on the curve
        {"x": KEY["x"] + "="},
        {"x": None},
        {"y": "A" * 64},
    ],
)
def test_a_key_that_is_not_for_this_is_left_out(change: dict[str, Any]) -> None:
    assert not p384_keys(json.dumps({"keys": [KEY | change]}))


@pytest.mark.parametrize("change", [{"use": None}, {"alg": "ECDSA_SHA_384"}, {"key_ops": ["verify"]}, {"x5c": ["AA"]}])
def test_what_a_key_need_not_say_may_be_left_out(change: dict[str, Any]) -> None:
    key = {name: value for name, value in (KEY | change).items() if value is not None}
    assert list(p384_keys(json.dumps({"keys": [5, key]}))) == [KEY["kid"]]


def test_an_id_that_stands_twice_stands_for_no_key() -> None:
    other = jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), KEY["kid"])
    text = json.dumps({"keys": [KEY, other]})
    assert _verdict(_signed(), _with(jwks=text)) == Verdict(Reason.KEY_UNTRUSTED)


def test_a_key_of_another_curve_is_not_believed() -> None:
    text = json.dumps({"keys": [KEY | {"crv": "P-256"}]})
    assert _verdict(_signed(), _with(jwks=text)) == Verdict(Reason.KEY_UNTRUSTED)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"keys": [KEY | {"kid": str(number)} for number in range(10_000)]}),
        json.dumps({"keys": [{"kid": str(number)} for number in range(MAX_KEYS + 1)]}),
        json.dumps({"keys": {}}),
        json.dumps([KEY]),
        "no json",
        "[" * 100_000,
        '{"keys":[],"keys":[]}',
        "\ud800",
    ],
    ids=["10,000 keys", "101 keys", "an object", "a list", "no json", "deep", "twice", "surrogate"],
)
def test_a_document_that_is_no_jwks_counts_as_none(text: str) -> None:
    assert _verdict(_signed(), _with(jwks=text)) == Verdict(Reason.CREDENTIALS_MISSING)


def _operator(**fields: str) -> Credentials:
    return Credentials({name: (SecretVersion("current", Secret(value)),) for name, value in fields.items()})


def test_the_jwks_is_asked_for_at_the_configured_address() -> None:
    assert AMAZON.key_needed is not None
    request = AMAZON.key_needed(_signed({"Host": "evil.example"}), _operator())
    assert request is not None
    assert request.url == "https://api.buywithprime.amazon.com/jwks.json"
    assert request.key_id == KEY["kid"]
    credentials = with_key(_operator(), request, json.dumps(JWKS))
    assert _verdict(_signed(), credentials) == Verdict(None, "fetched")


@pytest.mark.parametrize(
    ("credentials", "url"),
    [
        (SIGNER, None),
        (_operator(jwks_url="https://127.0.0.1:8443/jwks.json"), "https://127.0.0.1:8443/jwks.json"),
        (_operator(jwks_url="http://127.0.0.1/jwks.json"), None),
        (_operator(jwks_url="https://u@h/jwks.json"), None),
        (_operator(jwks_url=""), "https://api.buywithprime.amazon.com/jwks.json"),
    ],
)
def test_another_address_is_a_setting_and_https(credentials: Credentials, url: str | None) -> None:
    assert AMAZON.key_needed is not None
    request = AMAZON.key_needed(_signed(), credentials)
    assert (request and request.url) == url


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Amzn-Signature": ""},
        {"X-Amzn-Signature": "A"},
        {"X-Amzn-Kid": ""},
        {"X-Amzn-Kid": "a b"},
        {"X-Amzn-Kid": "é"},
    ],
)
def test_nothing_is_fetched_for_a_forgery_on_its_face(headers: dict[str, str]) -> None:
    assert AMAZON.key_needed is not None
    assert AMAZON.key_needed(_signed(headers), _operator()) is None


@PROPERTY
@given(st.text(max_size=200), st.text(max_size=20), st.binary(max_size=60))
def test_any_request_gets_a_verdict(signature: str, key_id: str, body: bytes) -> None:
    webhook = _signed({"X-Amzn-Signature": signature, "X-Amzn-Kid": key_id}, body)
    assert not _verdict(webhook, _with(signature_encoding="der,raw")).valid


@PROPERTY
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([KEY["x"], "EC", "P-384"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEY, "keys", "key_ops"]), inner, max_size=7)
        ),
        max_leaves=12,
    )
)
def test_any_document_is_read_or_refused(document: object) -> None:
    for text in (json.dumps(document), json.dumps({"keys": document}), json.dumps({"keys": [document]})):
        try:
            keys = p384_keys(text)
        except ValueError:
            continue
        assert not keys


def _extract(**fields: Any) -> ExtractedEvent:
    document = {"id": "e-1", "detail-type": "RETURN_COMPLETED", "time": "2023-10-27T12:34:56Z", "detail": {}, **fields}
    return AMAZON.extract(Webhook(method="POST", path="/", headers=Headers([]), body=json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("fields", "ref"),
    [
        ({"resources": ["business-product/bp/order/o-1"]}, "o-1"),
        ({"resources": ["x", 5, "business-product/bp/order/o-1/refund/r-1"]}, "o-1"),
        ({"detail": {"orderIdentifier": {"orderId": "o-2"}}}, "o-2"),
        ({"resources": ["business-product/bp/order/"]}, None),
        ({"resources": "business-product/bp/order/o-1"}, None),
        ({"resources": ["business-product/bp/inventory/i-1"]}, None),
        ({"resources": ["business-product/bp/order/" + "x" * 300]}, None),
    ],
)
def test_the_order_is_in_the_resources(fields: dict[str, Any], ref: str | None) -> None:
    assert _extract(**fields).provider_ref == ref


@pytest.mark.parametrize(
    "event_type", ["REFUND_REQUESTED", "RETURN_COMPLETED", "REFUND_SUCCESS", "ORDER_PLACED", "NEW"]
)
def test_no_event_moves_a_payment(event_type: str) -> None:
    event = _extract(**{"detail-type": event_type, "detail": {"status": "SUCCEEDED", "amount": 5}})
    assert (event.payment_status, event.amount_minor, event.event_type) == (None, None, event_type)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"id": None}, "id"), ({"detail-type": 1}, "detail-type"), ({"time": "x"}, "time"), ({"detail": []}, "detail")],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract(**fields)
    assert caught.value.field == field
