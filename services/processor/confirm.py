"""Events whose signature does not cover what they say: held back until somebody confirms them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog

from services.processor.directives import Failure
from tenrusl.confirmers import Answer, Confirmer, UnconfirmedEvent
from tenrusl.providers.types import Provider
from tenrusl.settings import SettingsError
from tenrusl.store.claims import ClaimedEvent

MAX_QUESTIONS = 16  # that are open at once, in one batch
_log = structlog.get_logger("confirm")
_REFUTED = Failure("refuted", "the confirmer says that it is not true", final=True)
_FAILED = Failure("confirmer_failed", "the confirmer failed")
_SLOW = Failure("confirmer_slow", "the confirmer did not answer in time")


@dataclass(frozen=True, slots=True)
class Sifted:
    """What must not be applied now: events that wait for an operator, and those that failed, by id."""

    unconfirmed: set[UUID] = field(default_factory=set)
    failures: dict[UUID, Failure] = field(default_factory=dict)


class Confirmation:
    """Decides which events may change payments at once.

    providers: whose events need confirmation where their body is not covered. confirmers: by provider; a
    provider without one is left to operators. time_limit: for all questions of one batch together; what has
    no answer by then is a failed try.
    """

    def __init__(
        self, *, providers: Collection[str], confirmers: Mapping[str, Confirmer], time_limit: timedelta
    ) -> None:
        self._providers = frozenset(providers)
        self._confirmers = confirmers
        self._time_limit = time_limit

    async def sift(self, events: Sequence[ClaimedEvent]) -> Sifted:
        """Asks the confirmers about events that need it, and names those that must not be applied now."""
        sifted = Sifted()
        questions: list[tuple[Confirmer, UnconfirmedEvent]] = []
        for event in events:
            if not self._needs_confirmation(event):
                continue
            confirmer = self._confirmers.get(event.provider)
            if confirmer is None:
                sifted.unconfirmed.add(event.id)
            else:
                questions.append((confirmer, _question(event)))
        if questions:
            await self._ask(questions, sifted)
        return sifted

    def _needs_confirmation(self, event: ClaimedEvent) -> bool:
        # An event that reports no state of a payment moves no money, whoever wrote it.
        return (
            event.unauthenticated_body
            and not event.confirmed
            and event.payment_status is not None
            and event.provider in self._providers
        )

    async def _ask(self, questions: Sequence[tuple[Confirmer, UnconfirmedEvent]], sifted: Sifted) -> None:
        places = asyncio.Semaphore(MAX_QUESTIONS)

        async def ask(confirmer: Confirmer, event: UnconfirmedEvent) -> Answer:
            async with places:
                return Answer(await confirmer(event))

        tasks = {asyncio.create_task(ask(confirmer, event)): event for confirmer, event in questions}
        try:
            answered, late = await asyncio.wait(tasks, timeout=self._time_limit.total_seconds())
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        for task in late:
            task.cancel()
            sifted.failures[tasks[task].id] = _SLOW
        for task in answered:
            event, error = tasks[task], task.exception()
            if error is not None:
                # Foreign code: whatever it raises concerns this event only, and is logged with its traceback.
                _log.error("confirmer failed", provider=event.provider, event_id=str(event.id), exc_info=error)
                sifted.failures[event.id] = _FAILED
            elif task.result() is Answer.REFUTED:
                sifted.failures[event.id] = _REFUTED
            elif task.result() is Answer.UNDECIDED:
                sifted.unconfirmed.add(event.id)


def check_confirmed_providers(names: Collection[str], providers: Mapping[str, Provider]) -> None:
    """Raises SettingsError where TENRUSL_CONFIRM_PROVIDERS names one that is unknown or has nothing to confirm."""
    problems = []
    for name in names:
        provider = providers.get(name)
        if provider is None:
            problems.append(f"TENRUSL_CONFIRM_PROVIDERS: there is no provider {name}")
        elif provider.body_covered:
            problems.append(f"TENRUSL_CONFIRM_PROVIDERS: the signature of {name} covers the body; leave it out")
    if problems:
        raise SettingsError(problems)


def _question(event: ClaimedEvent) -> UnconfirmedEvent:
    assert event.payment_status is not None, "only such events need confirmation"
    return UnconfirmedEvent(
        id=event.id,
        provider=event.provider,
        event_id=event.event_id,
        payment_status=event.payment_status,
        payment_ref=event.payment_ref,
        provider_ref=event.provider_ref,
        merchant_ref=event.merchant_ref,
        amount_minor=event.amount_minor,
        currency=event.currency,
        occurred_at=event.occurred_at,
    )
