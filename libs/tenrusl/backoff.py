"""When to try again: a pure decision. The curves are those of the AWS Architecture Blog,
"Exponential Backoff And Jitter" (2015)."""

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

# 2 ** 62 s is beyond any cap; it keeps the power from growing with a huge attempt number.
_MAX_EXPONENT = 62
MAX_ATTEMPTS = 1000  # that can be set


class BackoffMode(StrEnum):
    """How a delay is drawn."""

    FULL = "full"
    EQUAL = "equal"
    DECORRELATED = "decorrelated"


# With these, and base and cap as they are by default, no event in 2,000 has had its last try within six hours (a test
# draws them); half have not within 14 (full), 22 (equal) and 80 hours. Decorrelated delays wander down again.
_DEFAULT_ATTEMPTS = {BackoffMode.FULL: 40, BackoffMode.EQUAL: 40, BackoffMode.DECORRELATED: 200}


def default_attempts(mode: BackoffMode) -> int:
    """Tries that outlast an outage of six hours."""
    return _DEFAULT_ATTEMPTS[mode]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how late to try again.

    base: ceiling of the first delay, more than 0. cap: ceiling of every delay, at least `base`.
    max_attempts: tries in all, 1 or more; the last one that fails makes a dead letter.
    Raises ValueError when a value is out of range.
    """

    mode: BackoffMode = BackoffMode.FULL
    base: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(hours=1)
    max_attempts: int = _DEFAULT_ATTEMPTS[BackoffMode.FULL]

    def __post_init__(self) -> None:
        if self.base <= timedelta(0):
            raise ValueError("base must be more than 0")
        if self.cap < self.base:
            raise ValueError("cap must be at least base")
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be 1 or more")


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try again after `delay`."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Set aside, do not try again."""


RetryDecision = RetryAfter | DeadLetter


def decide(
    *, attempt: int, policy: RetryPolicy, rng: random.Random, previous_delay: timedelta | None = None
) -> RetryDecision:
    """What follows after try number `attempt` (1 or more) has failed.

    full: uniform in 0 … min(cap, base * 2^(attempt-1)); equal: half of that ceiling and a uniform half on
    top; decorrelated: uniform in base … 3 * previous delay, at most cap. Raises ValueError for attempt < 1.
    """
    if attempt < 1:
        raise ValueError("attempt must be 1 or more")
    if attempt >= policy.max_attempts:
        return DeadLetter()
    base = policy.base.total_seconds()
    cap = policy.cap.total_seconds()
    ceiling = min(cap, base * 2.0 ** min(attempt - 1, _MAX_EXPONENT))
    match policy.mode:
        case BackoffMode.FULL:
            seconds = rng.uniform(0.0, ceiling)
        case BackoffMode.EQUAL:
            seconds = ceiling / 2 + rng.uniform(0.0, ceiling / 2)
        case BackoffMode.DECORRELATED:
            previous = base if previous_delay is None else max(base, previous_delay.total_seconds())
            seconds = min(cap, rng.uniform(base, previous * 3))
    return RetryAfter(timedelta(seconds=seconds))
