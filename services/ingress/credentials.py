"""The secrets of providers, in memory, checked, and read again when a mounted file changes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import structlog

from tenrusl.providers.types import Credentials, Provider, SecretVersion
from tenrusl.secret import Secret
from tenrusl.settings import DEFAULT_FIELD, CredentialVersions, SettingsError, credential_variable

POLL_SECONDS = 1.0
_log = structlog.get_logger("credentials")
_Stamp = tuple[tuple[int, int, int] | None, ...]


class CredentialBook(Mapping[str, Credentials]):
    """Credentials by provider name.

    files: mounted secrets; when one changes, `read` is called for all credentials anew. read: raises
    SettingsError when they cannot be read; then the ones in memory stay in force, as they do when a new one is of
    no use. Raises SettingsError, naming every variable, for credentials that are of no use from the start.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        versions: CredentialVersions,
        *,
        files: tuple[Path, ...] = (),
        read: Callable[[], CredentialVersions] | None = None,
    ) -> None:
        self._providers = providers
        self._files = files
        self._read = read
        self._stamp = self._current_stamp()
        self._problems: list[str] = []
        self._book = build_credentials(providers, versions)

    def __getitem__(self, provider: str) -> Credentials:
        return self._book[provider]

    def __iter__(self) -> Iterator[str]:
        return iter(self._book)

    def __len__(self) -> int:
        return len(self._book)

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
        self._stamp, self._book, self._problems = stamp, book, []
        _log.info("secrets read again")
        return True

    async def watch(self) -> None:
        """Refreshes every second until cancelled. Does nothing where no secret comes from a file."""
        while self._files:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def _current_stamp(self) -> _Stamp:
        return tuple(_stamp_of(path) for path in self._files)


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


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    # Through links: Kubernetes replaces a mounted secret by moving a symbolic link.
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)
