"""Reading a JWKS (RFC 7517) of ECDSA P-384 keys. What cannot be used safely is left out, never guessed."""

import base64
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers

from tenrusl.providers.body import MalformedWebhookError, parse_json

MAX_KEYS = 100  # providers publish two or three; a thousand keys are an attack on whoever parses them
MAX_BYTES = 128 * 1024
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{64}", re.ASCII)  # 48 bytes, base64url without padding (RFC 7518, 6.2.1.2)
_ALGORITHMS = (None, "ES384", "ECDSA_SHA_384")
_KEY_ID = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def is_key_id(text: str) -> bool:
    """Whether a text can be a key's id: 1 to 255 visible ASCII characters."""
    return _KEY_ID.fullmatch(text) is not None


@lru_cache(maxsize=16)
def p384_keys(text: str) -> Mapping[str, EllipticCurvePublicKey]:
    """The usable keys by `kid`: EC, P-384, for signatures, with an id that stands once.

    Raises ValueError for a text that is no JWKS, over 128 KiB or with more than 100 keys.
    """
    listed = _listed(text)
    times = Counter(entry["kid"] for entry in listed)
    found = {entry["kid"]: _key(entry) for entry in listed if times[entry["kid"]] == 1 and is_key_id(entry["kid"])}
    return MappingProxyType({kid: key for kid, key in found.items() if key is not None})


@lru_cache(maxsize=16)
def listed_key_ids(text: str) -> frozenset[str]:
    """Every `kid` that stands there, also of keys that are not usable. Raises ValueError as `p384_keys`."""
    return frozenset(entry["kid"] for entry in _listed(text))


def _listed(text: str) -> list[Mapping[str, Any]]:
    if len(text) > MAX_BYTES:
        raise ValueError("too large")
    try:
        document = parse_json(text.encode("utf-8", "surrogatepass"))
    except MalformedWebhookError as exc:
        raise ValueError("no JSON") from exc
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError("no JWKS, or too many keys")
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("kid"), str)]


def _key(entry: Mapping[str, Any]) -> EllipticCurvePublicKey | None:
    if entry.get("kty") != "EC" or entry.get("crv") != "P-384" or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if entry.get("alg") not in _ALGORITHMS or not isinstance(operations, list) or "verify" not in operations:
        return None
    x, y = entry.get("x"), entry.get("y")
    if not isinstance(x, str) or not isinstance(y, str) or not _COORDINATE.fullmatch(x) or not _COORDINATE.fullmatch(y):
        return None
    try:
        return EllipticCurvePublicNumbers(_number(x), _number(y), SECP384R1()).public_key()
    except ValueError:  # not on the curve
        return None


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text), "big")
