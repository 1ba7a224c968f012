"""What holds for every provider's signatures: two secrets at once, and nothing forged is valid."""

import contextlib
import json
import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.schemes import StaticTokenScheme
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
BODIES = {
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
        gross_amount fraud_status signature_key refunds settlement_time occurred_at directives take_ms value""",
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

CASES = [(provider, scheme) for provider in PROVIDERS.values() for scheme in provider.schemes]
IDS = [f"{provider.name}-{scheme.name}" for provider, scheme in CASES]
CREDENTIALS = {
    name: simulated_credentials(provider, random.Random(1), ("current", "next")) for name, provider in PROVIDERS.items()
}
every_scheme = pytest.mark.parametrize(("provider", "scheme"), CASES, ids=IDS)
# A token covers nothing.
COVERING = [case for case in CASES if not isinstance(case[1], StaticTokenScheme)]
every_covering_scheme = pytest.mark.parametrize(
    ("provider", "scheme"), COVERING, ids=[f"{provider.name}-{scheme.name}" for provider, scheme in COVERING]
)


def _signed(provider: Provider, scheme: SignatureScheme, credentials: Credentials) -> Webhook:
    body = BODIES.get(scheme.name, DEFAULT_BODY)
    signed = sign_webhook(provider, body, credentials, NOW, scheme=scheme.name, path=PATH)
    return Webhook(method="POST", path=PATH, headers=Headers(list(signed.headers.items())), body=signed.body)


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
    assert provider.verify(webhook, CREDENTIALS[provider.name], NOW) == Verdict(None, "next")


@every_scheme
@pytest.mark.parametrize("version", ["current", "next"])
def test_both_secrets_of_a_rotation_are_accepted_and_named(
    provider: Provider, scheme: SignatureScheme, version: str
) -> None:
    both = CREDENTIALS[provider.name]
    webhook = _signed(provider, scheme, _only(both, version))
    assert provider.verify(webhook, both, NOW) == Verdict(None, version)


@every_scheme
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
        items = [*_items(webhook), (name.upper(), webhook.headers.get(name) or "")]
        twice = Webhook(method="POST", path=PATH, headers=Headers(items), body=webhook.body)
        assert provider.verify(twice, CREDENTIALS[provider.name], NOW) == Verdict(Reason.HEADER_DUPLICATED)


@every_scheme
def test_no_changed_byte_of_a_signature_header_is_valid(provider: Provider, scheme: SignatureScheme) -> None:
    credentials = CREDENTIALS[provider.name]
    webhook = _signed(provider, scheme, credentials)
    for name in _signature_headers(webhook):
        value = webhook.headers.get(name) or ""
        for changed in _changed_texts(value):
            # Documented: mock takes hex and the word Bearer in either case.
            if provider.name == "mock" and changed.lower() == value.lower() and not changed.startswith("Bearer "):
                continue
            items = [(n, changed if n == name else v) for n, v in _items(webhook)]
            forged = Webhook(method="POST", path=PATH, headers=Headers(items), body=webhook.body)
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
    names = ["Authorization", "Content-Type", "webhook-id", *_signature_headers(signed)]
    values = st.one_of(st.text(), st.sampled_from(["Bearer ", "t=1,v1=", "t=1785000000,v1=00", "AAAA", "é", "\ud800"]))
    headers = data.draw(st.lists(st.tuples(st.sampled_from(names), values), max_size=4))
    body = data.draw(st.one_of(st.binary(max_size=200), _JSON_BODIES))
    webhook = Webhook(method="POST", path=data.draw(st.text(max_size=9)), headers=Headers(headers), body=body)
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


def _items(webhook: Webhook) -> list[tuple[str, str]]:
    return [(name, webhook.headers.get(name) or "") for name in _HEADER_NAMES if name in webhook.headers]


_HEADER_NAMES = (
    "Authorization", "X-Mock-Signature", "Stripe-Signature", "x-callback-token", "Iris-Signature", "X-Signature",
    "X-Timestamp",
)  # fmt: skip


def _signature_headers(webhook: Webhook) -> list[str]:
    return [name for name in _HEADER_NAMES if name in webhook.headers]


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
    # signature_key covers three values and not the rest of the body.
    values = (b"A-1", b"201", b"200000.00") if scheme.name == "signature_key" else (covered,)
    for value in values:
        start = covered.find(value)
        for index in range(start, start + len(value)):
            body = bytearray(covered)
            body[index] ^= 0x01
            yield Webhook(method="POST", path=PATH, headers=webhook.headers, body=bytes(body))
