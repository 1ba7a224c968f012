"""The scheduler's own clock: what it does about runs that fail."""

import asyncio
from datetime import timedelta

import pytest
import structlog

from services.scheduler import ticker as ticker_module
from services.scheduler.ticker import Ticker
from tenrusl.errors import OverloadedError, Reason, UnavailableError
from tenrusl.store.engine import ContentionError

AWAY = UnavailableError(Reason.DATABASE_UNAVAILABLE, "away")


class Script:
    """Runs that end as told, one after the other; then nothing more happens."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self.outcomes = list(outcomes)
        self.done = asyncio.Event()
        self.probes = 0

    async def run(self) -> bool:
        if not self.outcomes:
            self.done.set()
            await asyncio.Event().wait()
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def database_answers(self) -> bool:
        self.probes += 1
        return self.probes % 2 == 0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker_module, "PROBE_SECONDS", 0.001)
    monkeypatch.setattr(ticker_module, "RECOVERY_SECONDS", 0.001)


async def logs_of(script: Script, *, interval: timedelta = timedelta(milliseconds=1)) -> list[str]:
    """What is logged until the script is over."""
    ticker = Ticker(name="retry", interval=interval, run_once=script.run, database_answers=script.database_answers)
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(ticker.run())
        async with asyncio.timeout(20):
            await script.done.wait()
        task.cancel()
    return [line["event"] for line in logs]


async def test_runs_follow_each_other() -> None:
    assert await logs_of(Script(False, False, False)) == []


async def test_where_there_is_more_to_do_it_does_not_wait() -> None:
    assert await logs_of(Script(True, True, True), interval=timedelta(days=1)) == []


async def test_an_outage_is_told_once_and_the_database_is_asked_before_the_next_run() -> None:
    script = Script(AWAY, AWAY, False)
    assert await logs_of(script) == ["runs are suspended", "runs go on"]
    assert script.probes == 4


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OverloadedError("full"), "run ended early"),
        (ContentionError(Reason.DATABASE_UNAVAILABLE, "busy"), "run ended early"),
        (ZeroDivisionError(), "run failed"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_ends_a_run_does_not_end_the_ticker(error: Exception, line: str) -> None:
    script = Script(error, False)
    assert await logs_of(script) == [line]
    assert script.probes == 0
