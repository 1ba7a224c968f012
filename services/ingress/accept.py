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
from tenrusl.observability import traces
from tenrusl.postback.source import Postback, PostbackUnavailableError
from tenrusl.providers.types import Credentials, Provider, Reply
from tenrusl.store.event_store import EventStore, StoreRefusedError, StoreResult
from tenrusl.store.events import NewEvent

_log = structlog.get_logger("accept")
# Provider, event id, and where the provider has replay keys: this and the body's SHA-256.
_Key = tuple[str, str, str | None, bytes | None]
OnRejected = Callable[[Delivery, Reason, datetime], None]
CountSignatures = Callable[[Sequence[Delivery], Sequence[Judgement], datetime], None]
# The webhooks of one batch wait together: for what takes longer, the provider is asked to come again.
MAX_NETWORK_WAIT_SECONDS = 2.0


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
_KEY_UNAVAILABLE = Refusal(Disposition.NOT_STORED, Reason.KEY_UNAVAILABLE)
_VERIFICATION_UNAVAILABLE = Refusal(Disposition.NOT_STORED, Reason.VERIFICATION_UNAVAILABLE)
_REUSED = Outcome(Disposition.REJECTED, Reason.TRANSMISSION_REUSED)
_SECRETS_UNKNOWN = Refusal(Disposition.NOT_STORED, Reason.DATABASE_UNAVAILABLE)
_DEFECT = Refusal(Disposition.NOT_STORED, Reason.INTERNAL)


class Acceptor:
    """Accepts batches.

    handoff_delay: an event that nobody processed is due by itself this long after its receipt.
    hand_off: called with the ids of new events after their commit; it must not block.
    secrets_known: before, no webhook can be judged, and all are to be sent again. count_signatures: called with each
    batch as it was judged; it must not block. on_rejected: called with each that is not authentic; likewise.
    """

    def __init__(
        self,
        *,
        judge: Judge,
        keys: KeySource,
        postback: Postback,
        store: EventStore,
        hand_off: Callable[[Sequence[UUID]], None],
        handoff_delay: timedelta,
        clock: Clock,
        metrics: IngressMetrics,
        secrets_known: Callable[[], bool] = lambda: True,
        count_signatures: CountSignatures | None = None,
        on_rejected: OnRejected | None = None,
    ) -> None:
        self._judge = judge
        self._keys = keys
        self._postback = postback
        self._store = store
        self._hand_off = hand_off
        self._handoff_delay = handoff_delay
        self._clock = clock
        self._metrics = metrics
        self._secrets_known = secrets_known
        self._count_signatures = count_signatures
        self._on_rejected = on_rejected

    async def accept(
        self, deliveries: Sequence[Delivery], *, arrived: Sequence[datetime] | None = None
    ) -> list[Outcome]:
        """One outcome for each delivery, in the same order. Stored ones are committed when this returns.

        arrived: of deliveries that came earlier, when each did: they are judged by that time, and not counted again.
        """
        started = time.perf_counter()
        now = self._clock.now()
        times = arrived or [now] * len(deliveries)
        found = await self._ask_network(deliveries, times)
        judged = [self._judge_one(delivery, times[n], found.get(n), now) for n, delivery in enumerate(deliveries)]
        if self._count_signatures is not None and arrived is None:
            self._count_signatures(deliveries, judged, now)
        if arrived is None:
            self._metrics.count_matches(
                Counter((item.provider, item.signature_version) for item in judged if isinstance(item, NewEvent))
            )
        batches = _batches([item for item in judged if isinstance(item, NewEvent)])
        judged_at = time.perf_counter()
        stored: dict[_Key, Outcome] = {}
        for batch in batches:
            stored |= await self._store_batch(batch, now)
        self._metrics.observe_batch(
            len(deliveries), judge_seconds=judged_at - started, store_seconds=time.perf_counter() - judged_at
        )
        outcomes = [
            self._with_reply(delivery, outcome)
            for delivery, outcome in zip(deliveries, _outcomes(judged, stored), strict=True)
        ]
        if arrived is None:
            self._count(deliveries, outcomes, now)
        return outcomes

    def _count(self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome], now: datetime) -> None:
        if self._on_rejected is not None:
            for delivery, outcome in zip(deliveries, outcomes, strict=True):
                if outcome.disposition is Disposition.REJECTED and outcome.reason is not None:
                    self._on_rejected(delivery, outcome.reason, now)
        self._metrics.count(
            Counter(
                (delivery.provider, outcome.disposition, outcome.reason)
                for delivery, outcome in zip(deliveries, outcomes, strict=True)
            )
        )

    async def _ask_network(
        self, deliveries: Sequence[Delivery], times: Sequence[datetime]
    ) -> dict[int, Credentials | Refusal]:
        """By index, for the few providers that need the network: the credentials with what it gave added."""
        wanted = {n: need for n, delivery in enumerate(deliveries) if (need := self._judge.needs_network(delivery))}
        if not wanted:
            return {}
        deadline = asyncio.get_running_loop().time() + MAX_NETWORK_WAIT_SECONDS
        found = await asyncio.gather(
            *(
                self._complete(deliveries[n], provider, given, times[n], deadline)
                for n, (provider, given) in wanted.items()
            )
        )
        return dict(zip(wanted, found, strict=True))

    async def _complete(
        self, delivery: Delivery, provider: Provider, credentials: Credentials, now: datetime, deadline: float
    ) -> Credentials | Refusal:
        """The public document that the webhook names, then what the provider's own API says about it."""
        fetched = await self._fetch_key(delivery, provider, credentials, deadline)
        if isinstance(fetched, Refusal) or provider.questions is None:
            return fetched
        try:
            async with asyncio.timeout_at(deadline):
                return await self._postback.credentials_for(provider, delivery.webhook, fetched, now.timestamp())
        except (PostbackUnavailableError, TimeoutError) as exc:
            _log.warning("not verified", error=str(exc), **_about(delivery))
            return _VERIFICATION_UNAVAILABLE

    async def _fetch_key(
        self, delivery: Delivery, provider: Provider, credentials: Credentials, deadline: float
    ) -> Credentials | Refusal:
        at_hand = self._keys.credentials_at_hand(provider, delivery.webhook, credentials)
        if at_hand is not None:
            return at_hand
        try:
            # The fetch goes on when nobody waits any more, so the provider's next try finds the document.
            async with asyncio.timeout_at(deadline):
                return await self._keys.credentials_for(provider, delivery.webhook, credentials)
        except (KeyUnavailableError, TimeoutError) as exc:
            _log.warning("key not fetched", error=str(exc), **_about(delivery))
            return _KEY_UNAVAILABLE

    def _with_reply(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        reply = outcome.reply or self._judge.reply_to(delivery, outcome.disposition)
        return outcome if reply is None else replace(outcome, reply=reply)

    def _judge_one(
        self, delivery: Delivery, arrived: datetime, fetched: Credentials | Refusal | None, now: datetime
    ) -> Judgement:
        if not self._secrets_known():
            return _SECRETS_UNKNOWN
        if isinstance(fetched, Refusal):
            return fetched
        try:
            return self._judge.judge(delivery, arrived, fetched, stored_at=now)
        except Exception:
            # A defect in one provider's code must not cost the other webhooks of the batch. It is answered
            # 503, so the provider sends it again, and the log has the traceback.
            _log.exception("cannot judge", **_about(delivery))
            return _DEFECT

    async def _store_batch(self, batch: list[NewEvent], now: datetime) -> dict[_Key, Outcome]:
        try:
            return await self._store_events(batch, now)
        except UnavailableError as exc:
            request_ids = [event.request_id for event in batch]
            _log.warning("not stored", webhooks=len(batch), error=repr(exc.__cause__), request_ids=request_ids)
            return {_key(event): _DATABASE_DOWN for event in batch}
        except StoreRefusedError:
            # One of them is not to the database's liking: the others must not wait for it.
            return await self._store_one_by_one(batch, now)

    async def _store_one_by_one(self, batch: list[NewEvent], now: datetime) -> dict[_Key, Outcome]:
        outcomes: dict[_Key, Outcome] = {}
        for event in batch:
            try:
                outcomes |= await self._store_events([event], now)
            except UnavailableError:
                outcomes[_key(event)] = _DATABASE_DOWN
            except StoreRefusedError as exc:
                about = {"provider": event.provider, "request_id": event.request_id}
                _log.error("refused by the database", sqlstate=exc.sqlstate, **about)
                outcomes[_key(event)] = _REFUSED
        return outcomes

    async def _store_events(self, batch: list[NewEvent], now: datetime) -> dict[_Key, Outcome]:
        result = await self._store.store(batch, received_at=now, next_retry_at=now + self._handoff_delay)
        self._hand_off([*result.fresh.values(), *result.untried])
        return {_key(event): _outcome(result, (event.provider, event.event_id)) for event in batch}


def _about(delivery: Delivery) -> dict[str, str]:
    """What a log line about one webhook names it by."""
    named = {"provider": delivery.provider, "request_id": delivery.request_id}
    return named | traces.log_fields(delivery.trace)


def _key(event: NewEvent) -> _Key:
    if event.replay_key is None:
        return (event.provider, event.event_id, None, None)
    return (event.provider, event.event_id, event.replay_key, event.payload_sha256)


def _outcome(result: StoreResult, event: tuple[str, str]) -> Outcome:
    if event in result.fresh:
        return Outcome(Disposition.ACCEPTED, event_id=result.fresh[event])
    if event in result.known:
        return Outcome(Disposition.DUPLICATE, event_id=result.known[event])
    # Neither new nor there: somebody removed it this moment.
    return _REUSED if event in result.reused else _REFUSED


def _batches(events: list[NewEvent]) -> list[list[NewEvent]]:
    """Each webhook once, with its deliveries, in batches of different events in the order that all batches keep.

    That is one batch, unless one event came in several transmissions at once: each of these must be stored.
    """
    unique: dict[_Key, NewEvent] = {}
    for event in events:
        key = _key(event)
        known = unique.get(key)
        unique[key] = event if known is None else known._replace(deliveries=known.deliveries + 1)
    batches: list[dict[tuple[str, str], NewEvent]] = []
    for event in unique.values():
        pair = (event.provider, event.event_id)
        batch = next((batch for batch in batches if pair not in batch), None)
        if batch is None:
            batches.append(batch := {})
        batch[pair] = event
    return [[batch[pair] for pair in sorted(batch)] for batch in batches]


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
        key = _key(item)
        outcome = stored[key]
        if key in seen and outcome.disposition is Disposition.ACCEPTED:
            outcome = Outcome(Disposition.DUPLICATE, event_id=outcome.event_id)
        seen.add(key)
        outcomes.append(outcome)
    return outcomes
