"""What became of payments, as the payments API tells it."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from tenrusl.cli.target import Connection, NoAnswerError, Target
from tenrusl.simulator.ledger import Expectation

_CONNECTIONS = 8
_ANSWER_SECONDS = 10.0
_PAUSE_SECONDS = 0.1  # before a payment is asked for again
# Beside the wait that was asked for: asking takes its time, too.
_SECONDS_A_PAYMENT = 0.01
_MISSING = "no such payment"


@dataclass(slots=True)
class Aftermath:
    """Payments by what was found. wrong: not there, or with the state that was found instead. absent: not there, as
    none of their events was applied for certain. untold: nobody told anything about them.
    """

    right: int = 0
    wrong: list[tuple[Expectation, str]] = field(default_factory=list)
    absent: int = 0
    untold: int = 0


def look(target: Target, expectations: Sequence[Expectation], *, wait_seconds: float) -> Aftermath:
    """Asks for each payment until it is as expected. Those that may be missing are not waited for.

    wait_seconds: for all of them together, besides the time that asking takes (10 ms for each payment).
    """
    search = _Search(target, expectations, deadline=time.monotonic() + wait_seconds + _asking_seconds(expectations))
    with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="aftermath") as pool:
        work = [pool.submit(search.work) for _ in range(_CONNECTIONS)]
        try:
            for done in work:
                done.result()
        except BaseException:
            search.end()
            raise
    return search.found


def _asking_seconds(expectations: Sequence[Expectation]) -> float:
    return len(expectations) * _SECONDS_A_PAYMENT


class _Search:
    """The payments that are still asked for, shared by threads."""

    def __init__(self, target: Target, expectations: Sequence[Expectation], *, deadline: float) -> None:
        self.found = Aftermath()
        self._target = target
        self._deadline = deadline
        # With what was told the last time.
        self._waiting: deque[tuple[Expectation, str | None]] = deque((item, None) for item in expectations)
        self._lock = threading.Lock()

    def work(self) -> None:
        """Asks until nothing is left to ask for, or the time is over."""
        connection = Connection(self._target, timeout_seconds=_ANSWER_SECONDS)
        try:
            while (taken := self._take()) is not None:
                expectation, state = taken
                if not self._is_over():
                    state = _state(connection, expectation)
                if not self._settle(expectation, state):
                    time.sleep(_PAUSE_SECONDS)
        finally:
            connection.close()

    def end(self) -> None:
        """Asks for nothing more."""
        with self._lock:
            self._waiting.clear()

    def _is_over(self) -> bool:
        return time.monotonic() >= self._deadline

    def _take(self) -> tuple[Expectation, str | None] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _settle(self, expectation: Expectation, state: str | None) -> bool:
        """Takes down what is certain; whether it was."""
        with self._lock:
            if state in expectation.statuses:
                self.found.right += 1
            elif expectation.may_be_missing and state == _MISSING:
                self.found.absent += 1
            elif not self._is_over():
                self._waiting.append((expectation, state))
                return False
            elif state is None:
                self.found.untold += 1
            else:
                self.found.wrong.append((expectation, state))
            return True


def _state(connection: Connection, expectation: Expectation) -> str | None:
    """The payment's state, or _MISSING; None when nobody tells."""
    path = f"/api/v1/payments/{expectation.provider}/{quote(expectation.reference)}/status"
    try:
        status, body = connection.exchange("GET", path)
    except NoAnswerError:
        return None
    if status == HTTPStatus.NOT_FOUND:
        return _MISSING
    try:
        return str(json.loads(body)["status"]) if status == HTTPStatus.OK else None
    except (ValueError, KeyError, TypeError):
        return None
