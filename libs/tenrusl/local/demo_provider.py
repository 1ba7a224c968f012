"""The demo's provider that no file of the code knows: declared in settings, as docs/providers/generic.md says."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tenrusl.payments import PaymentStatus
from tenrusl.providers.generic import build_generic, parse_specs
from tenrusl.providers.types import Credentials, Provider
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.requests import SimulatedEvent
from tenrusl.simulator.variables import to_variables

NAME = "acme"
WINDOW_SECONDS = 300.0
_WORDS = {PaymentStatus.PENDING: "open", PaymentStatus.SUCCEEDED: "paid", PaymentStatus.FAILED: "declined"}
_DECLARATION = json.dumps(
    {
        "providers": {
            NAME: {
                "signature": {"header": "X-Acme-Signature", "prefix": "sha256=", "signed": "{timestamp}.{body}"},
                "timestamp": {"header": "X-Acme-Time", "max_age_seconds": WINDOW_SECONDS},
                "event": {
                    "id": ["/payment/id", "/payment/state"],
                    "type": "/type",
                    "status": "/payment/state",
                    "provider_ref": "/payment/id",
                    "merchant_ref": "/payment/order",
                    "amount": "/payment/amount",
                    "currency": "/payment/currency",
                    "occurred_at": "/created",
                },
                "statuses": {word: status.value for status, word in _WORDS.items()},
                "reply": {"status": 200, "body": '{"ok":true}', "content_type": "application/json"},
            }
        }
    }
)
PROVIDER: Provider = build_generic(parse_specs(_DECLARATION)[0])


def declare(folder: Path, rng: random.Random) -> tuple[Credentials, Mapping[str, str]]:
    """Writes the declaration; what signs, and the variables that make the services know the provider."""
    path = folder / "providers.json"
    path.write_text(_DECLARATION, encoding="utf-8")
    credentials = simulated_credentials(PROVIDER, rng)
    return credentials, {"TENRUSL_GENERIC_PROVIDERS_FILE": str(path), **to_variables(PROVIDER, credentials)}


def event(
    *, status: PaymentStatus, payment: str, amount_minor: int, currency: str, occurred_at: datetime
) -> SimulatedEvent:
    """An event about a payment. Raises KeyError for a status that the provider has no word for."""
    content = {
        "type": "payment",
        "created": occurred_at.isoformat(timespec="seconds"),
        "payment": {
            "id": payment,
            "state": _WORDS[status],
            "order": f"order_{payment}",
            "amount": amount_minor,
            "currency": currency,
        },
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    return SimulatedEvent(provider=NAME, status=status, reference=payment, content=body)
