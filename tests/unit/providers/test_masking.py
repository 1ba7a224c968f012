"""Bodies are shown without the signatures that stand in them."""

import json
import random
import re

import pytest

from tenrusl.providers import PROVIDERS
from tenrusl.providers.masking import mask_fields
from tenrusl.providers.types import Provider, SignatureScheme
from tenrusl.simulator import sign_webhook, simulated_credentials
from tests.unit.providers.test_signatures import BODIES, DEFAULT_BODY, NOW

NAMES = frozenset({"signature_key", "md5sig"})


@pytest.mark.parametrize(
    ("body", "masked"),
    [
        (
            b'{ "gross_amount":10000.00, "signature_key" : "abc", "n": 1.50}',
            b'{ "gross_amount":10000.00, "signature_key" : "***", "n": 1.50}',
        ),
        (
            b'{"a":{"signature_key":"s"},"b":[{"signature_key":"t"}]}',
            b'{"a":{"signature_key":"***"},"b":[{"signature_key":"***"}]}',
        ),
        (b'{"signature_key":"","order":"abc"}', b'{"signature_key": "***", "order": "abc"}'),
        (rb'{"signature\u005fkey":"\u0061bc","n":1.50}', b'{"signature_key": "***", "n": "1.50"}'),
        (b'{"signature_key":["abc"]}', b'{"signature_key": "***"}'),
        (b'{"status":"200","signature_key":"200"}', b'{"status": "200", "signature_key": "***"}'),
        (b"status=2&md5sig=AB%2BC&note=a+b", b"status=2&md5sig=***&note=a+b"),
        (b"md5%73ig=ABC", b"md5%73ig=***"),
        (b'{"broken', b"***"),
        (b"\xff=1", b"***"),
    ],
)
def test_the_value_of_a_named_field_is_masked_and_the_rest_stays(body: bytes, masked: bytes) -> None:
    assert mask_fields(body, NAMES) == masked


def test_without_names_the_body_is_as_it_came() -> None:
    assert mask_fields(b'{"broken', frozenset()) == b'{"broken'


@pytest.mark.parametrize(
    ("provider", "scheme"),
    [(provider, scheme) for provider in PROVIDERS.values() for scheme in provider.schemes],
    ids=lambda item: item.name,
)
def test_whatever_a_signer_puts_into_a_body_is_masked(provider: Provider, scheme: SignatureScheme) -> None:
    body = BODIES.get(scheme.name, DEFAULT_BODY)
    credentials = simulated_credentials(provider, random.Random(1))
    signed = sign_webhook(provider, body, credentials, NOW, scheme=scheme.name).body
    values = set(re.findall(rb"[0-9A-Za-z+/%]{24,}", signed)) - set(re.findall(rb"[0-9A-Za-z+/%]{24,}", body))
    shown = mask_fields(signed, provider.signature_fields)
    assert not [value for value in values if value in shown]
    assert (shown == signed) == (not values)


def test_a_signed_body_of_midtrans_reads_as_before() -> None:
    provider, body = PROVIDERS["midtrans"], BODIES["signature_key"]
    signed = sign_webhook(provider, body, simulated_credentials(provider, random.Random(1)), NOW)
    shown = json.loads(mask_fields(signed.body, provider.signature_fields))
    assert shown == json.loads(body) | {"signature_key": "***"}
