"""Whatever comes in, these providers answer: a verdict, an event, or one of the two errors that are documented."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, Provider, SignatureScheme, Verdict, Webhook
from tenrusl.simulator import sign_webhook
from tests.unit.providers.hostile_input import (
    ANY,
    NOW,
    ODD_TEXTS,
    PATH,
    PROPERTY,
    TIMES,
    bodies,
    call_everything,
    changed,
    credentials_by_name,
    credentials_like,
    extract_any,
    samples_of,
    webhooks,
    with_one_odd_field,
)

_NAMES = (
    *("stripe", "paypal", "paddle", "lemonsqueezy", "airwallex", "standardwebhooks", "amazon_bwp", "mock"),
)  # fmt: skip
OURS: Mapping[str, Provider] = {name: PROVIDERS[name] for name in _NAMES}
CREDENTIALS = credentials_by_name(OURS)
SAMPLES = [
    *samples_of(OURS),
    {
        "provider": "mock",
        "name": "everything",
        "body": json.dumps(
            {
                "id": "e-1",
                "type": "payment.succeeded",
                "occurred_at": "2026-01-01T00:00:00Z",
                "created": 1,
                "data": {"id": "p", "status": "paid", "amount": 5, "currency": "EUR", "order_id": "o"},
                "directives": {"fail_first": 1, "fail_always": False, "take_ms": 1},
            }
        ),
    },
    {
        "provider": "standardwebhooks",
        "name": "everything",
        "body": json.dumps(
            {
                "type": "payment.succeeded",
                "timestamp": "2026-01-01T00:00:00Z",
                "data": {"id": "p", "status": "paid", "amount_minor": 5, "currency": "EUR", "order_id": "o"},
            }
        ),
    },
    {
        "provider": "paddle",
        "name": "classic",
        "body": "alert_id=1&alert_name=payment_refunded&order_id=9&gross_refund=2.99&currency=USD&refund_type=full"
        "&passthrough=%7B%22order%22%3A1%7D&event_time=2026-01-01+00%3A00%3A00&p_signature=AAAA",
    },
    {
        "provider": "paypal",
        "name": "a dispute and a refund at once",
        "body": json.dumps(
            {
                "id": "WH-1",
                "event_type": "PAYMENT.SALE.REFUNDED",
                "create_time": "2026-01-01T00:00:00Z",
                "resource": {
                    "links": [{"rel": "up", "href": "https://api.paypal.com/v2/payments/captures/C"}],
                    "supplementary_data": {"related_ids": {"capture_id": "C"}},
                    "amount": {"total": "-0.49", "currency": "USD"},
                    "status": "COMPLETED",
                },
            }
        ),
    },
]
every_provider = pytest.mark.parametrize("provider", OURS.values(), ids=OURS)
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['provider']}: {sample['name']}")

# All headers that a scheme, an extractor or a reply of these providers reads.
_HEADERS = (
    *("Stripe-Signature", "Paddle-Signature", "X-Signature", "x-timestamp", "X-Event-Name", "X-Mock-Signature"),
    *("webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "svix-timestamp", "svix-signature"),
    *("Paypal-Transmission-Id", "Paypal-Transmission-Time", "Paypal-Transmission-Sig", "Paypal-Cert-Url"),
    *("Paypal-Auth-Algo", "X-Amzn-Signature", "X-Amzn-Kid", "Authorization", "AUTHORIZATION", "Content-Type", "", "é"),
)
_ADDRESS = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-df8cd2d5"
_VALUES = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=40),
    st.sampled_from(
        [
            f"t=1785000000,v1={'0' * 64}",
            f"t={'9' * 30},v1=00",
            "t=\u0663,v1=00",
            "t=,v1=,v0=",
            f"ts=1785000000;h1={'0' * 64}",
            "ts=-1;h1=00;h1=",
            "v1,AAAA v1a,AAAA",
            f"v1a,{'A' * 86}==",
            "v1,é v1a,\ud800",
            "SHA256withRSA",
            _ADDRESS,
            "MAYCAQACAQA=",
        ]
    ),
)
_WEBHOOKS = webhooks(_HEADERS, bodies(SAMPLES), _VALUES)


@every_provider
@PROPERTY
@given(data=st.data())
def test_any_request_any_credentials_any_time(provider: Provider, data: st.DataObject) -> None:
    webhook, credentials = data.draw(_WEBHOOKS), data.draw(credentials_like(CREDENTIALS[provider.name]))
    call_everything(provider, webhook, credentials, data.draw(TIMES))


@every_provider
@PROPERTY
@given(webhook=_WEBHOOKS, now=TIMES)
def test_no_request_that_nobody_signed_is_valid(provider: Provider, webhook: Webhook, now: float) -> None:
    assert not call_everything(provider, webhook, CREDENTIALS[provider.name], now).valid


@every_sample
@settings(PROPERTY, max_examples=60)
@given(data=st.data())
def test_an_event_with_one_field_of_any_value(sample: dict[str, Any], data: st.DataObject) -> None:
    webhook = Webhook(
        method="POST",
        path=PATH,
        headers=Headers([("webhook-id", "msg_1")]),
        body=data.draw(with_one_odd_field(sample["body"])),
    )
    extract_any(OURS[sample["provider"]], webhook)


@every_sample
def test_a_sample_itself_is_read(sample: dict[str, Any]) -> None:
    webhook = Webhook(
        method="POST", path=PATH, headers=Headers([("webhook-id", "msg_1")]), body=sample["body"].encode()
    )
    assert extract_any(OURS[sample["provider"]], webhook) is not None


@every_provider
@pytest.mark.parametrize("raw", ["[" * 65 + "]" * 65, '{"a":1,"a":2}', "NaN", "9" * 5000])
def test_a_document_that_two_readers_could_read_differently_is_refused(provider: Provider, raw: str) -> None:
    body = b'{"id":"e","type":"t","name":"n","event_type":"t","event_id":"e","detail-type":"t","x":%s}' % raw.encode()
    webhook = Webhook(method="POST", path=PATH, headers=Headers([("webhook-id", "msg_1")]), body=body)
    assert extract_any(provider, webhook) is None


# (provider, scheme) whose signature covers the whole body.
COVERING = [
    (provider, scheme) for provider in OURS.values() for scheme in provider.schemes if provider.covers_body(scheme)
]
_SIGNED_BODY = b'{"id":"e-1","note":"a \\" b\\\\","data":{"status":"paid","list":[1, 2.50]} }'
_SIGNED_FORM = b"alert_id=1&alert_name=payment_succeeded&order_id=9&passthrough=a%20%3Bs%3A1%3A%22b&sale_gross=29.99"


def _sign(provider: Provider, scheme: SignatureScheme) -> Webhook:
    body = _SIGNED_FORM if scheme.name == "classic_rsa" else _SIGNED_BODY
    signed = sign_webhook(provider, body, CREDENTIALS[provider.name], NOW, scheme=scheme.name, path=PATH)
    return Webhook(method="POST", path=PATH, headers=Headers(list(signed.headers.items())), body=signed.body)


# Signed once: an ECDSA signature is another one each time.
_SIGNED = {
    (name, scheme.name): _sign(provider, scheme) for name, provider in OURS.items() for scheme in provider.schemes
}


def _signed(provider: Provider, scheme: SignatureScheme) -> Webhook:
    return _SIGNED[provider.name, scheme.name]


every_covering = pytest.mark.parametrize(
    ("provider", "scheme"), COVERING, ids=[f"{provider.name}-{scheme.name}" for provider, scheme in COVERING]
)


@every_covering
@settings(PROPERTY, max_examples=300)
@given(data=st.data())
def test_no_changed_body_is_valid(provider: Provider, scheme: SignatureScheme, data: st.DataObject) -> None:
    webhook, credentials = _signed(provider, scheme), CREDENTIALS[provider.name]
    assert provider.verify(webhook, credentials, NOW).valid
    other = replace(webhook, body=changed(data.draw, webhook.body))
    if other.body != webhook.body and provider.verify(other, credentials, NOW).valid:
        # A form may be written in several ways: what is read, and signed, is the same.
        assert scheme.name == "classic_rsa"
        assert other.form == webhook.form


def _read_headers(webhook: Webhook) -> list[tuple[str, str]]:
    return [item for item in webhook.headers.items() if item[0] != "Content-Type"]


@pytest.mark.parametrize(
    ("provider", "scheme"),
    [item for item in COVERING if item[1].name != "classic_rsa"],  # whose signature stands in the body
    ids=lambda item: item.name,
)
@settings(PROPERTY, max_examples=150)
@given(data=st.data())
def test_no_changed_signature_is_valid(provider: Provider, scheme: SignatureScheme, data: st.DataObject) -> None:
    """Of every header that is signed or signs, whatever is flipped, cut or repeated in it."""
    webhook, credentials = _signed(provider, scheme), CREDENTIALS[provider.name]
    name, value = data.draw(st.sampled_from(_read_headers(webhook)))
    text = changed(data.draw, value.encode()).decode("latin-1")
    verdict = provider.verify(replace(webhook, headers=webhook.headers.with_values({name: text})), credentials, NOW)
    if verdict.valid and text != value:
        # What is ignored, or says the same: unknown entries of a list, another certificate's name, a host's capitals.
        kept = _entries(value) & _entries(text)
        one_is_enough = scheme.name in ("svix", "standard")  # v1 or v1a
        assert name == "Paypal-Cert-Url" or kept == _entries(value) or (kept and one_is_enough)


def _entries(value: str) -> set[str]:
    return set(value.replace(",v", " v").replace(";", " ").replace(",t", " t").split())


@every_provider
@PROPERTY
@given(data=st.data())
def test_a_header_that_stands_twice_is_refused(provider: Provider, data: st.DataObject) -> None:
    webhook = _signed(provider, provider.schemes[-1])
    name, value = data.draw(st.sampled_from(_read_headers(webhook)))
    again = (
        data.draw(st.sampled_from([name, name.upper(), name.lower()])),
        data.draw(st.sampled_from([value, "", "x"])),
    )
    items = data.draw(st.permutations([*webhook.headers.items(), again]))
    verdict = provider.verify(replace(webhook, headers=Headers(items)), CREDENTIALS[provider.name], NOW)
    assert verdict == Verdict(Reason.HEADER_DUPLICATED)


def _key(name: str, field: str) -> bytes:
    return CREDENTIALS[name].versions(field)[-1].key()


def _hex(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, hashlib.sha256).hex()


def _stripe(time: bytes) -> dict[str, str]:
    text = time.decode()
    return {"Stripe-Signature": f"t={text},v1={_hex(_key('stripe', 'signing_secret'), time + b'.{}')}"}


def _paddle(time: bytes) -> dict[str, str]:
    text = time.decode()
    return {"Paddle-Signature": f"ts={text};h1={_hex(_key('paddle', 'secret_key'), time + b':{}')}"}


def _airwallex(time: bytes) -> dict[str, str]:
    return {"x-timestamp": time.decode(), "x-signature": _hex(_key("airwallex", "secret"), time + b"{}")}


def _standard_key() -> bytes:
    text = _key("standardwebhooks", "secret").decode().removeprefix("whsec_")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _standard_entry(time: bytes) -> str:
    message = b"msg_1." + time + b".{}"
    return "v1," + base64.b64encode(hmac.digest(_standard_key(), message, hashlib.sha256)).decode()


def _standard(time: bytes) -> dict[str, str]:
    return {"webhook-id": "msg_1", "webhook-timestamp": time.decode(), "webhook-signature": _standard_entry(time)}


TIMED: dict[str, tuple[int, Callable[[bytes], dict[str, str]]]] = {
    "stripe": (1, _stripe),
    "paddle": (1, _paddle),
    "airwallex": (1000, _airwallex),
    "standardwebhooks": (1, _standard),
}
every_timed = pytest.mark.parametrize("name", TIMED)
_NO_TIMES = (
    *(
        "",
        "-1",
        "-1785000000",
        "+1785000000",
        "01785000000",
        " 1785000000",
        "1785000000 ",
        "1785000000.0",
        "1e9",
        "0x1",
    ),
    *("9" * 30, "9" * 5000, "1_785_000_000", "٣" * 10, "\uff11\uff17\uff18\uff15" + "0" * 6, "later", "1785000000\n"),
)


def _verdict(name: str, headers: Mapping[str, str], now: float = NOW) -> Verdict:
    webhook = Webhook(method="POST", path=PATH, headers=Headers(list(headers.items())), body=b"{}")
    return OURS[name].verify(webhook, CREDENTIALS[name], now)


@every_timed
def test_what_the_tests_sign_is_valid(name: str) -> None:
    unit, sign = TIMED[name]
    assert _verdict(name, sign(b"%d" % (NOW * unit))).valid


@every_timed
@pytest.mark.parametrize("time", _NO_TIMES)
def test_a_signed_time_that_is_no_plain_number_is_refused(name: str, time: str) -> None:
    unit, sign = TIMED[name]
    for text in {time, time.replace("1785000000", str(int(NOW) * unit))}:
        assert not _verdict(name, sign(text.encode())).valid


@every_timed
@pytest.mark.parametrize("year_end", [253_402_300_799, 99_999_999_999], ids=["9999", "5138"])
def test_a_signed_time_far_in_the_future_is_refused_where_the_contract_says_so(name: str, year_end: int) -> None:
    unit, sign = TIMED[name]
    # Stripe's own SDKs look at the age alone.
    assert _verdict(name, sign(b"%d" % (year_end * unit))).valid is (name == "stripe")


@every_timed
def test_a_signed_time_of_1970_is_stale(name: str) -> None:
    assert _verdict(name, TIMED[name][1](b"0")) == Verdict(Reason.TIMESTAMP_STALE)


@pytest.mark.parametrize("many", [17, 10_000])
@pytest.mark.parametrize(
    ("name", "header", "entry"),
    [
        ("stripe", "Stripe-Signature", f",v1={'0' * 64}"),
        ("paddle", "Paddle-Signature", f";h1={'0' * 64}"),
        ("standardwebhooks", "webhook-signature", f" v1,{'A' * 43}="),
        ("standardwebhooks", "webhook-signature", f" v1a,{'A' * 86}=="),
        ("standardwebhooks", "webhook-signature", " "),
    ],
)
def test_very_many_signatures_are_refused_though_the_first_is_right(
    name: str, header: str, entry: str, many: int
) -> None:
    headers = TIMED[name][1](b"%d" % NOW)
    assert _verdict(name, headers | {header: headers[header] + entry * many}) == Verdict(Reason.SIGNATURE_MALFORMED)


def _upper(header: str, value: str) -> str:
    start = max(value.rfind("="), -1) + 1
    return value[:start] + value[start:].upper()


@pytest.mark.parametrize(
    ("name", "scheme", "header", "valid"),
    [
        ("stripe", "v1", "Stripe-Signature", False),
        ("paddle", "billing_hmac", "Paddle-Signature", False),
        ("lemonsqueezy", "hmac", "X-Signature", False),
        ("airwallex", "hmac", "x-signature", False),
        ("mock", "hmac", "X-Mock-Signature", True),  # as its contract says
    ],
)
def test_upper_case_hex_is_refused_where_the_contract_writes_lower(
    name: str, scheme: str, header: str, valid: bool
) -> None:
    signed = dict(sign_webhook(OURS[name], b"{}", CREDENTIALS[name], NOW, scheme=scheme, path=PATH).headers)
    assert _verdict(name, signed | {header: _upper(header, signed[header])}).valid is valid


@pytest.mark.parametrize(
    ("name", "scheme", "header"),
    [
        ("paypal", "certificate", "Paypal-Transmission-Sig"),
        ("amazon_bwp", "jwks_ecdsa", "X-Amzn-Signature"),
        ("standardwebhooks", "standard", "webhook-signature"),
        ("standardwebhooks", "svix", "svix-signature"),
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text[:-4],
        lambda text: text.rstrip("=") if text.endswith("=") else text + "=",
        lambda text: text + "====",
        lambda text: text + "\n",
        lambda text: text[:40] + "\n" + text[40:],
        lambda text: text[:40] + " " + text[40:],
        lambda text: text[:40] + "%2B" + text[40:],
        lambda text: text.replace("A", "\u0410").replace("a", "\u0430"),  # Cyrillic
        lambda text: text[:-5] + "!" + text[-4:],
    ],
)
def test_base64_counts_in_its_one_form(name: str, scheme: str, header: str, change: Callable[[str], str]) -> None:
    signed = dict(sign_webhook(OURS[name], b"{}", CREDENTIALS[name], NOW, scheme=scheme, path=PATH).headers)
    before, comma, last = signed[header].rpartition(",")  # of several entries the last, which then stands alone
    version = before.rpartition(" ")[2]
    alone = {header: version + comma + last}
    assert _verdict(name, signed | alone).valid
    if (text := change(last)) != last:
        assert not _verdict(name, signed | {header: version + comma + text}).valid


_ADDRESS_PARTS = st.sampled_from(
    [
        *("https://", "HTTPS://", "http://", "//", "https:/", "https:\\\\", "", " https://"),
        *(
            "api.paypal.com",
            "API.PAYPAL.COM",
            "api.paypal.com.",
            "\u0430pi.paypal.com",
            "api.paypal。com",
            "ap\u0131.paypal.com",
        ),
        *("xn--pi-7kc.paypal.com", "api.sandbox.paypal.com", "api.paypal.com.evil.example", "evilapi.paypal.com"),
        *("evil.example", "127.0.0.1", "[::1]", "2130706433", "api.paypal.com%00", "api%2epaypal.com", "localhost"),
        *(
            "user@",
            "user:pw@",
            ":443",
            ":8443",
            ":0",
            ":99999",
            ":",
            "@evil.example",
            "\\@evil.example",
            "#@evil.example",
        ),
        *(
            "/v1/notifications/certs/CERT-1",
            "/v1/notifications/certs/",
            "/V1/notifications/certs/CERT-1",
            "/",
            "/..",
            "/.",
        ),
        *(
            "/v1/oauth2/token",
            "/%2e%2e",
            "%0d%0aHost:x",
            "\r\nHost: x",
            "\\..\\",
            "?x=1",
            "#x",
            ";a",
            "\x00",
            "\t",
            "CERT-1",
        ),
    ]
)


@PROPERTY
@given(st.lists(_ADDRESS_PARTS, max_size=6).map("".join))
@example("HTTPS://API.PAYPAL.COM/v1/notifications/certs/CERT-1")
def test_only_paypals_own_address_is_ever_asked(url: str) -> None:
    webhook = _signed(OURS["paypal"], OURS["paypal"].schemes[0])
    webhook = replace(webhook, headers=webhook.headers.with_values({"Paypal-Cert-Url": url}))
    fields = {name: found for name, found in CREDENTIALS["paypal"].fields.items() if name != "cert_pem"}
    assert OURS["paypal"].key_needed is not None
    wanted = OURS["paypal"].key_needed(webhook, Credentials(fields))
    verdict = OURS["paypal"].verify(webhook, CREDENTIALS["paypal"], NOW)
    if wanted is None:
        assert verdict == Verdict(Reason.KEY_URL_NOT_ALLOWED if url else Reason.SIGNATURE_MISSING)
        return
    assert (wanted.host, wanted.port) == ("api.paypal.com", 443)
    assert wanted.path.startswith("/v1/notifications/certs/CERT-")
    # Only a scheme and a host may be written in capitals; whoever reads the address otherwise comes to the same.
    assert url.lower() == wanted.url.lower()
    assert url.endswith(wanted.path)


_EVENT = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}


@PROPERTY
@given(amount=ANY, currency=ANY)
def test_no_amount_of_stripe_is_guessed(amount: object, currency: object) -> None:
    subject = {"id": "pi_1", "amount": amount, "amount_received": amount, "currency": currency}
    body = json.dumps(_EVENT | {"data": {"object": subject}}).encode()
    event = extract_any(OURS["stripe"], Webhook(method="POST", path=PATH, headers=Headers([]), body=body))
    if event is not None and event.amount_minor is not None:
        assert type(amount) is int
        assert amount >= 0
        assert isinstance(currency, str)
