"""Secrets for simulated traffic, made at run time."""

import random
import string

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tenrusl.providers.types import Credentials, Provider, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator.fetched_keys import KEY_MAKERS
from tenrusl.simulator.field_values import FIELD_VALUES

_PUBLIC, _PRIVATE = "public_key_pem", "private_key_pem"
_RSA_BITS = 2048
_SHOWN = ("cert_url",)
_ALPHABET = string.ascii_letters + string.digits


def simulated_credentials(
    provider: Provider, rng: random.Random, versions: tuple[str, ...] = ("current",)
) -> Credentials:
    """A value for every credential field of the provider, one for each version name, newest last.

    Shared secrets come from `rng`, so a seed repeats them; RSA pairs come from the system. A field
    `…public_key_pem` has the field `…private_key_pem` beside it, which only signers read. Not for real traffic.
    """
    maker = KEY_MAKERS.get(provider.name)
    if maker is not None:
        return Credentials(maker(rng, versions))
    fields: dict[str, tuple[SecretVersion, ...]] = {}
    for field in provider.credential_fields:
        if field.endswith(_PUBLIC):
            pairs = [_rsa_pair() for _ in versions]
            fields[field] = _named(versions, [public for public, _ in pairs])
            fields[field.removesuffix(_PUBLIC) + _PRIVATE] = _named(versions, [private for _, private in pairs])
        elif maker_of_values := FIELD_VALUES.get((provider.name, field)):
            values = [maker_of_values(rng) for _ in versions]
            for name in values[0]:
                fields[name] = _named(versions, [value[name] for value in values])
        else:
            fields[field] = _named(versions, ["".join(rng.choices(_ALPHABET, k=40)) for _ in versions])
    return Credentials(fields)


def forgers_credentials(provider: Provider, genuine: Credentials, rng: random.Random) -> Credentials:
    """What somebody signs with who knows everything of `genuine` that a request shows, and no secret."""
    shown = {field: genuine.fields[field] for field in _SHOWN if field in genuine}
    return Credentials({**simulated_credentials(provider, rng).fields, **shown})


def _named(versions: tuple[str, ...], values: list[str]) -> tuple[SecretVersion, ...]:
    return tuple(SecretVersion(name, Secret(value)) for name, value in zip(versions, values, strict=True))


def _rsa_pair() -> tuple[str, str]:
    key: RSAPrivateKey = generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return public.decode(), private.decode()
