"""UUIDv7 (RFC 9562, section 5.7): ordered by time, so that new rows go to the end of an index."""

import os
from datetime import UTC, datetime
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0b10 << 62
_RANDOM_A_MASK = 0xFFF << 64
_RANDOM_B_MASK = (1 << 62) - 1


def uuid7(now: datetime) -> UUID:
    """A UUIDv7 for the millisecond of `now`, with 74 random bits."""
    unix_ms = int(now.timestamp() * 1000)
    random_bits = int.from_bytes(os.urandom(10), "big")
    return UUID(
        int=(unix_ms << 80)
        | _VERSION_7
        | (random_bits & _RANDOM_A_MASK)
        | _VARIANT_RFC
        | (random_bits & _RANDOM_B_MASK)
    )


def first_id(time: datetime) -> UUID:
    """Not above any UUIDv7 of the millisecond of `time`, and above all of the milliseconds before."""
    return UUID(int=int(time.timestamp() * 1000) << 80)


def time_of_id(id_: UUID) -> datetime:
    """The time of a UUIDv7, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
