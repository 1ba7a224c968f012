"""Having events processed again, at a limited rate."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from services.admin.processor_client import Results
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.errors import OverloadedError
from tenrusl.rpc.paging import page_token, read_id_token
from tenrusl.store.audit import Values, append_entry, events_target
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.event_list import ALL_EVENTS, MAX_LOOKED_THROUGH, EventFilter, find_events

MAX_COUNTED = 1_000_000
# The processor takes so many at once; and at low rates a batch is what is due in a second.
BATCH_EVENTS = 250
# Ids are looked up for so long ahead: where no index has their order, each look reads all that waits. Not for longer:
# what somebody else decides about an event meanwhile is not seen.
HELD_SECONDS = 30
# While the processor is full. It is asked again after a pause, which doubles; for longer than all of them it is not.
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0
MAX_PAUSES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """Which events: `ids`, or else at most `limit` that `filter` lets pass, after those that `resume_token` stands for.

    events_per_second: 1 or more. dry_run: only count, up to MAX_COUNTED.
    """

    ids: Sequence[UUID] = ()
    filter: EventFilter = ALL_EVENTS
    limit: int
    events_per_second: int
    resume_token: str = ""
    dry_run: bool = False


@dataclass(slots=True, kw_only=True)
class ReplayProgress:
    """How far a replay is; the fields are those of ReplayEventsResponse."""

    done: bool = False
    matched: int = 0
    processed: int = 0
    failed: int = 0
    dead_letters: int = 0
    unconfirmed: int = 0
    skipped: int = 0
    capped: bool = False
    resume_token: str = ""

    def add(self, results: Results) -> None:
        """Counts a batch."""
        for name, number in results.items():
            setattr(self, name, getattr(self, name) + number)


class Replay:
    """Replays events.

    process: has events processed whether they are due or not. monotonic, sleep: in seconds, they keep the rate.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        process: Callable[[Sequence[UUID]], Awaitable[Results]],
        providers: Collection[str],
        audit_keys: AuditKeys,
        clock: Clock,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._process = process
        self._providers = tuple(providers)
        self._audit_keys = audit_keys
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep

    async def run(self, order: ReplayOrder, caller: Caller) -> AsyncGenerator[ReplayProgress, None]:
        """Yields the progress after each batch, always the same object; at the end with `done`.

        Raises InvalidFieldError for the resume_token of another query; UnavailableError, and OverloadedError when the
        processor stays full: what was done until then stays done.
        """
        wanted = replace(order.filter, without_refuted=True)
        after = read_id_token(order.resume_token, _key(wanted), field="resume_token")
        progress = ReplayProgress(resume_token=order.resume_token)
        if not order.dry_run:
            await self._note(caller, "events.replay", order, _facts(order))
        try:
            free_at = self._monotonic()
            async for ids, end in self._batches(order, wanted, after):
                if not order.dry_run:
                    began = await self._wait_until(free_at)
                    # From when this batch began: time that a stall took is not made up for by a burst.
                    free_at = began + len(ids) / order.events_per_second
                    progress.add(await self._deliver(ids))
                progress.matched += len(ids)
                progress.resume_token = page_token(str(end), _key(wanted)) if end else ""
                yield progress
        finally:
            if progress.matched and not order.dry_run:
                await self._note(caller, "events.replay_end", order, {**asdict(progress), **_named(order)})
        progress.done = True
        progress.capped = bool(progress.resume_token)
        yield progress

    async def _batches(
        self, order: ReplayOrder, wanted: EventFilter, after: UUID | None
    ) -> AsyncIterator[tuple[Sequence[UUID], UUID | None]]:
        """Ids, and the id after which it goes on, None after the last."""
        size = MAX_LOOKED_THROUGH if order.dry_run else min(BATCH_EVENTS, order.events_per_second)
        if order.ids:
            for batch in _parts(sorted(set(order.ids)), size):
                yield batch, None
            return
        left = MAX_COUNTED if order.dry_run else order.limit
        held = size if order.dry_run else min(MAX_LOOKED_THROUGH, HELD_SECONDS * order.events_per_second)
        while left > 0:
            async with autocommit(self._engine) as connection:
                span = await find_events(
                    connection, wanted, providers=self._providers, limit=min(left, held), after=after
                )
            batches = _parts(span.ids, size)
            for batch in batches[:-1]:
                yield batch, batch[-1]
            yield batches[-1] if batches else [], span.end
            left -= len(span.ids)
            after = span.end
            if after is None:
                return

    async def _wait_until(self, time: float) -> float:
        """The time then, or now when that is later."""
        early = time - self._monotonic()
        if early > 0:
            await self._sleep(early)
        return max(time, self._monotonic())

    async def _deliver(self, ids: Sequence[UUID]) -> Results:
        if not ids:
            return Results()
        pause = FIRST_PAUSE_SECONDS
        for _ in range(MAX_PAUSES):
            try:
                return await self._process(ids)
            except OverloadedError:
                await self._sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
        raise OverloadedError("the processor stays full")

    async def _note(self, caller: Caller, action: str, order: ReplayOrder, facts: Values) -> None:
        async with transaction(self._engine) as connection:
            entry = caller.did(action, events_target(order.ids), at=self._clock.now(), after=facts)
            await append_entry(connection, entry, self._audit_keys)


def _key(wanted: EventFilter) -> list[str]:
    return ["ReplayEvents", *wanted.key()]


def _parts(ids: Sequence[UUID], size: int) -> list[Sequence[UUID]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _named(order: ReplayOrder) -> Values:
    """The events of an order by ids: entries of the audit log are found by them."""
    return {"event_ids": [str(event_id) for event_id in order.ids]} if order.ids else {}


def _facts(order: ReplayOrder) -> Values:
    if order.ids:
        return {**_named(order), "events_per_second": order.events_per_second}
    names = ("provider", "status", "payment_ref", "failure_code", "received_from", "received_before")
    chosen = {name: value for name, value in zip(names, order.filter.key(), strict=True) if value}
    return {"filter": chosen, "limit": order.limit, "events_per_second": order.events_per_second}
