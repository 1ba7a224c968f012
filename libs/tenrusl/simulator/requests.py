"""Events of simulated providers, and the HTTP requests that carry them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, PaymentKey, Provider, Webhook
from tenrusl.simulator.payloads import build
from tenrusl.simulator.signing import sign_webhook
from tenrusl.simulator.thin_events import build_thin_event


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEvent:
    """What a provider reports, not signed yet.

    status: None for a thin event. reference: by which the payments API finds the payment. content: the body or, with
    `by_query`, the query of a GET. scheme: by which it is signed, None for the provider's usual one.
    """

    provider: str
    status: PaymentStatus | None
    reference: str
    content: bytes
    by_query: bool = False
    scheme: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRequest:
    """One HTTP request. target: path and query, as they stand in its first line."""

    provider: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def webhook(self, *, source_ip: str = "") -> Webhook:
        """As a verifier sees it."""
        path, _, query = self.target.partition("?")
        return Webhook(
            method=self.method,
            path=path,
            query=query,
            headers=Headers(list(self.headers.items())),
            body=self.body,
            source_ip=source_ip,
        )


def simulate_event(
    provider: str,
    *,
    status: PaymentStatus,
    payment: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    rng: random.Random,
    by_query: bool = False,
    extra: Mapping[str, Any] | None = None,
    scheme: str | None = None,
) -> SimulatedEvent:
    """An event about the payment `payment` (unique for the provider). by_query: only where the provider does that.

    amount_minor: ISO 4217 minor units. scheme: see SimulatedEvent. Raises ValueError as `build`.
    """
    merchant_ref = f"order_{payment}"
    content = build(
        provider,
        status=status,
        payment_ref=payment,
        merchant_ref=merchant_ref,
        amount_minor=amount_minor,
        currency=currency,
        occurred_at=occurred_at,
        rng=rng,
        extra=extra,
        scheme=scheme,
    )
    by_merchant = PROVIDERS[provider].payment_key is PaymentKey.MERCHANT_REF
    reference = merchant_ref if by_merchant else payment
    return SimulatedEvent(
        provider=provider, status=status, reference=reference, content=content, by_query=by_query, scheme=scheme
    )


def simulate_thin_event(*, order: str, occurred_at: datetime, rng: random.Random) -> SimulatedEvent:
    """An event of Amazon Buy with Prime about an order: it tells no payment's state."""
    content = build_thin_event(order_ref=order, occurred_at=occurred_at, rng=rng)
    return SimulatedEvent(provider="amazon_bwp", status=None, reference=order, content=content)


def sign_event(
    event: SimulatedEvent, credentials: Credentials, now: float, *, provider: Provider | None = None
) -> SimulatedRequest:
    """The request as the provider sends it at Unix time `now`; providers sign every attempt anew.

    provider: by default the built-in one of the event's name.
    Raises SignatureError(CREDENTIALS_MISSING), ValueError when a key cannot be read.
    """
    provider = provider or PROVIDERS[event.provider]
    path = f"/api/webhooks/{provider.name}"
    method = "GET" if event.by_query else "POST"
    body, query = (b"", event.content.decode("ascii")) if event.by_query else (event.content, "")
    signed = sign_webhook(provider, body, credentials, now, scheme=event.scheme, method=method, path=path, query=query)
    return SimulatedRequest(
        provider=provider.name,
        method=method,
        target=f"{path}?{signed.query}" if signed.query else path,
        headers=dict(signed.headers),
        body=signed.body,
    )
