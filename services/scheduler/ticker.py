"""The scheduler's own clock: runs by themselves, so that a delay below a minute is honoured without any CronJob."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from tenrusl.errors import TenruslError, UnavailableError
from tenrusl.store.engine import ContentionError

# After an outage, before the first run: processors first take back what the database did not let them finish
# (services/processor/lost_claims.py), so that the outage has cost no attempt.
RECOVERY_SECONDS = 2.0
PROBE_SECONDS = 1.0
_log = structlog.get_logger("ticker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Runs at start and then again and again, `interval` after the end of the run before.

    run_once: True when there is more to do at once; raises TenruslError. database_answers: asked after an outage.
    """

    name: str
    interval: timedelta
    run_once: Callable[[], Awaitable[bool]]
    database_answers: Callable[[], Awaitable[bool]]

    async def run(self) -> None:
        """Until cancelled. What stops a run is logged, a dependency that stays away only once."""
        away = False
        while True:
            try:
                more = await self.run_once()
            except ContentionError as exc:
                # The database is there, and somebody is in the way: not to be tried again at once.
                _log.warning("run ended early", run=self.name, reason=exc.reason.value, error=str(exc))
                more = False
            except UnavailableError as exc:
                if not away:
                    _log.warning("runs are suspended", run=self.name, reason=exc.reason.value, error=str(exc))
                away = True
                await self._wait_for_recovery()
                continue
            except TenruslError as exc:
                _log.warning("run ended early", run=self.name, reason=exc.reason.value, error=str(exc))
                more = False
            except Exception:
                # A run that a defect ends must not take the others with it: retries go on when a purge cannot.
                _log.exception("run failed", run=self.name)
                more = False
            if away:
                _log.info("runs go on", run=self.name)
                away = False
            if not more:
                await asyncio.sleep(self.interval.total_seconds())

    async def _wait_for_recovery(self) -> None:
        answers = False
        while not answers:
            await asyncio.sleep(PROBE_SECONDS)
            answers = await self.database_answers()
        await asyncio.sleep(RECOVERY_SECONDS)
