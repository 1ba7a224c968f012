"""Limits of webhooks a second that operators set: throttles, one row a provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch

_COLUMNS = "provider, requests_per_second, reason, set_by, set_at"
# The audit log tells what was before: nobody may change it between the look and the change. Readers go on.
_LOCK = "LOCK TABLE throttles IN SHARE ROW EXCLUSIVE MODE"
_LIST = f"SELECT {_COLUMNS} FROM throttles ORDER BY provider"  # noqa: S608 - a constant
_FIND = f"SELECT {_COLUMNS} FROM throttles WHERE provider = %(provider)s"  # noqa: S608 - a constant
_SET = f"""
    INSERT INTO throttles ({_COLUMNS})
    VALUES (%(provider)s, %(requests_per_second)s, %(reason)s, %(set_by)s, %(set_at)s)
    ON CONFLICT (provider) DO UPDATE SET requests_per_second = EXCLUDED.requests_per_second,
        reason = EXCLUDED.reason, set_by = EXCLUDED.set_by, set_at = EXCLUDED.set_at
    """  # noqa: S608 - a constant
_CLEAR = "DELETE FROM throttles WHERE provider = %(provider)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderThrottle:
    """The limit of a provider, webhooks a second; why, by whom and when it was set."""

    provider: str
    requests_per_second: float
    reason: str
    set_by: str
    set_at: datetime


async def list_throttles(connection: AsyncConnection) -> list[ProviderThrottle]:
    """All, by provider."""
    return [_throttle(row) for row in await fetch(connection, _LIST, {})]


async def set_throttle(connection: AsyncConnection, throttle: ProviderThrottle) -> ProviderThrottle | None:
    """Sets a limit; returns the one before. connection: in a transaction, which holds a lock on the table then."""
    before = await _locked(connection, throttle.provider)
    await fetch(
        connection,
        _SET,
        {
            "provider": throttle.provider,
            "requests_per_second": throttle.requests_per_second,
            "reason": throttle.reason,
            "set_by": throttle.set_by,
            "set_at": throttle.set_at,
        },
    )
    return before


async def clear_throttle(connection: AsyncConnection, provider: str) -> ProviderThrottle | None:
    """Ends a limit; returns the one that there was. connection: as above."""
    before = await _locked(connection, provider)
    if before is not None:
        await fetch(connection, _CLEAR, {"provider": provider})
    return before


async def _locked(connection: AsyncConnection, provider: str) -> ProviderThrottle | None:
    await fetch(connection, _LOCK, {})
    found = await fetch(connection, _FIND, {"provider": provider})
    return _throttle(found[0]) if found else None


def _throttle(row: tuple[object, ...]) -> ProviderThrottle:
    return ProviderThrottle(**dict(zip(ProviderThrottle.__slots__, row, strict=True)))  # type: ignore[arg-type]  # as selected
