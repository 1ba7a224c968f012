"""Amounts between a provider's notation and ours: integer minor units by ISO 4217, never a float."""

import re
from decimal import Context, Decimal, InvalidOperation

# 10^15 minor units are ten trillion dollars: more is a mistake, and less fits everywhere (JSON, BIGINT).
MAX_MINOR = 10**15

# ISO 4217, list one: currencies whose minor unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_DECIMAL_TEXT = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,12})?", re.ASCII)
_MAX_FRACTION_DIGITS = 12
_EXACT = Context(prec=64)


def exponent(currency: str) -> int:
    """Decimal digits of the minor unit, 0 to 4. `currency` in capitals; one that ISO 4217 lacks counts as 2."""
    return _EXPONENTS.get(currency, 2)


def minor_from_major(value: object, currency: str) -> int:
    """Minor units of an amount in major units: a text ("10000.00"), an int or a Decimal.

    Raises ValueError for another type, a negative amount, more digits than the currency has, or over 10^15.
    """
    if isinstance(value, str):
        if not _DECIMAL_TEXT.fullmatch(value):
            raise ValueError("not a decimal amount")
        value = Decimal(value)
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("not an amount")
    elif isinstance(value, int):
        return _bounded(value * _power(exponent(currency)))
    return _bounded(_exact_minor(value, exponent(currency)))


def minor_from_minor(value: object, currency: str, provider_exponent: int) -> int:
    """Minor units by ISO 4217 of an int in the provider's own smallest unit.

    provider_exponent: decimal digits of that unit. Raises ValueError as `minor_from_major`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    _bounded(value)
    minor, rest = divmod(value * _power(exponent(currency)), _power(provider_exponent))
    if rest:
        raise ValueError("more digits than the currency has")
    return _bounded(minor)


def major_text(amount_minor: int, currency: str) -> str:
    """The amount in major units with all the digits of the currency: "20.00", "500", "1.234"."""
    digits = exponent(currency)
    if digits == 0:
        return str(amount_minor)
    whole, fraction = divmod(amount_minor, _power(digits))
    return f"{whole}.{fraction:0{digits}d}"


def _exact_minor(value: Decimal, digits: int) -> int:
    # The size is judged before anything is computed: 1e999999999 is ten characters and a gigabyte as an int.
    place = value.as_tuple().exponent
    if not isinstance(place, int) or place < -_MAX_FRACTION_DIGITS or (value and value.adjusted() > 16):
        raise ValueError("not an amount")
    if not value:
        return 0
    try:
        minor = value.scaleb(digits, _EXACT)
        whole = minor.to_integral_value(context=_EXACT)
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if whole != minor:
        raise ValueError("more digits than the currency has")
    return int(whole)


def _power(digits: int) -> int:
    return int(10**digits)


def _bounded(minor: int) -> int:
    if not 0 <= minor <= MAX_MINOR:
        raise ValueError(f"not from 0 to {MAX_MINOR} minor units")
    return minor
