"""The load generator: keep-alive HTTP/1.1 connections to this machine, in a process of its own.

It shares the two cores with what it measures, so it does as little as it can: requests are ready bytes, answers
are read for their status and length only. `python -m benchmarks.load` reads a LoadSpec as JSON from standard
input and writes a LoadResult as JSON to standard output.
"""

import asyncio
import gc
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from benchmarks.pacing import ClosedLoop, Journal, OpenLoop, Pacing, percentile
from benchmarks.simulated import SimulatedWebhook
from benchmarks.webhooks import BODY_BYTES, STRIPE, Webhook, deliveries, signed_request

# After the last request is sent, this long is waited for answers; what is missing then counts as unanswered.
ANSWER_SECONDS = 15.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """What to send. All webhooks go to 127.0.0.1.

    name: starts the ids of its events, unique over all rounds. path: with `{provider}` where its name stands. secrets:
    of each provider; with more than Stripe the events go through them in turn, with bodies as these send. rate:
    webhooks a second in an open loop, or None for a closed one. max_seconds: a closed loop sends nothing after it.
    repeat_share: from 0 to 1. body_bytes: of Stripe's.
    """

    name: str
    port: int
    path: str
    secrets: dict[str, str]
    count: int
    connections: int = 64
    rate: float | None = None
    max_seconds: float = 10.0
    repeat_share: float = 0.0
    seed: int = 1
    body_bytes: int = BODY_BYTES

    @property
    def sending_seconds(self) -> float:
        """How long it sends, at most."""
        return self.max_seconds if self.rate is None else self.count / self.rate

    def webhook(self, event: int, created: int) -> Webhook | SimulatedWebhook:
        """Event number `event` of this load, the same in every process."""
        name = f"{self.name}_{event:07d}"
        if list(self.secrets) == [STRIPE]:
            return Webhook(name=name, created=created, body_bytes=self.body_bytes)
        provider = sorted(self.secrets)[event % len(self.secrets)]
        return SimulatedWebhook(provider=provider, name=name, created=created, secret=self.secrets[provider])

    def request(self, event: int, created: int) -> bytes:
        """The event's whole HTTP/1.1 request, signed at `created`."""
        webhook, host = self.webhook(event, created), f"{_LOOPBACK}:{self.port}"
        if isinstance(webhook, SimulatedWebhook):
            return webhook.request(path=self.path.format(provider=webhook.provider), host=host)
        path = self.path.format(provider=STRIPE)
        return signed_request(webhook, path=path, host=host, secret=self.secrets[STRIPE], timestamp=created)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What came back.

    acked: answers of 200 to 299. acked_events: the numbers of the events that these carried, each once.
    started_at: Unix time of the first request. seconds: from there to the last answer. Latencies in milliseconds.
    created: the time that stands in the events, Unix seconds. lost: connections that the server closed.
    """

    sent: int
    acked: int
    statuses: dict[str, int]
    unanswered: int
    lost: int
    created: int
    started_at: float
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    acked_events: list[int]

    @property
    def acked_per_second(self) -> float:
        return self.acked / self.seconds if self.seconds else 0.0


class ProtocolError(Exception):
    """The server's answer is not the HTTP/1.1 that this generator reads."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer's status code, and its length in bytes with head and body."""

    status: int
    length: int


def parse_response(data: bytes) -> Response | None:
    """The answer at the start of `data`, None while it is incomplete.

    Reads status line and Content-Length only (RFC 9112); 204 and 304 have no body.
    Raises ProtocolError: no HTTP/1.1, or a body without Content-Length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if data and not data.startswith(b"HTTP/1.1 "[: len(data)]):
            raise ProtocolError("no HTTP/1.1 status line")
        return None
    if not data.startswith(b"HTTP/1.1 ") or not data[9:12].isdigit():
        raise ProtocolError("no HTTP/1.1 status line")
    status = int(data[9:12])
    length = end + 4
    if status not in (204, 304):
        head = data[:length].lower()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            raise ProtocolError("no Content-Length")
        length += int(head[at + 17 : head.index(b"\r\n", at + 17)])
    return Response(status, length) if len(data) >= length else None


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, requests: list[bytes], pacing: Pacing, failures: list[str]) -> None:
        self._requests = requests
        self._pacing = pacing
        self._failures = failures
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, number: int) -> None:
        if self._transport is None:
            return  # lost while it was idle: the request counts as unanswered
        self._number = number
        self._transport.write(self._requests[number])

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        try:
            response = parse_response(data)
            if response is not None and (self._number is None or len(data) > response.length):
                raise ProtocolError("an answer to nothing")
        except ProtocolError as exc:
            self._fail(str(exc))
            return
        if response is None:
            self._buffer = data
            return
        self._buffer = b""
        number, self._number = self._number, None
        assert number is not None
        self._pacing.answered(self, number, response.status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport = None
            self._failures.append("closed by the server" if exc is None else type(exc).__name__)

    def close(self) -> None:
        """Closes without counting it as lost."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _fail(self, reason: str) -> None:
        self.close()
        self._failures.append(reason)


async def run(spec: LoadSpec) -> LoadResult:
    """Signs everything, connects, then sends. Raises OSError when the server does not take the connections."""
    loop = asyncio.get_running_loop()
    order = deliveries(spec.count, repeat_share=spec.repeat_share, seed=spec.seed)
    created = int(time.time())
    requests = [spec.request(event, created) for event in order]
    gc.freeze()
    failures: list[str] = []
    pacing: ClosedLoop | OpenLoop
    if spec.rate is None:
        pacing = ClosedLoop(spec.count, max_seconds=spec.max_seconds, clock=time.perf_counter)
    else:
        pacing = OpenLoop(spec.count, rate=spec.rate, clock=time.perf_counter)
    connections = [Connection(requests, pacing, failures) for _ in range(spec.connections)]
    try:
        for connection in connections:
            await _connect(connection, spec.port)
        started_at = time.time()
        pacing.begin(time.perf_counter())
        if isinstance(pacing, OpenLoop):
            _tick(loop, pacing)
        for connection in connections:
            pacing.ready(connection)
        await _finish(pacing, failures, spec)
    finally:
        for connection in connections:
            connection.close()
    return _result(pacing.journal, order, created=created, started_at=started_at, lost=len(failures))


async def _connect(connection: Connection, port: int) -> None:
    await asyncio.get_running_loop().create_connection(lambda: connection, _LOOPBACK, port)


def _tick(loop: asyncio.AbstractEventLoop, pacing: OpenLoop) -> None:
    again = pacing.tick()
    if again is not None:
        # uvloop's timers have whole milliseconds; rounding down would spin.
        wait_ms = math.ceil((again - time.perf_counter()) * 1000)
        loop.call_later(max(0, wait_ms) / 1000, _tick, loop, pacing)


async def _finish(pacing: Pacing, failures: list[str], spec: LoadSpec) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + spec.sending_seconds + ANSWER_SECONDS
    # Polled, because an Event would cost work on every answer; hence ASYNC110.
    while not pacing.finished and loop.time() < until and len(failures) < spec.connections:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _result(journal: Journal, order: Sequence[int], *, created: int, started_at: float, lost: int) -> LoadResult:
    statuses: dict[str, int] = {}
    acked = []
    for number, status in journal.statuses.items():
        statuses[str(status)] = statuses.get(str(status), 0) + 1
        if 200 <= status < 300:
            acked.append(order[number])
    latencies = sorted(journal.latencies)
    return LoadResult(
        sent=journal.sent,
        acked=len(acked),
        statuses=statuses,
        unanswered=journal.sent - len(journal.statuses),
        lost=lost,
        created=created,
        started_at=started_at,
        seconds=journal.seconds,
        p50_ms=percentile(latencies, 50) * 1000,
        p95_ms=percentile(latencies, 95) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        max_ms=percentile(latencies, 100) * 1000,
        acked_events=sorted(set(acked)),
    )


def run_in_process(spec: LoadSpec) -> LoadResult:
    """Runs the load in a process of its own. Raises CalledProcessError when it fails, TimeoutExpired when it hangs."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(spec)).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=spec.sending_seconds + ANSWER_SECONDS + 30,
    )
    return LoadResult(**json.loads(done.stdout))


if __name__ == "__main__":
    json.dump(asdict(uvloop.run(run(LoadSpec(**json.load(sys.stdin))))), sys.stdout)
