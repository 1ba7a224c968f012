"""Setting, clearing and listing the limits of providers, with an audit entry for each change."""

from __future__ import annotations

from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.operators import Operator
from tenrusl.store.audit import AuditEntry, Values, append_entry
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.throttles import ProviderThrottle, clear_throttle, list_throttles, set_throttle


class Throttles:
    """The limits. All methods raise UnavailableError."""

    def __init__(self, engine: Engine, audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._audit_keys = audit_keys
        self._clock = clock

    async def set(
        self, provider: str, requests_per_second: float, *, reason: str, who: Operator, request_id: str
    ) -> ProviderThrottle:
        """Sets a provider's limit, in place of one that it has."""
        now = self._clock.now()
        throttle = ProviderThrottle(
            provider=provider, requests_per_second=requests_per_second, reason=reason, set_by=who.name, set_at=now
        )
        async with transaction(self._engine) as connection:
            before = await set_throttle(connection, throttle)
            entry = AuditEntry(
                at=now,
                actor=who.name,
                role=who.role,
                action="throttle.set",
                target=f"provider/{provider}",
                request_id=request_id,
                before=_values(before),
                after=_values(throttle),
            )
            await append_entry(connection, entry, self._audit_keys)
        return throttle

    async def clear(self, provider: str, *, reason: str, who: Operator, request_id: str) -> bool:
        """Ends a provider's limit; whether there was one. Without one nothing changes and nothing is noted."""
        async with transaction(self._engine) as connection:
            before = await clear_throttle(connection, provider)
            if before is None:
                return False
            entry = AuditEntry(
                at=self._clock.now(),
                actor=who.name,
                role=who.role,
                action="throttle.clear",
                target=f"provider/{provider}",
                request_id=request_id,
                before=_values(before),
                after={"requests_per_second": None, "reason": reason},
            )
            await append_entry(connection, entry, self._audit_keys)
        return True

    async def list(self) -> list[ProviderThrottle]:
        """All limits, by provider."""
        async with autocommit(self._engine) as connection:
            return await list_throttles(connection)


def _values(throttle: ProviderThrottle | None) -> Values | None:
    if throttle is None:
        return None
    return {"requests_per_second": throttle.requests_per_second, "reason": throttle.reason}
