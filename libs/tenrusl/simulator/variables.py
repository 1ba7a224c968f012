"""Credentials as environment variables: those that a verifier gets, and beside them those that only a signer has."""

import re
from collections.abc import Iterable, Mapping

from tenrusl.providers.types import Credentials, Provider, SecretVersion
from tenrusl.secret import Secret
from tenrusl.settings import DEFAULT_FIELD, CredentialVersions, load_credentials

# Private keys for which TenRusl itself has no use. They never go to a service.
SIGNER_PREFIX = "TENRUSL_SIMULATOR_"
_SECRET_PREFIX = "TENRUSL_WEBHOOK_SECRET_"  # noqa: S105 - the name of a variable
_FIELD_PREFIX = "TENRUSL_PROVIDER_"
# The scheme that the simulator before TenRusl invented, see docs/providers.md. It is in use where its field is set.
_SEED_SCHEME = "seed_simulator"
_ENDINGS = re.compile(r"(_NEXT)?(_FILE)?$")


def to_variables(provider: Provider, credentials: Credentials) -> dict[str, str]:
    """The newest version of each field by variable name (settings.read_credentials), signers' under SIGNER_PREFIX.

    Without the field that would switch on the scheme that no real provider uses.
    """
    upper = provider.name.upper()
    variables = {}
    for field, versions in credentials.fields.items():
        if field == provider.switches.get(_SEED_SCHEME):
            continue
        if field == provider.secret_field:
            name = f"{_SECRET_PREFIX}{upper}"
        elif field in provider.credential_fields:
            name = f"{_FIELD_PREFIX}{upper}__{field.upper()}"
        else:
            name = f"{SIGNER_PREFIX}{upper}__{field.upper()}"
        variables[name] = versions[-1].secret.reveal()
    return variables


def from_variables(environ: Mapping[str, str], providers: Iterable[Provider]) -> dict[str, Credentials]:
    """What signs as each provider does, by its name; without those that have no variable.

    Reads the files that variables ending in _FILE name. Raises SettingsError when one cannot be read.
    """
    configured = load_credentials(environ)
    found = {provider.name: _credentials(provider, configured, environ) for provider in providers}
    return {name: credentials for name, credentials in found.items() if credentials.fields}


def provider_of(variable: str) -> str | None:
    """The provider whose credential a variable holds; None for any other variable."""
    for prefix in (_FIELD_PREFIX, SIGNER_PREFIX):
        if variable.startswith(prefix) and "__" in variable:
            return variable.removeprefix(prefix).partition("__")[0].lower()
    if not variable.startswith(_SECRET_PREFIX):
        return None
    return _ENDINGS.sub("", variable.removeprefix(_SECRET_PREFIX)).lower()


def _credentials(provider: Provider, configured: CredentialVersions, environ: Mapping[str, str]) -> Credentials:
    fields = {
        provider.secret_field if field == DEFAULT_FIELD else field: tuple(
            SecretVersion(version, secret) for version, secret in versions
        )
        for field, versions in configured.get(provider.name, {}).items()
    }
    prefix = f"{SIGNER_PREFIX}{provider.name.upper()}__"
    for name, value in environ.items():
        if value and name.startswith(prefix):
            fields[name.removeprefix(prefix).lower()] = (SecretVersion("current", Secret(value)),)
    return Credentials(fields)
