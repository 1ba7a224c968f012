"""Webhooks of several providers, as the simulator makes and signs them. The same in every process."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, ExtractedEvent, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.requests import SimulatedRequest, sign_event, simulate_event

# Those that sign with one secret; more forms of bodies and signatures than Stripe's.
MIXED_PROVIDERS = ("airwallex", "lemonsqueezy", "mock", "stripe", "tripay", "xendit")
_AMOUNT_MINOR = 12_500_00


@dataclass(frozen=True, kw_only=True)
class SimulatedWebhook:
    """One payment event of `provider`. name: see webhooks.Webhook. created: Unix seconds, when it happened and is
    signed."""

    provider: str
    name: str
    created: int
    secret: str

    @property
    def event_id(self) -> str:
        event = PROVIDERS[self.provider].extract(self._request.webhook())
        assert isinstance(event, ExtractedEvent)
        return event.event_id

    @property
    def body(self) -> bytes:
        return self._request.body

    def request(self, *, path: str, host: str) -> bytes:
        """The whole HTTP/1.1 request."""
        signed = self._request
        fields = "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
        head = f"{signed.method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {len(signed.body)}\r\n\r\n"
        return head.encode() + signed.body

    @cached_property
    def _request(self) -> SimulatedRequest:
        event = simulate_event(
            self.provider,
            status=PaymentStatus.SUCCEEDED,
            payment=self.name,
            amount_minor=_AMOUNT_MINOR,
            currency=OFFERS[self.provider].currencies[0],
            occurred_at=datetime.fromtimestamp(self.created, UTC),
            rng=random.Random(self.name),
        )
        field = PROVIDERS[self.provider].secret_field
        return sign_event(event, Credentials({field: (SecretVersion("current", Secret(self.secret)),)}), self.created)
