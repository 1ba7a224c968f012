"""Operators and the schedule work at the same time as the load, and as each other."""

import subprocess
import threading
import time
from collections.abc import Callable

from tests.chaos.arena import Arena

NEW_SECRET = "the-next-secret-of-mock"


def at_once(*works: Callable[[], None]) -> None:
    """Runs each in a thread; the first failure is raised when all have ended."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def succeeded(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def test_rotation_throttle_purge_retries_and_replay_at_the_same_time(arena: Arena) -> None:
    with arena.load() as sender:

        def rotate() -> None:
            arguments = ("secrets", "rotate", "begin", "mock", "--reason", "chaos", "--owner", "chaos")
            succeeded(arena.cli(*arguments, stdin=NEW_SECRET))
            _until(lambda: arena.accepts(NEW_SECRET))
            sender.secret = NEW_SECRET
            _until(lambda: arena.cli("secrets", "rotate", "complete", "mock").returncode == 0)

        def throttle() -> None:
            succeeded(arena.cli("throttle", "set", "mock", "20", "--reason", "chaos"))
            time.sleep(2)  # a limit that holds for a while
            succeeded(arena.cli("throttle", "clear", "mock", "--reason", "chaos"))

        def purge() -> None:
            succeeded(arena.cli("payloads", "purge"))
            succeeded(arena.cli("maintenance", "run"))

        def retry() -> None:
            for _ in range(3):
                succeeded(arena.cli("webhooks", "retry", "--limit=500"))

        def replay() -> None:
            for _ in range(2):
                succeeded(arena.cli("events", "replay", "--provider", "mock", "--limit", "500"))

        at_once(rotate, throttle, purge, retry, replay)
        assert set(sender.refused) <= {429, 503}, "a valid webhook was refused"
    arena.secret = NEW_SECRET
    arena.judge(sender)


def test_two_schedulers_are_one(arena: Arena) -> None:
    """Both run their tickers all the time; here both also get calls, and each run is made once at a time."""
    with arena.load() as sender:
        at_once(*(lambda: succeeded(arena.cli("webhooks", "retry", "--limit=1000")) for _ in range(4)))
    arena.judge(sender)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)
