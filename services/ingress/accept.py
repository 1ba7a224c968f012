"""Accepting a batch: judge each, store what is authentic in one commit, answer, hand off."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.ingress.judge import Answered, Delivery, Disposition, Judge, Judgement, Refusal
from services.ingress.metrics import IngressMetrics
from tenrusl.clock import Clock
from tenrusl.errors import Reason, UnavailableError
from tenrusl.keysources.source import KeySource, KeyUnavailableError
from tenrusl.providers.types import Credentials, Provider, Reply
from tenrusl.store.event_store import EventStore, StoreRefusedError
from tenrusl.store.events import NewEvent

_log = structlog.get_logger("accept")
_Key = tuple[str, str]
# The webhooks of one batch wait together: for a document that takes longer, the provider is asked to come again.
MAX_KEY_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one webhook.

    event_id: of the stored event, None unless accepted or duplicate. reply: where it depends on the request.
    """

    disposition: Disposition
    reason: Reason | None = None
    event_id: UUID | None = None
    reply: Reply | None = None


_DATABASE_DOWN = Outcome(Disposition.NOT_STORED, Reason.DATABASE_UNAVAILABLE)
_REFUSED = Outcome(Disposition.NOT_STORED, Reason.STORE_REFUSED)
_KEY_UNAVAILABLE = Refusal(Disposition.NOT_STORED, Reason.SERVICE_UNAVAILABLE)
_DEFECT = Refusal(Disposition.NOT_STORED, Reason.INTERNAL)


class Acceptor:
    """Accepts batches.

    handoff_delay: an event that nobody processed is due by itself this long after its receipt.
    hand_off: called with the ids of new events after their commit; it must not block.
    """

    def __init__(
        self,
        *,
        judge: Judge,
        keys: KeySource,
        store: EventStore,
        hand_off: Callable[[Sequence[UUID]], None],
        handoff_delay: timedelta,
        clock: Clock,
        metrics: IngressMetrics,
    ) -> None:
        self._judge = judge
        self._keys = keys
        self._store = store
        self._hand_off = hand_off
        self._handoff_delay = handoff_delay
        self._clock = clock
        self._metrics = metrics

    async def accept(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """One outcome for each delivery, in the same order. Stored ones are committed when this returns."""
        started = time.perf_counter()
        now = self._clock.now()
        fetched = await self._fetch_keys(deliveries)
        judged = [self._judge_one(delivery, now, fetched.get(n)) for n, delivery in enumerate(deliveries)]
        batch = _unique([item for item in judged if isinstance(item, NewEvent)])
        judged_at = time.perf_counter()
        stored = await self._store_batch(batch, now) if batch else {}
        self._metrics.observe_batch(
            len(deliveries), judge_seconds=judged_at - started, store_seconds=time.perf_counter() - judged_at
        )
        outcomes = [
            self._with_reply(delivery, outcome)
            for delivery, outcome in zip(deliveries, _outcomes(judged, stored), strict=True)
        ]
        self._metrics.count(
            Counter(
                (delivery.provider, outcome.disposition, outcome.reason)
                for delivery, outcome in zip(deliveries, outcomes, strict=True)
            )
        )
        return outcomes

    async def _fetch_keys(self, deliveries: Sequence[Delivery]) -> dict[int, Credentials | Refusal]:
        """By index, for the few providers whose webhooks name a public document: the credentials with it added."""
        wanted = {n: need for n, delivery in enumerate(deliveries) if (need := self._judge.needs_key(delivery))}
        if not wanted:
            return {}
        found = await asyncio.gather(
            *(self._fetch_key(deliveries[n], provider, given) for n, (provider, given) in wanted.items())
        )
        return dict(zip(wanted, found, strict=True))

    async def _fetch_key(
        self, delivery: Delivery, provider: Provider, credentials: Credentials
    ) -> Credentials | Refusal:
        at_hand = self._keys.credentials_at_hand(provider, delivery.webhook, credentials)
        if at_hand is not None:
            return at_hand
        try:
            # The fetch goes on when nobody waits any more, so the provider's next try finds the document.
            async with asyncio.timeout(MAX_KEY_WAIT_SECONDS):
                return await self._keys.credentials_for(provider, delivery.webhook, credentials)
        except (KeyUnavailableError, TimeoutError) as exc:
            _log.warning("key not fetched", provider=provider.name, request_id=delivery.request_id, error=str(exc))
            return _KEY_UNAVAILABLE

    def _with_reply(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        reply = outcome.reply or self._judge.reply_to(delivery, outcome.disposition)
        return outcome if reply is None else replace(outcome, reply=reply)

    def _judge_one(self, delivery: Delivery, now: datetime, fetched: Credentials | Refusal | None) -> Judgement:
        if isinstance(fetched, Refusal):
            return fetched
        try:
            return self._judge.judge(delivery, now, fetched)
        except Exception:
            # A defect in one provider's code must not cost the other webhooks of the batch. It is answered
            # 503, so the provider sends it again, and the log has the traceback.
            _log.exception("cannot judge", provider=delivery.provider, request_id=delivery.request_id)
            return _DEFECT

    async def _store_batch(self, batch: list[NewEvent], now: datetime) -> dict[_Key, Outcome]:
        try:
            return await self._store_events(batch, now)
        except UnavailableError as exc:
            _log.warning("not stored", webhooks=len(batch), error=repr(exc.__cause__))
            return {(event.provider, event.event_id): _DATABASE_DOWN for event in batch}
        except StoreRefusedError:
            # One of them is not to the database's liking: the others must not wait for it.
            return await self._store_one_by_one(batch, now)

    async def _store_one_by_one(self, batch: list[NewEvent], now: datetime) -> dict[_Key, Outcome]:
        outcomes: dict[_Key, Outcome] = {}
        for event in batch:
            try:
                outcomes |= await self._store_events([event], now)
            except UnavailableError:
                outcomes[event.provider, event.event_id] = _DATABASE_DOWN
            except StoreRefusedError as exc:
                _log.error("refused by the database", request_id=event.request_id, sqlstate=exc.sqlstate)
                outcomes[event.provider, event.event_id] = _REFUSED
        return outcomes

    async def _store_events(self, batch: list[NewEvent], now: datetime) -> dict[_Key, Outcome]:
        result = await self._store.store(batch, received_at=now, next_retry_at=now + self._handoff_delay)
        outcomes = {key: Outcome(Disposition.ACCEPTED, event_id=event_id) for key, event_id in result.fresh.items()}
        outcomes |= {key: Outcome(Disposition.DUPLICATE, event_id=event_id) for key, event_id in result.known.items()}
        self._hand_off([*result.fresh.values(), *result.untried])
        return outcomes


def _unique(events: list[NewEvent]) -> list[NewEvent]:
    """Each event once, with its deliveries, in the order that all batches keep."""
    unique: dict[_Key, NewEvent] = {}
    for event in events:
        key = (event.provider, event.event_id)
        known = unique.get(key)
        unique[key] = event if known is None else known._replace(deliveries=known.deliveries + 1)
    return [unique[key] for key in sorted(unique)]


def _outcomes(judged: Sequence[Judgement], stored: dict[_Key, Outcome]) -> list[Outcome]:
    """In the order of the webhooks. Of several deliveries of one event, the first is the accepted one."""
    outcomes = []
    seen: set[_Key] = set()
    for item in judged:
        if isinstance(item, Refusal):
            outcomes.append(Outcome(item.disposition, item.reason))
            continue
        if isinstance(item, Answered):
            outcomes.append(Outcome(Disposition.ANSWERED, reply=item.reply))
            continue
        key = (item.provider, item.event_id)
        outcome = stored[key]
        if key in seen and outcome.disposition is Disposition.ACCEPTED:
            outcome = Outcome(Disposition.DUPLICATE, event_id=outcome.event_id)
        seen.add(key)
        outcomes.append(outcome)
    return outcomes
