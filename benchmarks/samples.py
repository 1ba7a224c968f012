"""One signed webhook of about 1 KB for every way in which a built-in provider proves where it comes from."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.generic import build_generic, parse_specs
from tenrusl.providers.types import Credentials, Provider
from tenrusl.simulator.keys import simulated_credentials
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.requests import (
    SimulatedEvent,
    SimulatedRequest,
    sign_event,
    simulate_event,
    simulate_thin_event,
)
from tenrusl.simulator.signing import sign_webhook

BODY_BYTES = 1024
SENDER = "127.0.0.1"
NOW = 1_785_000_000.0
_OCCURRED_AT = datetime.fromtimestamp(NOW - 30, UTC)
_USUAL_HEADERS = {
    "Host": "pay.example.com",
    "User-Agent": "provider-webhooks/1.0",
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
    "X-Forwarded-Proto": "https",
    "X-Request-Id": "018f2c4e-6a54-7c3e-9a41-2f6d1c0b7e55",
}
_FILLERS = {
    "customer_name": "Siti Rahma Wulandari",
    "customer_email": "siti.rahma@example.com",
    "customer_phone": "+62 812 0000 0000",
    "billing_street": "Jalan Jenderal Sudirman 52",
    "billing_city": "Jakarta Selatan",
    "billing_postcode": "12190",
    "item_name": "T-shirt, organic cotton, blue, M",
    "item_sku": "TS-ORG-BLU-M",
}


class Proof(StrEnum):
    """What proves a webhook, and with it what the verification may cost."""

    SHARED_SECRET = "HMAC, digest, token or address"
    RSA_SHA256 = "RSA-2048, SHA-256"
    RSA_SHA1 = "RSA-2048, SHA-1"
    ECDSA_P384 = "ECDSA P-384, SHA-384"
    ED25519 = "Ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A request and what it is verified with at Unix time NOW."""

    name: str
    proof: Proof
    provider: Provider
    credentials: Credentials
    request: SimulatedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """How a sample is made. without: credential fields that are not set."""

    provider: str
    scheme: str
    variant: str = ""
    proof: Proof = Proof.SHARED_SECRET
    by_query: bool = False
    without: Sequence[str] = ()


def samples() -> list[Sample]:
    """Those of the built-in providers, and one of a provider that is declared in settings. Makes new keys each time."""
    rng = random.Random(1)
    return [_sample(case, PROVIDERS[case.provider], rng) for case in _CASES] + [_generic(rng)]


def _sample(case: _Case, provider: Provider, rng: random.Random) -> Sample:
    made = simulated_credentials(provider, rng)
    credentials = Credentials({name: value for name, value in made.fields.items() if name not in case.without})
    event = _event(case, rng)
    request = sign_event(replace(event, content=_padded(event.content), scheme=case.scheme), credentials, NOW)
    return Sample(
        name=f"{case.provider} {case.scheme}{case.variant and f', {case.variant}'}",
        proof=case.proof,
        provider=provider,
        credentials=credentials,
        request=_with_usual_headers(request),
    )


def _event(case: _Case, rng: random.Random) -> SimulatedEvent:
    if case.provider == "amazon_bwp":
        return simulate_thin_event(order="order_0001", occurred_at=_OCCURRED_AT, rng=rng)
    return simulate_event(
        case.provider,
        status=PaymentStatus.SUCCEEDED,
        payment="pay_7f3a91c2d4",
        amount_minor=12_500_000,
        currency=OFFERS[case.provider].currencies[0],
        occurred_at=_OCCURRED_AT,
        rng=rng,
        by_query=case.by_query,
        scheme=case.scheme,
    )


def _generic(rng: random.Random) -> Sample:
    """Events in the form of `mock`, signed as the declaration says."""
    provider = build_generic(parse_specs(_DECLARATION)[0])
    credentials = simulated_credentials(provider, rng)
    body = _padded(_event(_Case(provider="mock", scheme="hmac"), rng).content)
    signed = sign_webhook(provider, body, credentials, NOW)
    request = SimulatedRequest(
        provider=provider.name,
        method="POST",
        target=f"/api/webhooks/{provider.name}",
        headers=signed.headers,
        body=signed.body,
    )
    return Sample(
        name="declared in settings",
        proof=Proof.SHARED_SECRET,
        provider=provider,
        credentials=credentials,
        request=_with_usual_headers(request),
    )


def _with_usual_headers(request: SimulatedRequest) -> SimulatedRequest:
    length = {"Content-Length": str(len(request.body))}
    return replace(request, headers={**_USUAL_HEADERS, **request.headers, **length})


def _padded(body: bytes) -> bytes:
    """About BODY_BYTES: with fields such as shops add, as far as there is room."""
    for number in itertools.count(1):
        for name, value in _FILLERS.items():
            longer = _with_field(body, f"{name}_{number}", value)
            if len(longer) > BODY_BYTES:
                return body
            body = longer
    raise AssertionError("counts on and on")


def _with_field(body: bytes, name: str, value: str) -> bytes:
    """A JSON object or a form, with one more text."""
    if body.startswith(b"{"):
        return b"%s,%s" % (body[:-1], json.dumps({name: value}).encode()[1:])
    return b"%s&%s" % (body, urlencode({name: value}).encode())


_CASES = (
    _Case(provider="mock", scheme="bearer"),
    _Case(provider="mock", scheme="hmac"),
    _Case(provider="airwallex", scheme="hmac"),
    _Case(provider="amazon_bwp", scheme="jwks_ecdsa", proof=Proof.ECDSA_P384),
    _Case(provider="dana", scheme="snap_rsa", proof=Proof.RSA_SHA256),
    _Case(provider="doku", scheme="non_snap"),
    _Case(provider="doku", scheme="snap_symmetric", without=("access_token",)),
    _Case(provider="doku", scheme="snap_rsa", proof=Proof.RSA_SHA256),
    _Case(provider="doku", scheme="snap_token_request", proof=Proof.RSA_SHA256),
    _Case(provider="lemonsqueezy", scheme="hmac"),
    _Case(provider="midtrans", scheme="signature_key"),
    _Case(provider="midtrans", scheme="iris"),
    _Case(provider="midtrans", scheme="snap_rsa", proof=Proof.RSA_SHA256),
    _Case(provider="oy", scheme="ip_allowlist", without=("callback_secret",)),
    _Case(provider="oy", scheme="seed_simulator"),
    _Case(provider="paddle", scheme="billing_hmac"),
    _Case(provider="paddle", scheme="classic_rsa", proof=Proof.RSA_SHA1),
    _Case(provider="payoneer", scheme="notification_header", without=("url_token", "shared_secret")),
    _Case(provider="payoneer", scheme="notification_header", variant="GET", by_query=True, without=("shared_secret",)),
    _Case(provider="payoneer", scheme="url_token", without=("shared_secret",)),
    _Case(provider="payoneer", scheme="seed_simulator"),
    # Without `verification` it is offline: PayPal's API is not asked.
    _Case(
        provider="paypal",
        scheme="certificate",
        proof=Proof.RSA_SHA256,
        without=("verification", "client_id", "client_secret", "api_host", "intermediate_pems"),
    ),
    _Case(provider="skrill", scheme="md5sig"),
    _Case(provider="standardwebhooks", scheme="standard", variant="v1", without=("public_key", "private_key")),
    _Case(
        provider="standardwebhooks", scheme="standard", variant="v1a", without=("secret",), proof=Proof.ED25519
    ),
    _Case(provider="standardwebhooks", scheme="svix", variant="v1", without=("public_key", "private_key")),
    _Case(provider="stripe", scheme="v1"),
    _Case(provider="tripay", scheme="hmac"),
    _Case(provider="xendit", scheme="token"),
)  # fmt: skip
_DECLARATION = """{"providers": {"acme": {
    "signature": {"header": "X-Acme-Signature", "prefix": "sha256=", "signed": "{timestamp}.{body}"},
    "timestamp": {"header": "X-Acme-Time"},
    "event": {"id": "/id", "type": "/type", "status": "/data/status", "provider_ref": "/data/id",
              "merchant_ref": "/data/merchant_ref", "amount": "/data/amount_minor", "currency": "/data/currency",
              "occurred_at": "/occurred_at"},
    "statuses": {"succeeded": "succeeded", "failed": "failed"}}}}"""
