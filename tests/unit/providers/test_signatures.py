"""What holds for every provider's signatures: two secrets at once, and nothing forged is valid."""

import contextlib
import json
import random
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Headers,
    Outcome,
    Provider,
    SecretVersion,
    SignatureScheme,
    Verdict,
    Webhook,
)
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials

NOW = 1_785_000_000.25
PATH = "/v1.0/debit/notify"
LOOPBACK = "127.0.0.1"
# Schemes that prove where a request comes from and have no secret.
KEYLESS = frozenset({"ip_allowlist"})
BODIES = {
    "classic_rsa": b"alert_id=1&alert_name=payment_succeeded&order_id=9&note=Caf%C3%A9+%26+Co&sale_gross=29.99",
    "md5sig": b"transaction_id=A-1&mb_transaction_id=200234&mb_amount=9.99&mb_currency=EUR&status=2&amount=9.99",
    "signature_key": b'{"order_id":"A-1","status_code":"201","gross_amount":"200000.00","note":"\xc3\xa9"}',
}
DEFAULT_BODY = b'{"id":"evt_1","type":"payment.succeeded","data":{"id":"pay_1"}}'
# A hypothesis run never fails for being slow, and is the same in every run.
PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)

_FIELD_NAMES = st.sampled_from(
    re.findall(
        r"\w+",
        """id type event data object status created amount currency metadata payment_intent amount_refunded captured
        external_id paid_amount updated payment_id reference_id order_id transaction_id transaction_status status_code
        gross_amount fraud_status signature_key refunds settlement_time occurred_at directives take_ms value
        meta event_name attributes custom_data total refunded refunded_amount updated_at event_id event_type totals
        grand_total currency_code action details name created_at reference total_amount paid_at trx_id success tx_date
        tx_ref_number refund_id refund_status code entity statusCode longId notificationId timestamp amount_minor""",
    )
)
_SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text()
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELD_NAMES, inner, max_size=6),
    max_leaves=20,
)


def _dump(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


_JSON_BODIES = _JSON.map(_dump)
_FORM_BODIES = st.dictionaries(_FIELD_NAMES, st.text(st.characters(exclude_categories=["Cs"])), max_size=8).map(
    lambda fields: urlencode(fields).encode()
)
ODD_VALUES = [
    "Bearer ",
    "t=1,v1=",
    "t=1785000000,v1=00",
    "ts=1785000000;h1=00",
    "ts=-1;h1=00",
    f"ts={'9' * 30};h1=00",
    "253402300799",  # the last second of the year 9999
    "-1785000000",
    "9" * 30,
    "1785000000000",
    "v1,AAAA v1a,AAAA",
    " ".join(["v1,AAAA"] * 1000),
    "A" * 64,
    "AAAA",
    "AAA",
    "é",
    "\ud800",
]

CASES = [(provider, scheme) for provider in PROVIDERS.values() for scheme in provider.schemes]
IDS = [f"{provider.name}-{scheme.name}" for provider, scheme in CASES]
CREDENTIALS = {
    name: simulated_credentials(provider, random.Random(1), ("current", "next")) for name, provider in PROVIDERS.items()
}
every_scheme = pytest.mark.parametrize(("provider", "scheme"), CASES, ids=IDS)
KEYED = [case for case in CASES if case[1].name not in KEYLESS]
every_keyed_scheme = pytest.mark.parametrize(
    ("provider", "scheme"), KEYED, ids=[f"{provider.name}-{scheme.name}" for provider, scheme in KEYED]
)
# Values of a body where the scheme covers these and not the rest.
COVERED_VALUES = {
    "signature_key": (b"A-1", b"201", b"200000.00"),
    "md5sig": (b"A-1", b"9.99&mb", b"EUR", b"2&"),
}
COVERING = [case for case in CASES if case[0].covers_body(case[1]) or case[1].name in COVERED_VALUES]
every_covering_scheme = pytest.mark.parametrize(
    ("provider", "scheme"), COVERING, ids=[f"{provider.name}-{scheme.name}" for provider, scheme in COVERING]
)


def _signed(provider: Provider, scheme: SignatureScheme, credentials: Credentials) -> Webhook:
    body = BODIES.get(scheme.name, DEFAULT_BODY)
    signed = sign_webhook(provider, body, credentials, NOW, scheme=scheme.name, path=PATH)
    return Webhook(
        method="POST",
        path=PATH,
        query=signed.query or "",
        headers=Headers(list(signed.headers.items())),
        body=signed.body,
        source_ip=LOOPBACK,
    )


def _changed(webhook: Webhook, headers: list[tuple[str, str]], body: bytes) -> Webhook:
    return Webhook(
        method="POST",
        path=PATH,
        query=webhook.query,
        headers=Headers(headers),
        body=body,
        source_ip=LOOPBACK,
    )


def _only(credentials: Credentials, *versions: str) -> Credentials:
    return Credentials(
        {
            field: tuple(version for version in found if version.version in versions)
            for field, found in credentials.fields.items()
        }
    )


@every_scheme
def test_what_is_signed_is_valid(provider: Provider, scheme: SignatureScheme) -> None:
    webhook = _signed(provider, scheme, CREDENTIALS[provider.name])
    assert provider.scheme_of(webhook) is scheme
    verdict = provider.verify(webhook, CREDENTIALS[provider.name], NOW)
    assert (verdict.reason, verdict.body_covered) == (None, provider.covers_body(scheme))


@every_keyed_scheme
@pytest.mark.parametrize("version", ["current", "next"])
def test_both_secrets_of_a_rotation_are_accepted_and_named(
    provider: Provider, scheme: SignatureScheme, version: str
) -> None:
    both = CREDENTIALS[provider.name]
    webhook = _signed(provider, scheme, _only(both, version))
    verdict = provider.verify(webhook, both, NOW)
    assert (verdict.reason, verdict.version) == (None, version)


@every_keyed_scheme
def test_another_secret_is_refused(provider: Provider, scheme: SignatureScheme) -> None:
    webhook = _signed(provider, scheme, _only(CREDENTIALS[provider.name], "current"))
    verdict = provider.verify(webhook, _only(CREDENTIALS[provider.name], "next"), NOW)
    assert verdict == Verdict(Reason.SIGNATURE_MISMATCH)


@every_scheme
def test_an_empty_secret_opens_nothing(provider: Provider, scheme: SignatureScheme) -> None:
    empty = Credentials({field: (SecretVersion("current", Secret("")),) for field in provider.credential_fields})
    webhook = _signed(provider, scheme, CREDENTIALS[provider.name])
    assert provider.verify(webhook, empty, NOW) == Verdict(Reason.CREDENTIALS_MISSING)


@every_scheme
def test_a_signature_header_that_stands_twice_is_refused(provider: Provider, scheme: SignatureScheme) -> None:
    webhook = _signed(provider, scheme, CREDENTIALS[provider.name])
    names = _signature_headers(webhook)
    for name in names:
        items = [*webhook.headers.items(), (name.upper(), webhook.headers.get(name) or "")]
        twice = _changed(webhook, items, webhook.body)
        assert provider.verify(twice, CREDENTIALS[provider.name], NOW) == Verdict(Reason.HEADER_DUPLICATED)


@every_scheme
def test_no_changed_byte_of_a_signature_header_is_valid(provider: Provider, scheme: SignatureScheme) -> None:
    credentials = CREDENTIALS[provider.name]
    # Standard Webhooks: of two signatures in one header either is enough, so one is left here.
    dropped = "private_key" if provider.name == "standardwebhooks" else ""
    fields = {field: found for field, found in credentials.fields.items() if field != dropped}
    webhook = _signed(provider, scheme, Credentials(fields))
    for name in _signature_headers(webhook):
        if name == "Paypal-Cert-Url":
            continue  # an address is not signed; test_paypal.py says which are refused
        value = webhook.headers.get(name) or ""
        for changed in _changed_texts(value):
            # Documented: mock takes hex and the word Bearer in either case.
            if provider.name == "mock" and changed.lower() == value.lower() and not changed.startswith("Bearer "):
                continue
            # Not signed: whatever address it names, the certificate there is what counts.
            if name.lower() == "paypal-cert-url":
                continue
            items = [(n, changed if n == name else v) for n, v in webhook.headers.items()]
            forged = _changed(webhook, items, webhook.body)
            assert not provider.verify(forged, credentials, NOW).valid, changed


@every_covering_scheme
def test_no_changed_byte_of_a_covered_body_is_valid(provider: Provider, scheme: SignatureScheme) -> None:
    for forged in _changed_bodies(provider, scheme):
        assert not provider.verify(forged, CREDENTIALS[provider.name], NOW).valid, forged.body


@every_scheme
@PROPERTY
@given(data=st.data())
def test_random_requests_give_a_verdict_and_an_event_or_malformed(
    provider: Provider, scheme: SignatureScheme, data: st.DataObject
) -> None:
    signed = _signed(provider, scheme, CREDENTIALS[provider.name])
    names = ["Authorization", "Content-Type", "webhook-id", "X-Forwarded-For", *_signature_headers(signed)]
    values = st.one_of(st.text(), st.sampled_from(ODD_VALUES))
    headers = data.draw(st.lists(st.tuples(st.sampled_from(names), values), max_size=4))
    body = data.draw(st.one_of(st.binary(max_size=200), _JSON_BODIES, _FORM_BODIES))
    webhook = Webhook(
        method=data.draw(st.sampled_from(sorted(provider.methods))),
        path=data.draw(st.one_of(st.text(max_size=9), st.just("/a/token/b"))),
        query=data.draw(st.one_of(st.text(max_size=20), st.just("token=a"), _FORM_BODIES.map(bytes.decode))),
        headers=Headers(headers),
        body=body,
        source_ip=data.draw(st.one_of(st.text(max_size=20), st.sampled_from(["203.0.113.9", "::ffff:1.2.3.4"]))),
    )
    verdict = provider.verify(webhook, CREDENTIALS[provider.name], NOW)
    assert isinstance(verdict, Verdict)
    assert not verdict.valid
    # Anything else that is raised fails the test.
    with contextlib.suppress(MalformedWebhookError):
        assert isinstance(provider.extract(webhook), ExtractedEvent)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_provider_is_declared_whole(provider: Provider) -> None:
    assert PROVIDERS[provider.name] is provider
    assert provider.secret_field in provider.credential_fields
    assert set(provider.replies) == set(Outcome)
    assert provider.replies[Outcome.REJECTED].status == 401
    assert all(200 <= provider.replies[outcome].status < 300 for outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE))
    assert all(name == name.lower() for name in provider.content_types)


def _signature_headers(webhook: Webhook) -> list[str]:
    return [name for name, _ in webhook.headers.items() if name != "Content-Type"]


def _changed_texts(value: str) -> Iterator[str]:
    for index, character in enumerate(value):
        for bit in (0x01, 0x20):
            yield value[:index] + chr(ord(character) ^ bit) + value[index + 1 :]
        yield value[:index] + value[index + 1 :]
    yield value + "0"
    yield ""


def _changed_bodies(provider: Provider, scheme: SignatureScheme) -> Iterator[Webhook]:
    webhook = _signed(provider, scheme, CREDENTIALS[provider.name])
    covered = webhook.body
    for value in COVERED_VALUES.get(scheme.name, (covered,)):
        start = covered.find(value)
        for index in range(start, start + len(value)):
            body = bytearray(covered)
            body[index] ^= 0x01
            yield _changed(webhook, list(webhook.headers.items()), bytes(body))
