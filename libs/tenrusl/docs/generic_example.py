"""A provider that is declared in settings, as an example."""

import json
from dataclasses import replace

from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.generic import build_generic, parse_specs
from tenrusl.providers.types import Provider

DECLARATION = """\
{
  "providers": {
    "acme": {
      "signature": {"header": "X-Acme-Signature", "prefix": "sha256=", "signed": "{timestamp}.{body}"},
      "timestamp": {"header": "X-Acme-Time"},
      "event": {
        "id": "/id", "type": "/type", "status": "/data/state", "provider_ref": "/data/id",
        "merchant_ref": "/data/order", "amount": "/data/amount", "currency": "/data/currency", "occurred_at": "/created"
      },
      "statuses": {"paid": "succeeded", "declined": "failed"}
    }
  }
}"""


def generic_example() -> Provider:
    """The provider that DECLARATION declares, with an About of its own."""
    signed = json.loads(DECLARATION)["providers"]["acme"]["signature"]["signed"]
    return replace(build_generic(parse_specs(DECLARATION)[0]), about=_about(signed))


def _about(signed: str) -> About:
    return About(
        title="Declared in settings (`generic`)",
        signed={"hmac": f"what the declaration's `signed` says, here `{signed}`"},
        credentials={"secret": Credential(what="the HMAC's key, as `key_encoding` says", found="the provider")},
        retries="as the provider likes; the declaration says which status is enough",
        dedup_key="what `event.id` points to, joined by colons",
        weakness="what the declaration leaves unsigned",
        weaknesses=(
            "Without `timestamp` no time is checked, so a request can be replayed; the dedup key catches that.",
            (
                "Where no event id is sent, `event.id` must name the object's id and its state: the id alone would "
                "lose every later state as a duplicate."
            ),
            "HMAC only: no public keys, and no signature inside of the body.",
        ),
        evidence=(Evidence("I", "a form of our own, wide enough for most HMAC contracts"),),
    )
