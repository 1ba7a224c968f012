"""The secrets of providers, in memory, checked: those of the environment, and those of the store beside them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import structlog

from tenrusl.crypto import Recogniser, SecretCipher
from tenrusl.file_stamps import stamp_of
from tenrusl.providers.schemes.bearer_tokens import TOKEN_KEY
from tenrusl.providers.types import Credentials, Provider, SecretVersion
from tenrusl.rotation import StoredField, accepted_versions
from tenrusl.secret import Secret
from tenrusl.settings import DEFAULT_FIELD, CredentialVersions, SettingsError, credential_variable
from tenrusl.store.signature_counts import EnvironmentSecret

POLL_SECONDS = 1.0
_log = structlog.get_logger("credentials")
_Stamp = tuple[tuple[int, int, int] | None, ...]


class CredentialBook(Mapping[str, Credentials]):
    """Credentials by provider name.

    files: mounted secrets; when one changes, `read` is called for all credentials anew. read: raises
    SettingsError when they cannot be read; then the ones in memory stay in force, as they do when a new one is of
    no use. cipher: recognises those of the environment that the store knows, and has our own keys for tokens; None
    where there is no store. Raises
    SettingsError, naming every variable, for credentials that are of no use from the start.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        versions: CredentialVersions,
        *,
        files: tuple[Path, ...] = (),
        read: Callable[[], CredentialVersions] | None = None,
        cipher: SecretCipher | None = None,
    ) -> None:
        self._providers = providers
        self._files = files
        self._read = read
        self._stamp = self._current_stamp()
        self._problems: list[str] = []
        self._cipher = cipher
        self._recognisers: Sequence[Recogniser] = () if cipher is None else cipher.recognisers
        self._environment = build_credentials(providers, versions)
        self._fingerprints = self._fingerprints_of(self._environment)
        self._stored: Mapping[tuple[str, str], StoredField] = {}
        self._book = self._combined()

    def __getitem__(self, provider: str) -> Credentials:
        return self._book[provider]

    def __iter__(self) -> Iterator[str]:
        return iter(self._book)

    def __len__(self) -> int:
        return len(self._book)

    @property
    def provider_names(self) -> Set[str]:
        """Of all providers that are known, with credentials or without."""
        return self._providers.keys()

    def environment_secrets(self) -> list[EnvironmentSecret]:
        """What the environment holds, by fingerprint, each once. Empty without a cipher."""
        found = {
            (provider, field, self._fingerprint(provider, field, version.secret)): version.version
            for provider, credentials in self._environment.items()
            for field, versions in credentials.fields.items()
            for version in versions
            if self._fingerprints
        }
        return [EnvironmentSecret(provider, field, name, print_) for (provider, field, print_), name in found.items()]

    def replace_stored(
        self, stored: Mapping[tuple[str, str], StoredField], recognisers: Sequence[Recogniser] | None = None
    ) -> None:
        """Takes the store's versions, by (provider, field), in place of the earlier ones.

        recognisers: those that made the fingerprints of the versions; None for those there were.
        """
        self._stored = stored
        if recognisers is not None:
            self._recognisers = recognisers
            self._fingerprints = self._fingerprints_of(self._environment)
        self._book = self._combined()

    def refresh(self) -> bool:
        """Reads the credentials again if a file changed; whether they were replaced."""
        stamp = self._current_stamp()
        if self._read is None or stamp == self._stamp:
            return False
        try:
            book = build_credentials(self._providers, self._read())
        except SettingsError as exc:
            if exc.problems != self._problems:  # tried again every second, and said once
                _log.error("secrets not read again; the earlier ones stay in force", problems=exc.problems)
            self._problems = exc.problems
            return False
        self._stamp, self._environment, self._problems = stamp, book, []
        self._fingerprints = self._fingerprints_of(book)
        self._book = self._combined()
        _log.info("secrets read again")
        return True

    async def watch(self) -> None:
        """Refreshes every second until cancelled. Does nothing where no secret comes from a file."""
        while self._files:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def _combined(self) -> dict[str, Credentials]:
        book = {provider: dict(credentials.fields) for provider, credentials in self._environment.items()}
        for (provider, field), stored in self._stored.items():
            if provider not in self._providers or field not in self._providers[provider].credential_fields:
                continue  # another installation's
            fields = book.setdefault(provider, {})
            own = [(version, self._fingerprint(provider, field, version.secret)) for version in fields.get(field, ())]
            fields[field] = accepted_versions(own, stored)
            for version, fingerprint in own:
                if fingerprint in stored.denied:
                    _warn_of_denied(self._providers[provider], field, version.version)
        if self._cipher is not None:
            for provider in book:
                if self._providers[provider].handshake is not None:
                    keys = self._cipher.token_keys(provider)
                    book[provider][TOKEN_KEY] = tuple(SecretVersion("own", key) for key in keys)
        return {provider: Credentials(fields) for provider, fields in book.items()}

    def _fingerprint(self, provider: str, field: str, secret: Secret) -> bytes:
        """The one that the store has of it, made by whichever key; else that of the first key."""
        prints = self._fingerprints[provider, field, secret]
        stored = self._stored.get((provider, field), StoredField())
        for known in (stored.denied, {version.fingerprint for version in stored.accepted}):
            for fingerprint in prints:
                if fingerprint in known:
                    return fingerprint
        return prints[0]

    def _fingerprints_of(self, book: Mapping[str, Credentials]) -> dict[tuple[str, str, Secret], list[bytes]]:
        if not self._recognisers:
            return {}
        return {
            (provider, field, version.secret): [
                recogniser.fingerprint(version.secret, provider=provider, field=field)
                for recogniser in self._recognisers
            ]
            for provider, credentials in book.items()
            for field, versions in credentials.fields.items()
            for version in versions
        }

    def _current_stamp(self) -> _Stamp:
        return tuple(stamp_of(path) for path in self._files)


def build_credentials(providers: Mapping[str, Provider], versions: CredentialVersions) -> dict[str, Credentials]:
    """Credentials of the known providers from the settings' versions.

    Raises SettingsError with a line for each variable that no webhook could be verified with: of a field that the
    provider does not have, empty, or not what the provider's checks want. No line shows a value.
    """
    unknown = sorted(set(versions) - set(providers))
    if unknown:  # other installations may know them
        _log.warning("secrets of providers that are not known", providers=unknown)
    book = {}
    problems: list[str] = []
    for name in sorted(set(versions) & set(providers)):
        provider, fields = providers[name], versions[name]
        problems += _problems_of(provider, fields)
        book[name] = Credentials(
            {
                _own_name(provider, field): tuple(SecretVersion(version, secret) for version, secret in accepted)
                for field, accepted in fields.items()
            }
        )
        if not problems:
            problems += _wanted(provider, book[name])
    if problems:
        raise SettingsError(problems)
    return book


def _warn_of_denied(provider: Provider, field: str, version: str) -> None:
    variable = credential_variable(provider.name, DEFAULT_FIELD if field == provider.secret_field else field, version)
    _log.warning("this secret is retired or revoked and not accepted: replace or remove it", variable=variable)


def _own_name(provider: Provider, field: str) -> str:
    return provider.secret_field if field == DEFAULT_FIELD else field


def _problems_of(provider: Provider, fields: Mapping[str, Iterable[tuple[str, Secret]]]) -> list[str]:
    problems = []
    for field, accepted in fields.items():
        own = _own_name(provider, field)
        check = provider.credential_checks.get(own)
        for version, secret in accepted:
            variable = credential_variable(provider.name, field, version)
            if own not in provider.credential_fields:
                known = ", ".join(name.upper() for name in provider.credential_fields)
                problems.append(f"{variable}: {provider.name} has no such field; it has {known}")
            elif field == provider.secret_field and DEFAULT_FIELD in fields:
                other = credential_variable(provider.name, DEFAULT_FIELD, version)
                problems.append(f"{variable}: is the same as {other}; keep one")
            elif not secret.reveal().strip():
                problems.append(f"{variable}: is empty")
            elif check is not None:
                try:
                    check(secret.reveal())
                except ValueError as exc:
                    problems.append(f"{variable}: {exc}")
    return problems


def _wanted(provider: Provider, credentials: Credentials) -> list[str]:
    if provider.credentials_wanted is None:
        return []
    fields = provider.credentials_wanted(credentials)
    return [f"{credential_variable(provider.name, field, 'current')}: is missing; others need it" for field in fields]
