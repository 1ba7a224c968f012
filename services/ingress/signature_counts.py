"""Which versions of secrets match, and what is rejected: counted in memory, written to the store every two seconds."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from services.ingress.credentials import CredentialBook
from services.ingress.judge import Delivery, Disposition, Judgement, Refusal
from services.ingress.stored_secrets import StoredSecrets
from tenrusl.clock import Clock
from tenrusl.errors import UnavailableError
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.events import NewEvent
from tenrusl.store.signature_counts import (
    PERIOD,
    Matches,
    add_matches,
    add_rejections,
    forget,
    leave,
    report,
)

FLUSH_SECONDS = 2.0
CLOSE_SECONDS = 2.0  # the process ends soon, whatever the database does
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_log = structlog.get_logger("signature_counts")


class SignatureCounts:
    """Counts of one ingress process. instance: its name, unique. secrets: the stored ones that it goes by."""

    def __init__(
        self, engine: Engine, book: CredentialBook, clock: Clock, *, instance: str, secrets: StoredSecrets
    ) -> None:
        self._engine = engine
        self._book = book
        self._clock = clock
        self._instance = instance
        self._secrets = secrets
        self._matches: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], datetime] = {}
        self._rejections: Counter[tuple[str, datetime, str]] = Counter()

    def count(self, deliveries: Sequence[Delivery], judged: Sequence[Judgement], now: datetime) -> None:
        """Counts a batch: matches also where the event could not be stored."""
        matches, rejections = self._matches, self._rejections
        for delivery, item in zip(deliveries, judged, strict=True):
            if isinstance(item, NewEvent):
                key = (item.provider, item.signature_version)
                matches[key] += 1
                self._last[key] = now
            elif isinstance(item, Refusal) and item.disposition is Disposition.REJECTED:
                rejections[delivery.provider, _period_of(now), item.reason.value] += 1

    async def flush(self) -> None:
        """Writes what was counted. Raises UnavailableError; whatever ends it, what was not written is kept.

        Cancelled while the commit is under way, it may be written and kept, too: better twice than not at all.
        """
        matches, last, rejections = self._matches, self._last, self._rejections
        self._matches, self._last, self._rejections = Counter(), {}, Counter()
        now = self._clock.now()
        try:
            async with transaction(self._engine) as connection:
                await report(
                    connection,
                    self._instance,
                    self._book.environment_secrets(),
                    revision=self._secrets.revision,
                    unreadable=self._secrets.unreadable,
                    now=now,
                )
                if matches:
                    counted = {key: Matches(number, last[key]) for key, number in matches.items()}
                    await add_matches(connection, counted)
                if rejections:
                    await add_rejections(connection, rejections)
                await forget(connection, sorted(self._book.provider_names), now)
        except BaseException:  # also when cancelled, as at every end of the process: `close` writes it then
            self._matches.update(matches)
            self._last = last | self._last
            self._rejections.update(rejections)
            raise

    async def keep(self) -> None:
        """Flushes every two seconds until cancelled."""
        away = False
        while True:
            try:
                await self.flush()
                away = False
            except UnavailableError:
                if not away:
                    _log.warning("counts of signatures not written; they are kept")
                away = True
            await asyncio.sleep(FLUSH_SECONDS)

    async def close(self) -> None:
        """Writes the last counts, and says that this process ends; with the database away it is found out later."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.flush()
                async with transaction(self._engine) as connection:
                    await leave(connection, self._instance)
        except (UnavailableError, TimeoutError):
            _log.warning("the last counts of signatures are lost")


def _period_of(now: datetime) -> datetime:
    return now - (now - _EPOCH) % PERIOD
