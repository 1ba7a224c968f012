"""Values of credential fields that are no plain text: for simulated traffic, made at run time."""

import base64
import random
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tenrusl.providers.schemes.standard_webhooks import PRIVATE_PREFIX, PUBLIC_PREFIX, SECRET_PREFIX

_KEY_BYTES = 32


def _loopback(rng: random.Random) -> Mapping[str, str]:
    return {"allowed_ips": "127.0.0.1, ::1"}


def _nothing(rng: random.Random) -> Mapping[str, str]:
    return {}


def _notification_headers(rng: random.Random) -> Mapping[str, str]:
    return {"notification_headers": f"List-Security-Token: {rng.getrandbits(160):040x}"}


def _merchant_id(rng: random.Random) -> Mapping[str, str]:
    return {"merchant_id": str(rng.randrange(10**7, 10**8))}


def _secret(rng: random.Random) -> Mapping[str, str]:
    return {"secret": SECRET_PREFIX + base64.b64encode(rng.randbytes(_KEY_BYTES)).decode()}


def _ed25519_pair(rng: random.Random) -> Mapping[str, str]:
    seed = rng.randbytes(_KEY_BYTES)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "public_key": PUBLIC_PREFIX + base64.b64encode(public).decode(),
        "private_key": PRIVATE_PREFIX + base64.b64encode(seed + public).decode(),
    }


# Provider and field → the field's value, and those of fields that only a signer reads.
FIELD_VALUES: Mapping[tuple[str, str], Callable[[random.Random], Mapping[str, str]]] = {
    ("dana", "notification_path"): _nothing,
    ("doku", "notification_path"): _nothing,
    ("midtrans", "notification_path"): _nothing,
    ("oy", "allowed_ips"): _loopback,
    ("oy", "trusted_proxies"): _nothing,
    ("payoneer", "notification_headers"): _notification_headers,
    ("skrill", "merchant_id"): _merchant_id,
    ("standardwebhooks", "secret"): _secret,
    ("standardwebhooks", "public_key"): _ed25519_pair,
}
