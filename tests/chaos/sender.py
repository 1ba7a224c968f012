"""A provider under steady load: sends signed webhooks, sends again what was not acknowledged, and remembers all."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator.signing import sign_webhook

PROVIDER = "mock"
THREADS = 4
TIMEOUT_SECONDS = 15.0
# A provider waits longer before it tries again; here a scenario has less than a minute.
RESEND_SECONDS = 0.2
PAYMENTS = 60


@dataclass(slots=True)
class Sent:
    """One webhook: what it says, its exact bytes, and how often it was acknowledged."""

    event_id: str
    ref: str
    status: PaymentStatus
    occurred_at: datetime
    body: bytes
    acks: int = 0


@dataclass(slots=True)
class Sender:
    """Sends `rate` new webhooks a second from threads, a tenth of them twice, out of order by their times.

    address: HOST:PORT of the gateway, or of a balancer. secret: signs them; may be changed at any time. Each that is
    not answered by 2xx is sent again until it is.
    """

    address: str
    secret: str
    rate: float
    rng: random.Random
    sent: dict[str, Sent] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    acked_at: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    _run: str = field(default_factory=lambda: uuid4().hex[:12])  # payments of its own
    _waiting: deque[Sent] = field(default_factory=deque)
    _stops: threading.Event = field(default_factory=threading.Event)
    _drains: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begins to send."""
        self._threads = [threading.Thread(target=self._make)]
        self._threads += [threading.Thread(target=self._deliver) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def finish(self, timeout_seconds: float) -> None:
        """Makes no new ones, and returns when all are acknowledged. Fails when they are not in time."""
        self._drains.set()
        deadline = time.monotonic() + timeout_seconds
        while self.open() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.stop()
        assert not self.open(), f"{self.open()} webhooks were never acknowledged"

    def stop(self) -> None:
        """Ends the threads."""
        self._drains.set()
        self._stops.set()
        for thread in self._threads:
            thread.join()

    def open(self) -> int:
        """Webhooks that were never acknowledged."""
        with self._lock:
            return sum(1 for item in self.sent.values() if not item.acks)

    def acked(self) -> int:
        """Webhooks that were acknowledged."""
        with self._lock:
            return sum(1 for item in self.sent.values() if item.acks)

    def longest_pause(self) -> float:
        """Seconds between two acknowledgements one after the other, at most; a fault's outage as a provider sees it."""
        times = sorted(self.acked_at)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def _make(self) -> None:
        began, made = time.monotonic(), 0
        while not self._drains.is_set():
            wanted = int((time.monotonic() - began) * self.rate)
            for _ in range(min(wanted - made, 50)):
                item = self._new(made)
                with self._lock:
                    self.sent[item.event_id] = item
                    self._waiting.extend([item] * (2 if self.rng.random() < 0.1 else 1))
                made += 1
            made = max(made, wanted - 50)  # after a pause of this thread no burst
            time.sleep(0.01)

    def _new(self, number: int) -> Sent:
        now = datetime.now(UTC)
        ref = f"pay-{self._run}-{self.rng.randrange(PAYMENTS)}-{number // 1000}"
        status = self.rng.choice(tuple(PaymentStatus))
        occurred_at = (now - timedelta(seconds=self.rng.randrange(600))).replace(microsecond=0)
        event_id = f"evt-{number}-{self.rng.getrandbits(48):x}"
        body = json.dumps(
            {
                "id": event_id,
                "type": f"payment.{status.value}",
                "status": status.value,
                "data": {"id": ref, "amount": 1000 + number % 7, "currency": "IDR"},
                "occurred_at": occurred_at.isoformat().replace("+00:00", "Z"),
            }
        ).encode()
        return Sent(event_id, ref, status, occurred_at, body)

    def _deliver(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT_SECONDS)
        while not self._stops.is_set():
            try:
                item = self._waiting.popleft()
            except IndexError:
                if self._drains.is_set() and not self.open():
                    break
                time.sleep(0.005)
                continue
            status = _post(connection, item.body, self.secret)
            if 200 <= status < 300:
                with self._lock:
                    item.acks += 1
                    self.acked_at.append(time.monotonic())
                continue
            if status:
                self.refused.append(status)
            time.sleep(RESEND_SECONDS)
            self._waiting.append(item)
        connection.close()

    def probe(self, secret: str) -> int:
        """The answer's status to one more webhook, about a payment of its own, signed with `secret`."""
        number = self.rng.getrandbits(48)
        body = json.dumps({"id": f"probe-{number}", "status": "succeeded", "data": {"id": f"probe-{number}"}}).encode()
        with closing(http.client.HTTPConnection(self.address, timeout=TIMEOUT_SECONDS)) as connection:
            return _post(connection, body, secret)


def _post(connection: http.client.HTTPConnection, body: bytes, secret: str) -> int:
    """The answer's status, 0 without one."""
    provider = PROVIDERS[PROVIDER]
    credentials = Credentials({provider.secret_field: (SecretVersion("current", Secret(secret)),)})
    signed = sign_webhook(provider, body, credentials, time.time())
    try:
        connection.request("POST", f"/api/webhooks/{PROVIDER}", body=signed.body, headers=dict(signed.headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
