"""Stores batches of new events: the statements of `events`, with what can go wrong around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import DBAPIError, IntegrityError

from tenrusl.store.engine import Engine, driver_autocommit, sqlstate
from tenrusl.store.events import NewEvent, bump_deliveries, insert_events
from tenrusl.store.partitions import add_partitions
from tenrusl.store.transmissions import reused_transmissions

_CHECK_VIOLATION = "23514"  # PostgreSQL's answer when a row fits no partition
_DATA_EXCEPTION = "22000"  # a value that cannot even be sent


class StoreRefusedError(Exception):
    """The database answered, and did not take the batch. sqlstate: PostgreSQL manual, appendix A."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.sqlstate = state


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreResult:
    """Ids by (provider, event_id): of events that are new, and of those that were there.

    untried: those of the known that nobody has claimed yet. A claim may have passed over them while their
    deliveries were counted, so they need another hand-off.
    reused: (provider, event_id) of those whose transmission came before with another body; nothing is stored of them.
    """

    fresh: dict[tuple[str, str], UUID]
    known: dict[tuple[str, str], UUID]
    untried: list[UUID]
    reused: frozenset[tuple[str, str]] = frozenset()


class EventStore:
    """Stores events. partition_days: payload partitions made ahead, today included."""

    def __init__(self, engine: Engine, *, partition_days: int) -> None:
        self._engine = engine
        self._partition_days = partition_days

    async def store(self, batch: Sequence[NewEvent], *, received_at: datetime, next_retry_at: datetime) -> StoreResult:
        """Stores the batch; it is committed when this returns.

        batch: sorted by (provider, event_id), each pair once. next_retry_at: when new ones are due by
        themselves. Raises UnavailableError when the database does not answer (some of the batch may be stored:
        storing it again is safe), StoreRefusedError when it refuses the batch.
        """
        try:
            return await self._store(batch, received_at, next_retry_at)
        except IntegrityError as exc:
            if sqlstate(exc) != _CHECK_VIOLATION:
                raise StoreRefusedError(sqlstate(exc)) from exc
        except DBAPIError as exc:
            raise StoreRefusedError(sqlstate(exc)) from exc
        except (OverflowError, UnicodeEncodeError) as exc:
            raise StoreRefusedError(_DATA_EXCEPTION) from exc
        # The day has no partition yet: nobody ran for days, or a clock jumped. Make it, and try once more.
        try:
            await self.prepare_partitions(received_at)
            return await self._store(batch, received_at, next_retry_at)
        except DBAPIError as exc:
            raise StoreRefusedError(sqlstate(exc)) from exc

    async def prepare_partitions(self, now: datetime) -> int:
        """Makes the payload partitions of `now` and the days after it; returns how many were missing.

        The day before too: a batch of another replica may be under way over midnight.
        """
        first_day = (now - timedelta(days=1)).date()
        return await add_partitions(self._engine, first_day, self._partition_days + 1)

    async def _store(self, batch: Sequence[NewEvent], received_at: datetime, next_retry_at: datetime) -> StoreResult:
        async with driver_autocommit(self._engine, "store events") as connection:
            inserted = await insert_events(connection, batch, received_at=received_at, next_retry_at=next_retry_at)
            again = [event for event in batch if event.id not in inserted]
            reused = await reused_transmissions(connection, again)
            again = [event for event in again if event not in reused]
            known = await bump_deliveries(connection, again) if again else []
        return StoreResult(
            fresh={(event.provider, event.event_id): event.id for event in batch if event.id in inserted},
            known={(event.provider, event.event_id): event.id for event in known},
            untried=[event.id for event in known if event.untried],
            reused=frozenset((event.provider, event.event_id) for event in reused),
        )
