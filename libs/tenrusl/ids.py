"""UUIDv7 (RFC 9562, section 5.7): ordered by time, so that new rows go to the end of an index."""

import os
from datetime import UTC, datetime
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0b10 << 62
_TIME_AND_RANDOM = ~(0xF << 76 | 0b11 << 62)  # all but the places of version and variant


def uuid7(now: datetime) -> UUID:
    """A UUIDv7 for the millisecond of `now`, with 74 random bits."""
    return UUID(int=_number(now))


def uuid7_text(now: datetime) -> str:
    """The text of a new one, where nobody needs the object: at two thirds of its cost."""
    digits = f"{_number(now):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _number(now: datetime) -> int:
    unix_ms = int(now.timestamp() * 1000)
    return (unix_ms << 80 | int.from_bytes(os.urandom(10), "big")) & _TIME_AND_RANDOM | _VERSION_7 | _VARIANT_RFC


def first_id(time: datetime) -> UUID:
    """Not above any UUIDv7 of the millisecond of `time`, and above all of the milliseconds before."""
    return UUID(int=int(time.timestamp() * 1000) << 80)


def time_of_id(id_: UUID) -> datetime:
    """The time of a UUIDv7, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
