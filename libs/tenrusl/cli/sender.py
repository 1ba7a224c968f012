"""Sends a traffic at a rate, whatever becomes of what was sent before: an open loop, bounded in count and time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass

from tenrusl.cli.target import Connection, NoAnswerError, Target
from tenrusl.clock import Clock
from tenrusl.simulator.ledger import Ledger
from tenrusl.simulator.traffic import Traffic

CONNECTIONS = 32
ANSWER_SECONDS = 10.0
# What cannot be sent this long after its time is not sent at all, so that a slow target cannot hold us for ever.
_MAX_LATE_SECONDS = 10.0
# Signed this long before they are sent, for RSA takes its time and is none of the target's.
_SIGNING_SECONDS = 0.2
_MAX_SIGNING_SHARE = 0.5
_PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it is. sent: with an answer, or given up. unsent: all connections were waiting for answers too long."""

    sent: int
    unsent: int
    acked: int
    refused: int


class Sender:
    """Sends `count` webhooks, number i at i / rate seconds after the start (rate: webhooks a second, above 0).

    Latencies count from that moment, so the wait that a slow target causes is not forgotten. What waits longer
    than ten seconds for its turn is not sent, so the last is sent at most count / rate + 10 seconds after the start.
    """

    def __init__(self, target: Target, traffic: Traffic, *, count: int, rate: float, clock: Clock) -> None:
        self.ledger = Ledger()
        self.unsent = 0
        self._target = target
        self._traffic = traffic
        self._count = count
        self._rate = rate
        self._clock = clock
        self._next = 0
        self._began = 0.0
        self._signing_seconds = 0.0
        # Guards everything above that changes, and the traffic.
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(min(CONNECTIONS, count), thread_name_prefix="sender")
        self._work_done: list[Future[None]] = []

    def start(self) -> None:
        """Begins to send; returns at once."""
        self._began = time.monotonic() + _SIGNING_SECONDS
        self._work_done = [self._pool.submit(self._work) for _ in range(min(CONNECTIONS, self._count))]

    def wait(self) -> bool:
        """Waits a tenth of a second at most; whether everything is done. Raises what `Traffic.next` does."""
        done, under_way = wait_for(self._work_done, timeout=_PROGRESS_SECONDS)
        for work in done:
            work.result()
        return not under_way

    def stop(self) -> None:
        """Sends nothing more, and waits for the answers that are under way."""
        self._stopped.set()
        self._pool.shutdown()

    @property
    def signs_slowly(self) -> bool:
        """Whether signing took so much of the time that the latencies tell of this machine and not of the target."""
        return self._signing_seconds > _MAX_SIGNING_SHARE * self._count / self._rate

    @property
    def progress(self) -> Progress:
        with self._lock:
            tally = self.ledger.all
            return Progress(sent=tally.sent, unsent=self.unsent, acked=tally.acked, refused=tally.refused)

    def _work(self) -> None:
        connection = Connection(self._target, timeout_seconds=ANSWER_SECONDS)
        try:
            while (number := self._take()) is not None:
                self._send(connection, self._began + number / self._rate)
        finally:
            connection.close()

    def _take(self) -> int | None:
        with self._lock:
            if self._next == self._count or self._stopped.is_set():
                return None
            self._next += 1
            return self._next - 1

    def _send(self, connection: Connection, due: float) -> None:
        if self._stopped.wait(max(0.0, due - _SIGNING_SECONDS - time.monotonic())):
            return
        if time.monotonic() > due + _MAX_LATE_SECONDS:
            with self._lock:
                self.unsent += 1
            return
        with self._lock:
            before = time.monotonic()
            delivery = self._traffic.next(self._clock.now())
            self._signing_seconds += time.monotonic() - before
        time.sleep(max(0.0, due - time.monotonic()))
        request = delivery.request
        status: int | None = None
        with suppress(NoAnswerError):  # noted as None
            status, _ = connection.exchange(request.method, request.target, request.headers, request.body)
        with self._lock:
            self.ledger.note(delivery, status, time.monotonic() - due)
