"""Whether a credential can be of use at all, told when it is configured and not when a webhook arrives. Pure.

A check takes the text of one field and raises ValueError, which says what would be right and never shows the text.
Each reads the field just as the verifier does.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tenrusl.providers.keys import KeyKind, key_request
from tenrusl.providers.schemes.certificates import MIN_KEY_BITS, parse_certificates
from tenrusl.providers.schemes.echoed import headers_of
from tenrusl.providers.schemes.jwks import p384_keys
from tenrusl.providers.schemes.registered_path import paths_of
from tenrusl.providers.schemes.rsa import rsa_public_key
from tenrusl.providers.schemes.source_address import networks_of
from tenrusl.providers.schemes.standard_webhooks import ed25519_key, hmac_key
from tenrusl.providers.schemes.templated import KeyEncoding
from tenrusl.providers.types import SecretVersion, SignatureError
from tenrusl.secret import Secret

Check = Callable[[str], None]
_T = TypeVar("_T")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?", re.ASCII)
_SIMULATORS_ID = "WEBHOOK_ID"  # see tests/data/paypal_simulator.json
_ID = re.compile(r"[\x21-\x7b}~]{1,128}", re.ASCII)


def check_rsa_public_key(text: str) -> None:
    """An RSA public key of 2048 bits or more."""
    _read(lambda: rsa_public_key(text), f"must be an RSA public key in PEM of {MIN_KEY_BITS} bits or more")


def check_certificates(text: str) -> None:
    """One to eight certificates."""
    _read(lambda: parse_certificates(text), "must be one to eight X.509 certificates in PEM")


def check_signers_certificate(text: str) -> None:
    """The same, the first with an RSA key of 2048 bits or more. Dates and chain are checked when it is used."""
    check_certificates(text)
    try:
        key = parse_certificates(text)[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise ValueError(f"must start with a certificate that has an RSA key of {MIN_KEY_BITS} bits or more")


def check_p384_jwks(text: str) -> None:
    """A JWKS (RFC 7517) with at least one usable key of curve P-384."""
    keys = _read(lambda: p384_keys(text), "must be a JWKS (RFC 7517) of at most 100 keys")
    if not keys:
        raise ValueError("must hold an EC key of curve P-384 with a `kid`; keys of other curves are not used")


def check_https_address(text: str) -> None:
    """An address that a key source may call."""
    authority = text.removeprefix("https://").partition("/")[0].lower()
    if key_request(text, kind=KeyKind.JWKS, credential="", allowed_hosts={authority}) is None:
        raise ValueError("must be an https address without user name, query and fragment")


def check_hosts(text: str) -> None:
    """Hosts with commas between them, each with or without a port."""
    hosts = [host.strip().lower() for host in text.split(",") if host.strip()]
    if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must be host names with commas between them")


def check_networks(text: str) -> None:
    """Addresses or networks."""
    _read(lambda: networks_of(text), "must be addresses or networks, e.g. 192.0.2.7,198.51.100.0/24")


def check_paths(text: str) -> None:
    """One path to eight, as they stand in addresses."""
    _read(lambda: paths_of(text), "must be a path such as /v1.0/debit/notify, or up to eight with spaces between")


def check_headers(text: str) -> None:
    """Lines `Name: value`, or a JSON object of texts."""
    _read(lambda: headers_of(_version(text)), "must be lines `Name: value` or a JSON object, without an empty value")


def check_standard_secret(text: str) -> None:
    """`whsec_…` of Standard Webhooks."""
    _read(lambda: hmac_key(_version(text)), "must be whsec_ and base64")


def check_standard_public_key(text: str) -> None:
    """`whpk_…` of Standard Webhooks: an Ed25519 key."""
    _read(lambda: ed25519_key(text), "must be whpk_ and the base64 of an Ed25519 public key")


def check_encoded(encoding: KeyEncoding) -> Check:
    """A key in this encoding."""

    def check(text: str) -> None:
        _read(lambda: encoding.read(_version(text)), f"must be the key as {encoding.value}")

    return check


def check_webhook_id(text: str) -> None:
    """An id of at most 128 visible ASCII characters without the separator `|`, and not the one that PayPal's own
    simulator signs for: with it, anybody could have an event signed by the real certificate."""
    if not _ID.fullmatch(text):
        raise ValueError("must be an id: 1 to 128 visible ASCII characters, without |")
    if text == _SIMULATORS_ID:
        raise ValueError("must be the id of a webhook of yours; PayPal's simulator signs this one for everybody")


def check_choice(*choices: str, separator: str = "") -> Check:
    """One of these words; several where there is a separator."""

    def check(text: str) -> None:
        words = text.split(separator) if separator else [text]
        if not all(word.strip() in choices for word in words):
            raise ValueError(f"must be one of {', '.join(choices)}")

    return check


def _version(text: str) -> SecretVersion:
    return SecretVersion("", Secret(text))


def _read(read: Callable[[], _T], problem: str) -> _T:
    try:
        return read()
    except (ValueError, SignatureError):
        raise ValueError(problem) from None
