"""Ways to sign that several providers share. Each verifies, and signs as the provider would (for the simulator)."""

from tenrusl.providers.schemes.digest import DigestScheme, Encoding, hash_of, hmac_of
from tenrusl.providers.schemes.places import HeaderPlace, JsonFieldPlace
from tenrusl.providers.schemes.rsa import RsaScheme
from tenrusl.providers.schemes.snap import snap_messages
from tenrusl.providers.schemes.timestamped_list import TimestampedListScheme
from tenrusl.providers.schemes.token import StaticTokenScheme

__all__ = [
    "DigestScheme",
    "Encoding",
    "HeaderPlace",
    "JsonFieldPlace",
    "RsaScheme",
    "StaticTokenScheme",
    "TimestampedListScheme",
    "hash_of",
    "hmac_of",
    "snap_messages",
]
