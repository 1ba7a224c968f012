"""Claims that the database failed: they are taken back, so that its outage costs no attempt."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from tenrusl.clock import Clock
from tenrusl.errors import UnavailableError
from tenrusl.store.claims import unclaim_events
from tenrusl.store.engine import Engine, autocommit

MAX_LOST = 1000  # batches; the leases of those beyond end by themselves and cost an attempt
RETRY_SECONDS = 0.25  # sooner than a scheduler comes, that waits some seconds after an outage
_log = structlog.get_logger("lost_claims")


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch under one claim, told by its times. It may not have been made at all, if that is when the database
    failed."""

    event_ids: Sequence[UUID]
    claimed_at: datetime
    lease_ends_at: datetime


class LostClaims:
    """Remembers failed claims and takes them back when the database answers. Those of a processor that ends before
    that cost an attempt."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lost: deque[Claim] = deque()
        self._added = asyncio.Event()

    def add(self, claim: Claim) -> None:
        """Remembers one. Its batch must be over: nobody of ours works on it any more."""
        if len(self._lost) < MAX_LOST:
            self._lost.append(claim)
        self._added.set()

    async def run(self) -> None:
        """Takes back until cancelled."""
        while True:
            await self._added.wait()
            try:
                await self.take_back()
            except UnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._added.clear()

    async def take_back(self) -> None:
        """Takes back what is remembered. Raises UnavailableError; the rest stays remembered."""
        while self._lost:
            claim = self._lost[0]
            async with autocommit(self._engine) as connection:
                taken = await unclaim_events(
                    connection,
                    claim.event_ids,
                    claimed_at=claim.claimed_at,
                    lease_ends_at=claim.lease_ends_at,
                    now=self._clock.now(),
                )
            self._lost.popleft()
            _log.info("claims taken back", events=len(taken))
