"""The settings that a provider needs, as they are written in an environment."""

from tenrusl.providers.about import Setup
from tenrusl.providers.types import Provider
from tenrusl.settings import DEFAULT_FIELD, credential_variable

# Where examples have secrets and keys mounted.
SECRETS_FOLDER = "/run/secrets"


def variable(provider: Provider, field: str) -> str:
    """The environment variable of a credential's current version."""
    return credential_variable(provider.name, DEFAULT_FIELD if field == provider.secret_field else field, "current")


def setups_of(provider: Provider) -> tuple[Setup, ...]:
    """Those that the provider tells of, else one with every credential that is always needed."""
    about = provider.about
    assert about is not None, "only providers that are described are shown"
    if about.setups:
        return about.setups
    return (Setup("", {field: "" for field, credential in about.credentials.items() if credential.needed == "always"}),)


def lines(provider: Provider, setup: Setup) -> list[str]:
    """One assignment for each field."""
    return [
        f"{variable(provider, field)}={text}"
        if text
        else f"{variable(provider, field)}_FILE={SECRETS_FOLDER}/{provider.name}_{field}"
        for field, text in setup.fields.items()
    ]
