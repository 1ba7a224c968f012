"""Metrics that are asked for only when somebody scrapes, and that are not there when nobody can tell."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import CancelledError

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tenrusl.errors import TenruslError

# Below the ten seconds that Prometheus waits for a whole answer; a database that takes longer counts as away.
TIMEOUT_SECONDS = 3.0
# Two Prometheus servers, or a person beside one, cost no more than one.
MAX_AGE_SECONDS = 5.0

Ask = Callable[[], Awaitable[Sequence[Metric]]]


class AtScrape(Collector):
    """Asks the event loop at a scrape, at most every five seconds; register it in a CollectorRegistry.

    families: the metrics without values, by which the registry knows their names. ask: runs in `loop` and returns them
    with values; when it raises a TenruslError, does not answer within three seconds, or the loop has ended, the metrics
    are left out: an old figure would be taken for a new one. Not to be scraped from the loop's own thread.
    """

    def __init__(
        self,
        families: Callable[[], Sequence[Metric]],
        ask: Ask,
        *,
        loop: asyncio.AbstractEventLoop,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._families = families
        self._ask = ask
        self._loop = loop
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._known: Sequence[Metric] = ()
        self._valid_until = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """The metrics without values."""
        return self._families()

    def collect(self) -> Iterable[Metric]:
        """The metrics, at most five seconds old; none where they are not known."""
        with self._asking:
            asked_at = self._monotonic()
            if asked_at >= self._valid_until:
                self._known = self._answer()
                self._valid_until = asked_at + MAX_AGE_SECONDS
            return self._known

    def _answer(self) -> Sequence[Metric]:
        question = _in_time(self._ask)
        try:
            future = asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:  # the loop is closed: the process ends
            question.close()
            return ()
        try:
            return future.result(2 * TIMEOUT_SECONDS)
        except (TenruslError, TimeoutError, CancelledError):  # also of a loop that stands still or just ends
            future.cancel()
            return ()


async def _in_time(ask: Ask) -> Sequence[Metric]:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return await ask()
