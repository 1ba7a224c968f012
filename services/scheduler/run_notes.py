"""What operators had done, in the audit log. The scheduler's own runs are no operator's, and are not noted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from datetime import timedelta
from typing import TypeVar

from services.scheduler.maintain import MaintenanceProgress
from services.scheduler.purge import PurgeOrder, PurgeProgress
from services.scheduler.retry import RetryOrder, RetryProgress
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.store.audit import Values, append_entry, event_target
from tenrusl.store.engine import Engine, transaction

_Progress = TypeVar("_Progress", RetryProgress, PurgeProgress, MaintenanceProgress)


class RunNotes:
    """Notes runs before anything is done, and with the numbers at their end, however they end."""

    def __init__(self, *, engine: Engine, audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._audit_keys = audit_keys
        self._clock = clock

    async def around(
        self, run: AsyncGenerator[_Progress, None], caller: Caller, action: str, target: str, facts: Values
    ) -> AsyncGenerator[_Progress, None]:
        """Yields what the run yields. Raises UnavailableError when it cannot be noted: nothing is done then."""
        await self._note(caller, action, target, facts)
        progress: _Progress | None = None
        try:
            async with aclosing(run):
                async for progress in run:
                    yield progress
        finally:
            if progress is not None:
                await self._note(caller, f"{action}_end", target, _numbers(progress))

    async def _note(self, caller: Caller, action: str, target: str, facts: Values) -> None:
        async with transaction(self._engine) as connection:
            entry = caller.did(action, target, at=self._clock.now(), after=facts)
            await append_entry(connection, entry, self._audit_keys)


def retry_target(order: RetryOrder) -> str:
    """How the audit log names what is tried again."""
    if order.event_id is not None:
        return event_target(order.event_id)
    return f"provider/{order.provider}" if order.provider else "events"


def retry_facts(order: RetryOrder) -> Values:
    """What was asked for, without what was not."""
    chosen = {name: value for name, value in asdict(order).items() if value and name != "event_id"}
    if order.event_id is not None:
        del chosen["limit"]  # it does not count then
    return chosen


def purge_target(order: PurgeOrder) -> str:
    """How the audit log names what is forgotten."""
    return f"provider/{order.provider}" if order.provider else "payloads"


def purge_facts(order: PurgeOrder) -> Values:
    """What was asked for."""
    return {"older_than_days": None if order.older_than is None else order.older_than // timedelta(days=1)}


def _numbers(progress: RetryProgress | PurgeProgress | MaintenanceProgress) -> Values:
    return {name: value for name, value in asdict(progress).items() if isinstance(value, int)}
