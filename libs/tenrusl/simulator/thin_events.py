"""Events that tell no payment's state (Amazon Buy with Prime): recorded, and nothing else."""

import json
import random
from datetime import UTC, datetime


def build_thin_event(
    *, order_ref: str, occurred_at: datetime, rng: random.Random, event_type: str = "PACKAGE_DELIVERED"
) -> bytes:
    """The unsigned body of an event of Amazon Buy with Prime about an order. occurred_at: with time zone."""
    event = {
        "version": "0",
        "id": f"{rng.getrandbits(128):032x}",
        "detail-type": event_type,
        "source": "aws.partner/buywithprime/simulator",
        "account": "123456789012",
        "time": occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [f"business-product/bp-{rng.getrandbits(32):08x}/order/{order_ref}"],
        "detail": {},
    }
    return json.dumps(event, separators=(",", ":")).encode()
