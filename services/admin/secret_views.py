"""What is known of secrets, put together for those who look: versions, environments, matches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tenrusl.rotation import SecretStatus, Statuses, version_name
from tenrusl.store.engine import Connection
from tenrusl.store.signature_counts import EnvironmentSecret, Matches, read_environment, read_matches
from tenrusl.store.signing_secrets import SecretRow, read_versions

# A keyed hash, of which nobody learns anything; this much of it tells two secrets of one field apart.
_FINGERPRINT_CHARACTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretView:
    """A version without its secret; see SecretVersion in rotation.proto. created_at: None where no rotation met it."""

    provider: str
    field: str
    version: str
    status: SecretStatus
    from_environment: bool
    in_environment: bool
    owner: str = ""
    reason: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    matches: int = 0
    last_match: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows of some providers' secrets."""

    rows: Sequence[SecretRow]
    environment: Sequence[EnvironmentSecret]
    matches: Mapping[tuple[str, str], Matches]

    def statuses(self, field: str) -> Statuses:
        """Of a field's versions by number. Where only one provider was asked for."""
        return {row.number: row.status for row in self.rows if row.field == field}

    def unmet(self, field: str | None = None) -> list[EnvironmentSecret]:
        """Secrets of the environment that no rotation has met yet. field: None for all."""
        known = {
            (row.provider, row.field, row.fingerprint) for row in self.rows if row.status is not SecretStatus.ABORTED
        }
        return [
            secret
            for secret in self.environment
            if (secret.provider, secret.field, secret.fingerprint) not in known and field in (None, secret.field)
        ]

    def name_of(self, secret: EnvironmentSecret) -> str:
        """Of an unmet one: "current" or "next", and where several are that, as while ingresses are replaced, what
        tells them apart: the beginning of the fingerprint."""
        same = [other for other in self.unmet(secret.field) if other.provider == secret.provider]
        if sum(other.version == secret.version for other in same) == 1:
            return secret.version
        return f"{secret.version}-{secret.fingerprint.hex()[:_FINGERPRINT_CHARACTERS]}"

    def numbers_of(self, field: str, fingerprints: Collection[bytes]) -> list[int]:
        """Of all versions with this secret, in order; it has a fingerprint under each key. Likewise."""
        return [row.number for row in self.rows if row.field == field and row.fingerprint in fingerprints]

    def fingerprint(self, number: int) -> bytes:
        """Of a version. Likewise."""
        return next(row.fingerprint for row in self.rows if row.number == number)

    def gone(self, field: str) -> set[int]:
        """The numbers of a field's versions from the environment that no ingress has there any more. Likewise."""
        held = {secret.fingerprint for secret in self.environment if secret.field == field}
        return {
            row.number
            for row in self.rows
            if row.field == field and row.from_environment and row.fingerprint not in held
        }

    def view(self, row: SecretRow) -> SecretView:
        """A version of the store."""
        name = version_name(row.number)
        matches = self.matches.get((row.provider, name))
        return SecretView(
            provider=row.provider,
            field=row.field,
            version=name,
            status=row.status,
            from_environment=row.from_environment,
            in_environment=any(
                (row.provider, row.field, row.fingerprint) == (secret.provider, secret.field, secret.fingerprint)
                for secret in self.environment
            ),
            owner=row.owner,
            reason=row.reason,
            created_by=row.created_by,
            created_at=row.created_at,
            completed_at=row.completed_at,
            ended_at=row.ended_at,
            matches=matches.number if matches else 0,
            last_match=matches.last if matches else None,
        )

    def view_unmet(self, secret: EnvironmentSecret) -> SecretView:
        """A secret of the environment that no rotation has met yet."""
        matches = self.matches.get((secret.provider, secret.version))
        return SecretView(
            provider=secret.provider,
            field=secret.field,
            version=self.name_of(secret),
            status=SecretStatus.CURRENT,
            from_environment=True,
            in_environment=True,
            matches=matches.number if matches else 0,
            last_match=matches.last if matches else None,
        )


async def read_known(connection: Connection, providers: Sequence[str], now: datetime) -> Known:
    """What the store knows of these providers."""
    rows = await read_versions(connection, providers[0] if len(providers) == 1 else "")
    return Known(
        rows=rows,
        environment=await read_environment(connection, providers, now),
        matches=await read_matches(connection, providers),
    )
