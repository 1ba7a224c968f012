"""Builds and signs the requests of `make demo`."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tenrusl.clock import Clock
from tenrusl.local import demo_provider
from tenrusl.local.demo_lines import DEMO_PROVIDERS, Request
from tenrusl.payments import PaymentStatus
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Credentials, Reply, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator.crc_collision import with_crc_of
from tenrusl.simulator.keys import forgers_credentials
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.requests import SimulatedEvent, SimulatedRequest, sign_event, simulate_event, simulate_thin_event
from tenrusl.simulator.signing import sign_webhook

# The gateway of the demo believes X-Forwarded-For of its own machine, so that a line can come from elsewhere.
ELSEWHERE = "203.0.113.7"
_SEED = 2026
_AMOUNT_MINOR = 12_500_00
_AMOUNT, _RAISED = b"12500", b"92500"  # as they stand in every provider's notation of 12,500.00


class Sender:
    """credentials: as the providers have them, by name. Signs for the time at which a request is asked for."""

    def __init__(self, credentials: Mapping[str, Credentials], clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._rng = random.Random(_SEED)  # noqa: S311 - repeats, protects nothing
        self._token = ""

    def event(
        self,
        provider: str,
        payment: str,
        status: PaymentStatus,
        *,
        minutes_ago: int = 5,
        by_query: bool = False,
        extra: dict[str, Any] | None = None,
        scheme: str | None = None,
    ) -> SimulatedEvent:
        """minutes_ago: when it happened. scheme: by which it is signed, None for the provider's usual one."""
        reference, occurred_at = f"{provider}_{payment}", self._clock.now() - timedelta(minutes=minutes_ago)
        if provider == demo_provider.NAME:
            return demo_provider.event(
                status=status,
                payment=reference,
                amount_minor=_AMOUNT_MINOR,
                currency="IDR",
                occurred_at=occurred_at,
            )
        return simulate_event(
            provider,
            status=status,
            payment=reference,
            amount_minor=_AMOUNT_MINOR,
            currency=OFFERS[provider].currencies[0],
            occurred_at=occurred_at,
            rng=self._rng,
            by_query=by_query,
            extra=extra,
            scheme=scheme,
        )

    def thin_event(self) -> SimulatedEvent:
        """An event about an order."""
        return simulate_thin_event(order="order-1", occurred_at=self._clock.now(), rng=self._rng)

    def request(
        self,
        event: SimulatedEvent,
        *,
        signed_seconds_ago: float = 0.0,
        forged: bool = False,
        elsewhere: bool = False,
        without: str = "",
        **instead: str,
    ) -> Request:
        """forged: signed with secrets that are not configured. elsewhere: sent from another address.

        without: a credential that the signer does not have. instead: values of credentials for this request.
        """
        known = DEMO_PROVIDERS[event.provider]
        genuine = self._credentials[event.provider]
        credentials = forgers_credentials(known, genuine, self._rng) if forged else genuine
        fields = {name: versions for name, versions in credentials.fields.items() if name != without}
        fields |= {name: (SecretVersion("", Secret(value)),) for name, value in instead.items()}
        signed_at = self._clock.now().timestamp() - signed_seconds_ago
        http = sign_event(event, Credentials(fields), signed_at, provider=known)
        if elsewhere:
            http = replace(http, headers={**http.headers, "X-Forwarded-For": ELSEWHERE})
        return Request(http=http, reference=event.reference, event_id=_event_id(http))

    def changed(self, request: Request) -> Request:
        """With another amount under the same signature."""
        body = request.http.body.replace(_AMOUNT, _RAISED)
        assert body != request.http.body
        return replace(request, http=replace(request.http, body=body))

    def collision(self, genuine: Request, event: SimulatedEvent) -> Request:
        """Another event under the headers of a genuine request, whose body has the same CRC-32."""
        body = with_crc_of(genuine.http.body, event.content)
        http = replace(genuine.http, body=body)
        return Request(http=http, reference=event.reference, event_id=_event_id(http))

    def unreadable(self) -> Request:
        """A body that is signed and is no JSON."""
        body = b'{"id": "evt_cut_off", "data": {'
        known, now = DEMO_PROVIDERS["mock"], self._clock.now().timestamp()
        signed = sign_webhook(known, body, self._credentials["mock"], now)
        http = SimulatedRequest(
            provider="mock", method="POST", target="/api/webhooks/mock", headers=signed.headers, body=body
        )
        return Request(http=http, reference="mock_unreadable", event_id="evt_cut_off")

    def take_token(self, reply: Reply) -> None:
        """DOKU's answer to its request for a token."""
        self._token = str(json.loads(reply.body)["accessToken"]) if reply.status == 200 else ""

    @property
    def token(self) -> str:
        """The token that DOKU was given last, or one that nobody gave."""
        return self._token or "none"


def _event_id(http: SimulatedRequest) -> str:
    try:
        return DEMO_PROVIDERS[http.provider].extract(http.webhook()).event_id
    except MalformedWebhookError:
        return ""  # no event
