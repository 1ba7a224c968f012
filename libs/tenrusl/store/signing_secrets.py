"""Versions of providers' secrets: signing_secrets, and signing_secret_revision, which grows with each change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.errors import ConflictError, FieldViolation, InvalidFieldError, Reason
from tenrusl.rotation import ACCEPTED, SecretStatus
from tenrusl.store.engine import fetch

_COLUMNS = """provider, number, field, status, origin, sealed, fingerprint, owner, reason, created_by, created_at,
    completed_at, ended_at, rejections_before"""
_LOCK = "UPDATE signing_secret_revision SET revision = revision + 1 WHERE id = 1 RETURNING revision"
_REVISION = "SELECT revision FROM signing_secret_revision WHERE id = 1"
_ALL = f"SELECT {_COLUMNS} FROM signing_secrets ORDER BY provider, number"  # noqa: S608 - a constant
_OF_PROVIDER = f"SELECT {_COLUMNS} FROM signing_secrets WHERE provider = %(provider)s ORDER BY number"  # noqa: S608
_INSERT = f"""
    INSERT INTO signing_secrets ({_COLUMNS})
    VALUES (%(provider)s, %(number)s, %(field)s, %(status)s, %(origin)s, %(sealed)s, %(fingerprint)s, %(owner)s,
        %(reason)s, %(created_by)s, %(created_at)s, %(completed_at)s, %(ended_at)s, %(rejections_before)s)
    """  # noqa: S608 - a constant
# A secret that is refused is forgotten; its fingerprint stays.
_SET_STATUS = """
    UPDATE signing_secrets SET
        status = %(status)s,
        sealed = CASE WHEN %(accepted)s THEN sealed END,
        completed_at = CASE WHEN %(status)s = 'current' THEN %(now)s ELSE completed_at END,
        ended_at = CASE WHEN %(accepted)s THEN NULL ELSE coalesce(ended_at, %(now)s) END
    WHERE provider = %(provider)s AND number = %(number)s
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRow:
    """A version. sealed: None unless it is accepted and not from the environment.

    rejections_before: rejected webhooks of the provider in the hour before its rotation began.
    """

    provider: str
    number: int
    field: str
    status: SecretStatus
    from_environment: bool
    sealed: bytes | None
    fingerprint: bytes
    owner: str
    reason: str
    created_by: str
    created_at: datetime
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    rejections_before: int = 0


async def lock_secrets(connection: AsyncConnection) -> int:
    """Before a change: others wait until this transaction ends. Returns the revision that it makes."""
    ((revision,),) = await fetch(connection, _LOCK, {})
    return int(revision)


async def read_revision(connection: AsyncConnection) -> int:
    """The number of the last change. Read it before the versions: they are then at least as new."""
    ((revision,),) = await fetch(connection, _REVISION, {})
    return int(revision)


async def read_versions(connection: AsyncConnection, provider: str = "") -> list[SecretRow]:
    """All versions, or those of one provider, by provider and number."""
    rows = await fetch(connection, _OF_PROVIDER if provider else _ALL, {"provider": provider})
    return [_row(row) for row in rows]


async def insert_version(connection: AsyncConnection, row: SecretRow) -> None:
    """Adds a version. Raises ConflictError(ROTATION_OPEN), InvalidFieldError for a secret that is known."""
    parameters = {
        "provider": row.provider,
        "number": row.number,
        "field": row.field,
        "status": row.status.value,
        "origin": "environment" if row.from_environment else "rotation",
        "sealed": row.sealed,
        "fingerprint": row.fingerprint,
        "owner": row.owner,
        "reason": row.reason,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "completed_at": row.completed_at,
        "ended_at": row.ended_at,
        "rejections_before": row.rejections_before,
    }
    try:
        await fetch(connection, _INSERT, parameters)
    except IntegrityError as exc:
        constraint = getattr(getattr(exc.orig, "diag", None), "constraint_name", None)
        if constraint == "signing_secrets_open_rotation_key":
            raise ConflictError(Reason.ROTATION_OPEN, "a rotation is open; complete or abort it first") from None
        if constraint == "signing_secrets_secret_key":
            raise InvalidFieldError(FieldViolation("secret", "must be another than those that are known")) from None
        raise


async def set_status(
    connection: AsyncConnection, provider: str, number: int, status: SecretStatus, now: datetime
) -> None:
    """Moves a version on. One that is refused from now on loses its sealed secret."""
    parameters = {
        "provider": provider,
        "number": number,
        "status": status.value,
        "accepted": status in ACCEPTED,
        "now": now,
    }
    await fetch(connection, _SET_STATUS, parameters)


def _row(row: tuple[Any, ...]) -> SecretRow:
    (provider, number, field, status, origin, sealed, fingerprint, owner, reason, created_by, created_at,
     completed_at, ended_at, rejections_before) = row  # fmt: skip
    return SecretRow(
        provider=provider,
        number=number,
        field=field,
        status=SecretStatus(status),
        from_environment=origin == "environment",
        sealed=None if sealed is None else bytes(sealed),
        fingerprint=bytes(fingerprint),
        owner=owner,
        reason=reason,
        created_by=created_by,
        created_at=created_at,
        completed_at=completed_at,
        ended_at=ended_at,
        rejections_before=rejections_before,
    )
