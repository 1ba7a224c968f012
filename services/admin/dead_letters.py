"""What operators do about events that are set aside."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.store.audit import Values, append_entry, events_target
from tenrusl.store.engine import Connection, Engine, autocommit, transaction
from tenrusl.store.event_list import ALL_EVENTS, EventFilter, find_events
from tenrusl.store.set_aside import discard_events, requeue_dead_letters

# Changed in one transaction.
BATCH_EVENTS = 500
_Change = Callable[[Connection, Sequence[UUID]], Awaitable[list[UUID]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events: `ids`, or else at most `limit` dead letters that `filter` lets pass. dry_run: only count."""

    ids: Sequence[UUID] = ()
    filter: EventFilter = ALL_EVENTS
    limit: int
    dry_run: bool = False


@dataclass(slots=True)
class Changed:
    """How many events were changed, or would be; how many of those named were not; whether there may be more."""

    changed: int = 0
    skipped: int = 0
    more: bool = False


class DeadLetters:
    """Requeues and discards, each with an entry in the audit log. providers: the names that are known.

    All raise UnavailableError; what was done until then stays done.
    """

    def __init__(self, *, engine: Engine, providers: Collection[str], audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._audit_keys = audit_keys
        self._providers = tuple(providers)
        self._clock = clock

    async def requeue(self, selection: Selection, caller: Caller) -> Changed:
        """Makes dead letters due, with all their tries before them."""

        async def change(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
            return await requeue_dead_letters(connection, ids, now=self._clock.now())

        return await self._change(selection, change, caller, "dead_letters.requeue", {})

    async def discard(self, selection: Selection, reason: str, caller: Caller) -> Changed:
        """Sets events aside for good."""

        async def change(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
            return await discard_events(connection, ids, by=caller.name, reason=reason, now=self._clock.now())

        return await self._change(selection, change, caller, "events.discard", {"reason": reason})

    async def _change(
        self, selection: Selection, change: _Change, caller: Caller, action: str, facts: Values
    ) -> Changed:
        if selection.ids:
            ids = list(dict.fromkeys(selection.ids))
            done = await self._apply(ids, change, caller, action, facts)
            return Changed(done, len(ids) - done)
        result, after = Changed(), None
        wanted = replace(selection.filter, status="dead_letter", without_refuted=True)
        while result.changed < selection.limit:
            async with autocommit(self._engine) as connection:
                span = await find_events(
                    connection,
                    wanted,
                    providers=self._providers,
                    limit=min(BATCH_EVENTS, selection.limit - result.changed),
                    after=after,
                )
            if selection.dry_run:
                result.changed += len(span.ids)
            elif span.ids:
                result.changed += await self._apply(span.ids, change, caller, action, facts)
            after = span.end
            if after is None:
                return result
        result.more = True
        return result

    async def _apply(self, ids: Sequence[UUID], change: _Change, caller: Caller, action: str, facts: Values) -> int:
        async with transaction(self._engine) as connection:
            changed = await change(connection, ids)
            if changed:
                after = {**facts, "event_ids": [str(event_id) for event_id in changed]}
                entry = caller.did(action, events_target(changed), at=self._clock.now(), after=after)
                await append_entry(connection, entry, self._audit_keys)
        return len(changed)
