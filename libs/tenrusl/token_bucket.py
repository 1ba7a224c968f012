"""Limits of rate: token buckets, and a bounded table of them for keys that senders choose. Pure: time is passed in."""

import math
from collections import OrderedDict

# So that a rate cannot make a bucket that never gives a token again.
MIN_RATE = 0.01
MAX_RATE = 1_000_000.0


class TokenBucket:
    """At most `rate` admissions a second, and a burst of one second's worth, one at least.

    Over any span of s seconds it admits no more than rate * s + burst. Times are seconds of any clock; when the clock
    jumps back, the time until then counts for nothing and no admission is lost for longer than that. Starts full.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self.burst = max(1.0, rate)
        self._tokens = self.burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is admitted at `now`."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def seconds_to_wait(self) -> int:
        """Whole seconds from the last `take` until the next admission, 1 or more."""
        return max(1, math.ceil((1.0 - self._tokens) / self.rate))

    def change(self, rate: float, now: float) -> None:
        """Another rate from now on. It adds nothing to what may be admitted now: setting a limit gives no burst."""
        self._refill(now)
        self.rate = rate
        self.burst = max(1.0, rate)
        self._tokens = min(self.burst, self._tokens)

    def _refill(self, now: float) -> None:
        elapsed = now - self._at
        self._at = now
        if elapsed > 0:
            self._tokens = min(self.burst, self._tokens + elapsed * self.rate)


class BucketTable:
    """A bucket of the same rate for each key, of which the one unused for longest goes when there are `max_keys`.

    One that went starts full again: a sender of many keys gets a burst for each, and no memory.
    """

    def __init__(self, rate: float, max_keys: int) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> TokenBucket | None:
        """None when one more is admitted, else the key's bucket, which tells how long to wait."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._max_keys:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = TokenBucket(self._rate, now)
        else:
            self._buckets.move_to_end(key)
        return None if bucket.take(now) else bucket


def address_key(address: str) -> str:
    """What limits by source address count by: the address, of IPv6 its first 64 bits, which one sender has whole.

    A text that is no address is its own key.
    """
    if ":" not in address or "." in address:
        return address
    head, gap, tail = address.partition("::")
    groups = head.split(":") if head else []
    if gap:
        rest = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(rest)) + rest
    return ":".join(group.lstrip("0") or "0" for group in groups[:4])
