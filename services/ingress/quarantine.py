"""Keeping rejected webhooks for a day, in the background and without promises.

A forger sends as much as he likes: what waits here, what is written a second and what is stored are bounded, and
nothing of it is in the way of an answer. What does not fit is dropped, as all rejected webhooks were without this.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime
from typing import NamedTuple

import structlog

from services.ingress.judge import Delivery
from services.ingress.metrics import IngressMetrics
from services.ingress.servicer import to_delivery, to_message
from tenrusl.api.ingress.v1 import ingress_pb2
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason, UnavailableError
from tenrusl.ids import uuid7
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.rejected import Bounds, NewRejected, SealedWebhook, add_rejected, sealing_context
from tenrusl.token_bucket import BucketTable, TokenBucket, address_key

# What another secret, or another credential, may mend. Without a signature, or with a time that was wrong when the
# webhook came, none does.
MENDABLE = frozenset(
    {
        Reason.CREDENTIALS_MISSING,
        Reason.KEY_UNTRUSTED,
        Reason.KEY_URL_NOT_ALLOWED,
        Reason.SIGNATURE_MALFORMED,
        Reason.SIGNATURE_MISMATCH,
        Reason.SOURCE_NOT_ALLOWED,
        Reason.VERIFICATION_FAILED,
    }
)
MAX_WAITING_WEBHOOKS = 1000
# Also bounds what is written a second: large bodies must not keep the disk from those that are accepted.
MAX_WAITING_BYTES = 4 * 1024 * 1024
MAX_BATCH_WEBHOOKS = 50
# Webhooks of one batch are gathered so long.
GATHER_SECONDS = 0.25
# After the database did not answer; what waits then is dropped once it is full.
PAUSE_SECONDS = 1.0
# Of one address's webhooks, this part of a provider's rate.
SOURCE_SHARE = 0.5
MAX_ADDRESSES = 2000
_log = structlog.get_logger("quarantine")


class _Waiting(NamedTuple):
    provider: str
    request_id: str
    source_ip: str
    reason: Reason
    at: datetime
    request: bytes


class Quarantine:
    """A bounded buffer of rejected webhooks, and the statement that empties it.

    rate: webhooks a second that are kept of one provider; 0 keeps none. providers: the names that are known.
    """

    def __init__(
        self,
        engine: Engine,
        cipher: PayloadCipher,
        metrics: IngressMetrics,
        *,
        providers: Collection[str],
        bounds: Bounds,
        rate: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._metrics = metrics
        self._bounds = bounds
        self._monotonic = monotonic
        now = monotonic()
        self._buckets = {name: TokenBucket(rate, now) for name in providers} if rate else {}
        self._sources = BucketTable(rate * SOURCE_SHARE, MAX_ADDRESSES) if rate else None
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._offered = asyncio.Event()

    def offer(self, delivery: Delivery, reason: Reason, at: datetime) -> None:
        """Takes a webhook that came at `at` if it may be mended, and while there is room. Never blocks."""
        bucket = self._buckets.get(delivery.provider)
        if bucket is None or self._sources is None or reason not in MENDABLE:
            return
        now = self._monotonic()
        if self._sources.take(address_key(delivery.webhook.source_ip), now) or not bucket.take(now):
            self._metrics.count_quarantine("too_many")
            return
        request = to_message(delivery).SerializeToString()
        size = len(request)
        if len(self._waiting) >= MAX_WAITING_WEBHOOKS or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self._metrics.count_quarantine("not_written")
            return
        self._waiting.append(
            _Waiting(delivery.provider, delivery.request_id, delivery.webhook.source_ip, reason, at, request)
        )
        self._waiting_bytes += size
        self._offered.set()

    async def run(self) -> None:
        """Stores what was offered, until cancelled."""
        while True:
            await self._offered.wait()
            await asyncio.sleep(GATHER_SECONDS)
            if not await self.flush():
                await asyncio.sleep(PAUSE_SECONDS)

    async def flush(self) -> bool:
        """Stores one batch of what waits; False when the database did not take it, and it is lost."""
        batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH_WEBHOOKS, len(self._waiting)))]
        self._waiting_bytes -= sum(len(item.request) for item in batch)
        if not self._waiting:
            self._offered.clear()
        try:
            async with transaction(self._engine) as connection:
                kept = await add_rejected(connection, [self._sealed(item) for item in batch], self._bounds)
        except UnavailableError as exc:
            _log.warning("rejected webhooks not kept", webhooks=len(batch), reason=exc.reason.value)
            self._metrics.count_quarantine("not_written", len(batch))
            return False
        self._metrics.count_quarantine("kept", kept)
        self._metrics.count_quarantine("full", len(batch) - kept)
        return True

    def _sealed(self, item: _Waiting) -> NewRejected:
        id_ = uuid7(item.at)
        return NewRejected(
            id=id_,
            provider=item.provider,
            received_at=item.at,
            reason=item.reason.value,
            request_id=_text(item.request_id),
            source_ip=_text(item.source_ip),
            sealed=self._cipher.seal(item.request, context=sealing_context(id_)),
        )


def _text(given: str) -> str:
    """As the database takes it, whoever passed it on."""
    return given.replace("\0", "")[:128]


def unseal(cipher: PayloadCipher, kept: SealedWebhook) -> Delivery:
    """The webhook as it came. Raises SealedTextError."""
    opened = cipher.open(kept.sealed, context=sealing_context(kept.id))
    return to_delivery(ingress_pb2.Webhook.FromString(opened))
