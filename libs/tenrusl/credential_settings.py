"""Credentials of providers: the family of variables that they are set by, and reading it.

Settings of their own, since their names hold the provider's and they are read again while a service runs.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from tenrusl.secret import Secret
from tenrusl.setting_forms import SettingsError

# provider → credential field → (version, secret) of each accepted version, newest last
CredentialVersions = Mapping[str, Mapping[str, tuple[tuple[str, Secret], ...]]]

_SECRET_PREFIX = "TENRUSL_WEBHOOK_SECRET_"  # noqa: S105 - the name of a variable
_FIELD_PREFIX = "TENRUSL_PROVIDER_"
_FILE_SUFFIX = "_FILE"
# The credential field that TENRUSL_WEBHOOK_SECRET_<PROVIDER> sets is the provider's `secret_field`.
DEFAULT_FIELD = ""


def load_credentials(environ: Mapping[str, str] | None = None) -> CredentialVersions:
    """The credentials as they are now in the environment and in mounted files. Raises SettingsError."""
    credentials, problems = read_credentials(os.environ if environ is None else environ)
    if problems:
        raise SettingsError(problems)
    return credentials


def read_credentials(env: Mapping[str, str]) -> tuple[CredentialVersions, list[str]]:
    """Credentials by provider and field, and what is wrong with them.

    TENRUSL_WEBHOOK_SECRET_<PROVIDER> is the current secret, with _NEXT the one that a rotation brings in;
    TENRUSL_PROVIDER_<PROVIDER>__<FIELD> (two underscores) is any other credential, with _NEXT likewise.
    Each may end in _FILE and then names a file that holds it.
    """
    found: dict[str, dict[str, dict[str, Secret]]] = {}
    problems: list[str] = []
    for name in credential_variables(env):
        text = env[name]
        if name.startswith(_SECRET_PREFIX):
            rest, field = name.removeprefix(_SECRET_PREFIX), DEFAULT_FIELD
        else:
            rest, _, field = name.removeprefix(_FIELD_PREFIX).partition("__")
        tail = field or rest
        if tail.endswith(_FILE_SUFFIX):
            tail = tail.removesuffix(_FILE_SUFFIX)
            try:
                text = Path(text).read_text(encoding="utf-8").rstrip("\n")
            except (OSError, UnicodeDecodeError) as exc:
                problems.append(f"{name}: cannot read the file: {type(exc).__name__}")
                continue
            if not text:
                problems.append(f"{name}: the file is empty")
                continue
        version = "current"
        if tail.endswith("_NEXT"):
            tail, version = tail.removesuffix("_NEXT"), "next"
        provider, field = (rest, tail) if field else (tail, DEFAULT_FIELD)
        versions = found.setdefault(provider.lower(), {}).setdefault(field.lower(), {})
        if version in versions:
            problems.append(f"{name}: is set both directly and by _FILE; keep one")
        versions[version] = Secret(text)
    credentials = {
        provider: {field: tuple(sorted(versions.items())) for field, versions in fields.items()}
        for provider, fields in found.items()
    }
    return credentials, problems


def credential_variable(provider: str, field: str, version: str) -> str:
    """The name of the variable that sets a credential; the same with _FILE names a file. See `read_credentials`."""
    ending = "_NEXT" if version == "next" else ""
    if field == DEFAULT_FIELD:
        return f"{_SECRET_PREFIX}{provider.upper()}{ending}"
    return f"{_FIELD_PREFIX}{provider.upper()}__{field.upper()}{ending}"


def credential_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that credentials are read from, to be read again when they change."""
    return tuple(Path(env[name]) for name in credential_variables(env) if name.endswith(_FILE_SUFFIX))


def credential_variables(env: Mapping[str, str]) -> list[str]:
    """The variables of `env` that set credentials."""
    return [
        name
        for name in sorted(env)
        if env[name] and (name.startswith(_SECRET_PREFIX) or (name.startswith(_FIELD_PREFIX) and "__" in name))
    ]
