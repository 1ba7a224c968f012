"""How failures are retried."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from services.processor.directives import Failure
from tenrusl.backoff import BackoffMode, RetryAfter, RetryPolicy, decide, default_attempts
from tenrusl.store.claims import ClaimedEvent, UnappliedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How failures of one call are retried, where it is not as set. None and 0: as set.

    max_attempts: the failed try with this number, or a later one, makes a dead letter.
    """

    mode: BackoffMode | None = None
    max_attempts: int = 0


AS_SET = Rules()


def policy_of(rules: Rules, as_set: RetryPolicy) -> RetryPolicy:
    """The policy of a call with these rules."""
    mode, max_attempts = as_set.mode, as_set.max_attempts
    if rules.mode is not None:
        # As many tries as outlast six hours with that mode.
        mode, max_attempts = rules.mode, max(max_attempts, default_attempts(rules.mode))
    return replace(as_set, mode=mode, max_attempts=rules.max_attempts or max_attempts)


def after_failure(
    event: ClaimedEvent, failure: Failure, *, policy: RetryPolicy, rng: random.Random, now: datetime
) -> UnappliedEvent:
    """What becomes of the event: it fails until its next try, or is a dead letter."""
    decision = decide(attempt=event.attempts, policy=policy, rng=rng, previous_delay=event.previous_delay)
    delay = decision.delay if isinstance(decision, RetryAfter) and not failure.final else None
    return UnappliedEvent(
        id=event.id,
        attempts=event.attempts,
        status="dead_letter" if delay is None else "failed",
        next_retry_at=None if delay is None else now + delay,
        failure_code=failure.code,
        failure_message=failure.message,
    )
