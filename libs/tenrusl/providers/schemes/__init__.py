"""Ways to sign that several providers share. Each verifies, and signs as the provider would (for the simulator)."""

from tenrusl.providers.schemes.digest import DigestScheme, Encoding, hash_of, hmac_of
from tenrusl.providers.schemes.echoed import EchoedHeadersScheme, UrlTokenScheme
from tenrusl.providers.schemes.php_serialized import PhpSerializedScheme
from tenrusl.providers.schemes.places import HeaderPlace, JsonFieldPlace
from tenrusl.providers.schemes.registered_path import NOTIFICATION_PATH, RegisteredPathScheme
from tenrusl.providers.schemes.rsa import RsaScheme
from tenrusl.providers.schemes.snap import SNAP_SIGNED, snap_messages
from tenrusl.providers.schemes.source_address import SourceAddressScheme
from tenrusl.providers.schemes.standard_webhooks import StandardWebhooksScheme
from tenrusl.providers.schemes.timestamped_header import TimestampedHeaderScheme
from tenrusl.providers.schemes.timestamped_list import TimestampedListScheme
from tenrusl.providers.schemes.token import StaticTokenScheme

__all__ = [
    "NOTIFICATION_PATH",
    "SNAP_SIGNED",
    "DigestScheme",
    "EchoedHeadersScheme",
    "Encoding",
    "HeaderPlace",
    "JsonFieldPlace",
    "PhpSerializedScheme",
    "RegisteredPathScheme",
    "RsaScheme",
    "SourceAddressScheme",
    "StandardWebhooksScheme",
    "StaticTokenScheme",
    "TimestampedHeaderScheme",
    "TimestampedListScheme",
    "UrlTokenScheme",
    "hash_of",
    "hmac_of",
    "snap_messages",
]
