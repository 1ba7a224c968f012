"""The secrets of providers, in memory, and read again when a mounted file changes."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from tenrusl.providers.types import Credentials, Provider, SecretVersion
from tenrusl.settings import DEFAULT_FIELD, CredentialVersions, SettingsError

POLL_SECONDS = 1.0
_log = structlog.get_logger("credentials")
_Stamp = tuple[tuple[int, int, int] | None, ...]


class CredentialBook(Mapping[str, Credentials]):
    """Credentials by provider name.

    files: mounted secrets; when one changes, `read` is called for all credentials anew. read: raises
    SettingsError when they cannot be read; then the ones in memory stay in force.
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
            versions = self._read()
        except SettingsError as exc:
            _log.error("secrets not read again; the earlier ones stay in force", problems=exc.problems)
            return False
        self._stamp = stamp
        self._book = build_credentials(self._providers, versions)
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
    """Credentials of the known providers from the settings' versions."""
    return {
        name: Credentials(
            {
                providers[name].secret_field if field == DEFAULT_FIELD else field: tuple(
                    SecretVersion(version, secret) for version, secret in accepted
                )
                for field, accepted in fields.items()
            }
        )
        for name, fields in versions.items()
        if name in providers
    }


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    # Through links: Kubernetes replaces a mounted secret by moving a symbolic link.
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)
