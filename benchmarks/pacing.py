"""When each webhook is sent, and how long its answer took. Pure: no sockets, the time is passed in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol


class Sender(Protocol):
    """A connection with no request under way."""

    def send(self, number: int) -> None:
        """Sends request `number`, 0 and up; its answer comes back through `Pacing.answered`."""
        ...


class Journal:
    """What became of each request. Times in seconds of one monotonic clock."""

    def __init__(self, count: int) -> None:
        self.statuses: dict[int, int] = {}
        self.latencies: list[float] = []
        self.first_sent: float | None = None
        self.last_answered: float | None = None
        self.count = count
        self.sent = 0

    def note_sent(self, now: float) -> None:
        self.first_sent = now if self.first_sent is None else self.first_sent
        self.sent += 1

    def note_answer(self, number: int, status: int, since: float, now: float) -> None:
        self.statuses[number] = status
        self.latencies.append(now - since)
        self.last_answered = now

    @property
    def seconds(self) -> float:
        """From the first request to the last answer; 0 without any answer."""
        if self.first_sent is None or self.last_answered is None:
            return 0.0
        return self.last_answered - self.first_sent


class Pacing(Protocol):
    """Decides what a connection sends next."""

    journal: Journal

    def begin(self, now: float) -> None:
        """The clock starts. Before it nothing is sent."""
        ...

    def ready(self, sender: Sender) -> None:
        """The connection stands and has nothing under way."""
        ...

    def answered(self, sender: Sender, number: int, status: int) -> None:
        """The answer to request `number` is complete; the connection has nothing under way again."""
        ...

    @property
    def finished(self) -> bool:
        """Whether everything that is to be sent was sent and answered."""
        ...


class ClosedLoop:
    """Each connection sends its next request when it has the answer, up to `count` requests or `max_seconds`."""

    def __init__(self, count: int, *, max_seconds: float, clock: Callable[[], float]) -> None:
        self.journal = Journal(count)
        self._max_seconds = max_seconds
        self._deadline = 0.0
        self._clock = clock
        self._sent_at = [0.0] * count

    def begin(self, now: float) -> None:
        self._deadline = now + self._max_seconds

    def ready(self, sender: Sender) -> None:
        self._send_next(sender, self._clock())

    def answered(self, sender: Sender, number: int, status: int) -> None:
        now = self._clock()
        self.journal.note_answer(number, status, self._sent_at[number], now)
        self._send_next(sender, now)

    @property
    def finished(self) -> bool:
        journal = self.journal
        over = journal.sent == journal.count or self._clock() >= self._deadline
        return over and len(journal.statuses) == journal.sent

    def _send_next(self, sender: Sender, now: float) -> None:
        number = self.journal.sent
        if number < self.journal.count and now < self._deadline:
            self._sent_at[number] = now
            self.journal.note_sent(now)
            sender.send(number)


class OpenLoop:
    """Request i is meant for i / rate seconds after the start, whatever became of those before it.

    Latency counts from that moment, also while all connections are busy: a slow server is not asked
    less often, and the wait that it causes is not forgotten ("coordinated omission").
    """

    def __init__(self, count: int, *, rate: float, clock: Callable[[], float]) -> None:
        self.journal = Journal(count)
        self._rate = rate
        self._start = math.inf
        self._clock = clock
        self._idle: deque[Sender] = deque()
        self._due = 0

    def begin(self, now: float) -> None:
        self._start = now

    def due_at(self, number: int) -> float:
        """The time for which request `number` is meant."""
        return self._start + number / self._rate

    def tick(self) -> float | None:
        """Sends what is due. The time of the next tick, or None when nothing is left to send."""
        now = self._clock()
        count = self.journal.count
        while self._due < count and self.due_at(self._due) <= now:
            self._due += 1
        while self._idle and self.journal.sent < self._due:
            self._send_next(self._idle.popleft(), now)
        return None if self._due == count else self.due_at(self._due)

    def ready(self, sender: Sender) -> None:
        if self.journal.sent < self._due:
            self._send_next(sender, self._clock())
        else:
            self._idle.append(sender)

    def answered(self, sender: Sender, number: int, status: int) -> None:
        self.journal.note_answer(number, status, self.due_at(number), self._clock())
        self.ready(sender)

    @property
    def finished(self) -> bool:
        return self.journal.sent == self.journal.count == len(self.journal.statuses)

    def _send_next(self, sender: Sender, now: float) -> None:
        number = self.journal.sent
        self.journal.note_sent(now)
        sender.send(number)


def percentile(sorted_values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` (over 0, to 100) of the values do not exceed (nearest rank). NaN for none."""
    if not sorted_values:
        return math.nan
    return sorted_values[max(0, math.ceil(len(sorted_values) * percent / 100) - 1)]
