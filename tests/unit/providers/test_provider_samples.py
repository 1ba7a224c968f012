"""Every sample payload of the providers that exist: what is read is exactly what the sample says."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tenrusl.providers import PROVIDERS, money
from tenrusl.providers.types import Headers, Webhook

_DATA = Path(__file__).parents[2] / "data"
SAMPLES = [s for s in json.loads((_DATA / "samples.json").read_text()) if s["provider"] in PROVIDERS]
_ZONES = {
    "midtrans": timezone(timedelta(hours=7)),
    "oy": timezone(timedelta(hours=7)),
}  # providers whose times leave out the offset


def time_of(value: int | str | None, provider: str) -> datetime | None:
    """A sample's `occurred_at`, with the zone that the provider leaves out."""
    if value is None:
        return None
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC)
    # OY writes days first, and the times of disbursements in UTC.
    time = datetime.fromisoformat(re.sub(r"^(\d\d)[/-](\d\d)[/-](\d{4})[T ](\S+)$", r"\3-\2-\1T\4", value))
    if provider == "oy" and "-" in value[:3]:
        return time.replace(tzinfo=UTC)
    return time if time.tzinfo else time.replace(tzinfo=_ZONES[provider])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: f"{s['provider']}: {s['name']}")
def test_a_sample_is_read_as_it_says(sample: dict[str, Any]) -> None:
    webhook = Webhook(method="POST", path="/", headers=Headers([]), body=sample["body"].encode())
    event = PROVIDERS[sample["provider"]].extract(webhook)
    expect = sample["expect"]
    amount = expect["amount"]
    assert {
        "dedup_key": event.event_id,
        "event_type": event.event_type,
        "provider_ref": event.provider_ref,
        "merchant_ref": event.merchant_ref,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "status": event.payment_status,
        "occurred_at": event.occurred_at,
    } == {
        "dedup_key": expect["dedup_key"],
        "event_type": expect["event_type"],
        "provider_ref": expect["provider_ref"],
        "merchant_ref": expect["merchant_ref"],
        "amount_minor": None if amount is None else money.minor_from_major(amount, expect["currency"]),
        "currency": expect["currency"],
        "status": expect["status"],
        "occurred_at": time_of(expect["occurred_at"], sample["provider"]),
    }


def test_the_samples_of_all_providers_with_a_body_of_their_own_are_there() -> None:
    assert {sample["provider"] for sample in SAMPLES} == set(PROVIDERS) - {"mock", "standardwebhooks"}
