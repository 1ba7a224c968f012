"""Limits of webhooks a second, by provider and by source address. On the hot path: look-ups and a subtraction."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus

from services.gateway.metrics import GatewayMetrics
from services.gateway.problems import Problem, retry_after
from tenrusl.errors import Reason
from tenrusl.token_bucket import MAX_RATE, MIN_RATE, BucketTable, TokenBucket, address_key

# About 6 MB.
MAX_ADDRESSES = 20_000


class Throttle:
    """Decides which webhooks are taken.

    providers: the names that have limits; others are refused elsewhere. provider_rate, source_rate: webhooks a second
    of each provider and of each address where nothing else is set; 0 means no limit. replicas: gateways that share
    each limit evenly; each of them counts for itself.
    """

    def __init__(
        self,
        *,
        providers: Collection[str],
        provider_rate: float,
        source_rate: float,
        replicas: int,
        metrics: GatewayMetrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers = frozenset(providers)
        self._provider_rate = provider_rate
        self._replicas = replicas
        self._metrics = metrics
        self._monotonic = monotonic
        self._sources = BucketTable(max(MIN_RATE, source_rate / replicas), MAX_ADDRESSES) if source_rate else None
        self._buckets: dict[str, TokenBucket] = {}
        self.set_limits({})

    def set_limits(self, limits: Mapping[str, float]) -> None:
        """The limits from now on, webhooks a second by provider. Those of the others are the default."""
        now = self._monotonic()
        for provider in self._providers:
            rate = limits.get(provider, self._provider_rate)
            if not rate or not math.isfinite(rate):
                self._buckets.pop(provider, None)
                self._metrics.throttle_set(provider, None)
                continue
            share = min(MAX_RATE, max(MIN_RATE, rate / self._replicas))
            bucket = self._buckets.get(provider)
            if bucket is None:
                self._buckets[provider] = TokenBucket(share, now)
            elif bucket.rate != share:
                bucket.change(share, now)
            self._metrics.throttle_set(provider, share)

    def refusal(self, provider: str, source: str) -> Problem | None:
        """None when the webhook is taken, else 429. A sender over its limit takes nothing of the provider's."""
        if self._sources is not None:
            full = self._sources.take(address_key(source), self._monotonic())
            if full is not None:
                return self._refused("source", provider, full)
        bucket = self._buckets.get(provider)
        if bucket is None or bucket.take(self._monotonic()):
            return None
        return self._refused("provider", provider, bucket)

    def _refused(self, limit: str, provider: str, bucket: TokenBucket) -> Problem:
        self._metrics.throttled(limit, provider if provider in self._providers else "other")
        return Problem(
            status=HTTPStatus.TOO_MANY_REQUESTS,  # RFC 6585, section 4
            detail="too many webhooks; send it again later",
            reason=Reason.THROTTLED,
            headers=(retry_after_at_least(bucket.seconds_to_wait()),),
        )


def retry_after_at_least(seconds: int) -> tuple[bytes, bytes]:
    """Retry-After of so many seconds or some more, so that those who were refused together do not come together."""
    name, spread = retry_after()
    return name, b"%d" % (seconds - 1 + int(spread))
