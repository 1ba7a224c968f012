"""The secrets of a local stack in the form that signers need."""

from __future__ import annotations

from tenrusl.providers.types import Credentials, Provider, SecretVersion
from tenrusl.settings import DEFAULT_FIELD, Settings


def credentials_of(provider: Provider, settings: Settings) -> Credentials:
    """What is configured for a provider, by the names of its credential fields."""
    return Credentials(
        {
            (provider.secret_field if field == DEFAULT_FIELD else field): tuple(
                SecretVersion(version, secret) for version, secret in versions
            )
            for field, versions in settings.credentials.get(provider.name, {}).items()
        }
    )
