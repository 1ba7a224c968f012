"""Reading fields of a payload: each with its type and its limit. A field that is wrong is named, never guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from tenrusl.errors import Reason
from tenrusl.providers import money
from tenrusl.providers.body import MalformedWebhookError, is_storable_text

# What the columns of webhook_events and payments hold.
MAX_EVENT_ID = 512
MAX_REFERENCE = 255
MAX_EVENT_TYPE = 128
MAX_WORD = 64  # a status, a code, a currency, a time

_DIGITS = re.compile(r"[0-9]{1,16}", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{13}", re.ASCII)  # from 2001 on
_DAY_FIRST = re.compile(r"([0-9]{2})[/-]([0-9]{2})[/-]([0-9]{4})[T ](.+)", re.ASCII)
_MAX_IDENTIFIER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 4_102_444_800  # 2100-01-01: a later time is in another unit, and would win over every real event
_LAST = _EPOCH + timedelta(seconds=_LAST_SECOND)


class Fields:
    """One JSON object. Missing, null and the empty text are the same: absent.

    Raises MalformedWebhookError(EVENT_FIELD_INVALID, path of the field) whenever a type or a limit does not hold.
    """

    __slots__ = ("_path", "_values")

    def __init__(self, values: Any, path: str = "") -> None:
        if not isinstance(values, dict):
            raise MalformedWebhookError(Reason.EVENT_FIELD_INVALID, path or "body")
        self._values: dict[str, Any] = values
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def holds_object(self, name: str) -> bool:
        """Whether there is an object inside of this name."""
        return isinstance(self._values.get(name), dict)

    def holds_text(self, name: str) -> bool:
        """Whether there is a text."""
        return isinstance(self._values.get(name), str)

    def invalid(self, name: str) -> MalformedWebhookError:
        """The error that names a field of this object."""
        return MalformedWebhookError(Reason.EVENT_FIELD_INVALID, f"{self._path}.{name}" if self._path else name)

    def object(self, name: str) -> Fields:
        """An object inside; one without fields when it is absent."""
        values = self._values.get(name)
        return Fields({} if values is None else values, f"{self._path}.{name}" if self._path else name)

    def free_object(self, name: str) -> Fields:
        """An object whose content is the merchant's own; one without fields when it is anything else."""
        values = self._values.get(name)
        return Fields(values if isinstance(values, dict) else {}, f"{self._path}.{name}" if self._path else name)

    def objects(self, name: str) -> list[Fields]:
        """The objects of a list; none when it is absent."""
        values = self._values.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise self.invalid(name)
        return [Fields(value, f"{self._path}.{name}" if self._path else name) for value in values]

    def text(self, name: str, limit: int = MAX_REFERENCE) -> str | None:
        """A text of at most `limit` characters."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > limit:
            raise self.invalid(name)
        return value

    def required_text(self, name: str, limit: int = MAX_REFERENCE) -> str:
        """A text that must be there."""
        value = self.text(name, limit)
        if value is None:
            raise self.invalid(name)
        return value

    def first_text(self, *names: str, limit: int = MAX_REFERENCE) -> str | None:
        """The first of these texts that is there."""
        for name in names:
            value = self.text(name, limit)
            if value is not None:
                return value
        return None

    def free_reference(self, *names: str) -> str | None:
        """The first of these that is a short text or a whole number. For the merchant's own data: never refused."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= money.MAX_MINOR:
                return str(value)
            if isinstance(value, str) and 0 < len(value) <= MAX_REFERENCE and is_storable_text(value):
                return value
        return None

    def identifier(self, name: str, limit: int = MAX_REFERENCE) -> str | None:
        """An identifier that is sent as a text or as a whole number."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_IDENTIFIER:
            return str(value)
        return self.text(name, limit)

    def required_identifier(self, name: str, limit: int = MAX_REFERENCE) -> str:
        """An identifier that must be there."""
        value = self.identifier(name, limit)
        if value is None:
            raise self.invalid(name)
        return value

    def integer(self, name: str, *, most: int = money.MAX_MINOR) -> int | None:
        """A whole number from 0 to `most`."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.invalid(name)
        return value

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.invalid(name)
        return value

    def currency(self, name: str = "currency") -> str | None:
        """An ISO 4217 code, in capitals whatever it was sent in."""
        value = self.text(name, MAX_WORD)
        if value is None:
            return None
        if len(value) != 3 or not value.isascii() or not value.isalpha():
            raise self.invalid(name)
        return value.upper()

    def major_amount(self, name: str, currency: str | None, *, unsigned: bool = True) -> int | None:
        """Minor units of an amount in major units; None without amount or currency.

        unsigned: a minus is refused; else it is left out of a text (money that goes back: "-0.49", PayPal).
        """
        value = self._values.get(name)
        if value is None or value == "" or currency is None:
            return None
        if not unsigned and isinstance(value, str):
            value = value.removeprefix("-")
        try:
            return money.minor_from_major(value, currency)
        except ValueError:
            raise self.invalid(name) from None

    def minor_amount(self, name: str, currency: str | None, provider_exponent: int | None = None) -> int | None:
        """Minor units of an amount in the provider's smallest unit (default: ISO 4217's); None as above."""
        value = self._values.get(name)
        if value is None or currency is None:
            return None
        digits = money.exponent(currency) if provider_exponent is None else provider_exponent
        try:
            return money.minor_from_minor(value, currency, digits)
        except ValueError:
            raise self.invalid(name) from None

    def minor_text(self, name: str, currency: str | None) -> int | None:
        """Minor units by ISO 4217 of a text of digits ("65215"); None without amount or currency."""
        value = self.text(name, MAX_WORD)
        if value is None or currency is None:
            return None
        if not _DIGITS.fullmatch(value) or int(value) > money.MAX_MINOR:
            raise self.invalid(name)
        return int(value)

    def unix_time(self, name: str) -> datetime | None:
        """Whole Unix seconds from 1970 to 2100."""
        seconds = self.integer(name, most=_LAST_SECOND)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def iso_time(self, *names: str, zone: tzinfo | None = None) -> datetime | None:
        """The first of these ISO 8601 times that is there, from 1970 to 2100, in UTC.

        zone: where the provider's times are at home if it sends them without offset; None refuses those.
        """
        for name in names:
            value = self.text(name, MAX_WORD)
            if value is not None:
                return self._time(name, value, zone)
        return None

    def iso_or_unix_ms_time(self, *names: str, zone: tzinfo | None = None) -> datetime | None:
        """The same where a time may also be a text of Unix milliseconds ("1757998714761", DANA)."""
        for name in names:
            value = self.text(name, MAX_WORD)
            if value is not None:
                if not _MILLISECONDS.fullmatch(value):
                    return self._time(name, value, zone)
                time = _EPOCH + timedelta(milliseconds=int(value))
                if time > _LAST:
                    raise self.invalid(name)
                return time
        return None

    def day_first_time(self, *names: str, zone: tzinfo | None = None) -> datetime | None:
        """The same for times written 31/01/2020T01:01:01.000+0000 or 31-01-2020 01:01:01."""
        for name in names:
            value = self.text(name, MAX_WORD)
            if value is not None:
                parts = _DAY_FIRST.fullmatch(value)
                if parts is None:
                    raise self.invalid(name)
                day, month, year, rest = parts.groups()
                return self._time(name, f"{year}-{month}-{day}T{rest}", zone)
        return None

    def _time(self, name: str, text: str, zone: tzinfo | None) -> datetime:
        try:
            time = datetime.fromisoformat(text)
            if time.tzinfo is None:
                time = time.replace(tzinfo=zone)
            if time.tzinfo is not None and _EPOCH <= time <= _LAST:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self.invalid(name)
