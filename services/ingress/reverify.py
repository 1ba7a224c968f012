"""Judging rejected webhooks again, after a secret was put right: by the time when each came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from services.ingress.accept import Acceptor
from services.ingress.judge import Delivery, Disposition
from services.ingress.quarantine import unseal
from tenrusl.clock import Clock
from tenrusl.crypto import PayloadCipher, SealedTextError
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.rejected import SealedWebhook, oldest_rejected, remove_rejected

_DUPLICATES = (Disposition.DUPLICATE, Disposition.ANSWERED)
_log = structlog.get_logger("quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverified:
    """What became of one batch; the fields are those of ReverifyRejectedResponse. last: None when there are no more."""

    examined: int
    accepted: int
    duplicates: int
    still_rejected: int
    not_stored: int
    last: UUID | None


class Reverification:
    """Takes webhooks out of quarantine that verify now. Several runs at once do no harm: events are stored once.

    refresh: brings the secrets in memory up to date, so that one put right a moment ago counts; raises
    UnavailableError.
    """

    def __init__(
        self,
        engine: Engine,
        acceptor: Acceptor,
        cipher: PayloadCipher,
        *,
        clock: Clock,
        refresh: Callable[[], Awaitable[object]],
    ) -> None:
        self._engine = engine
        self._acceptor = acceptor
        self._cipher = cipher
        self._clock = clock
        self._refresh = refresh

    async def reverify(self, provider: str, *, after: UUID, limit: int) -> Reverified:
        """One batch of a provider, oldest first, of those with ids after `after`. Raises UnavailableError."""
        await self._refresh()
        async with autocommit(self._engine) as connection:
            kept = await oldest_rejected(connection, provider, after=after, limit=limit, now=self._clock.now())
        if not kept:
            return Reverified(examined=0, accepted=0, duplicates=0, still_rejected=0, not_stored=0, last=None)
        ids, deliveries, arrived = self._opened(kept)
        outcomes = await self._acceptor.accept(deliveries, arrived=arrived) if deliveries else []
        counts = Counter(outcome.disposition for outcome in outcomes)
        verified = [
            id_
            for id_, outcome in zip(ids, outcomes, strict=True)
            if outcome.disposition is Disposition.ACCEPTED or outcome.disposition in _DUPLICATES
        ]
        if verified:
            # After the commit of the events: a crash before this leaves duplicates to be judged, and loses nothing.
            async with autocommit(self._engine) as connection:
                await remove_rejected(connection, verified)
        return Reverified(
            examined=len(kept),
            accepted=counts[Disposition.ACCEPTED],
            duplicates=sum(counts[disposition] for disposition in _DUPLICATES),
            still_rejected=len(kept) - len(verified) - counts[Disposition.NOT_STORED],
            not_stored=counts[Disposition.NOT_STORED],
            last=kept[-1].id,
        )

    def _opened(self, kept: Sequence[SealedWebhook]) -> tuple[list[UUID], list[Delivery], list[datetime]]:
        ids, deliveries, arrived = [], [], []
        for item in kept:
            try:
                deliveries.append(unseal(self._cipher, item))
            except SealedTextError as exc:
                _log.error("cannot open a rejected webhook", id=str(item.id), error=str(exc))
                continue
            ids.append(item.id)
            arrived.append(item.received_at)
        return ids, deliveries, arrived
