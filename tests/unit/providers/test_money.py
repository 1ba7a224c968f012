"""Amounts: exact, bounded, never through a float."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.providers import money

PROPERTY = settings(deadline=None, derandomize=True, max_examples=300)
CURRENCIES = ["USD", "IDR", "JPY", "KWD", "CLF", "XXX"]


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("20.00", "USD", 2000),
        ("20", "USD", 2000),
        ("20.5", "USD", 2050),
        ("10000.00", "IDR", 1_000_000),
        (8500000, "IDR", 850_000_000),
        ("500", "JPY", 500),
        ("500.00", "JPY", 500),
        ("1.234", "KWD", 1234),
        (Decimal("0.1"), "BHD", 100),
        (Decimal("16.66"), "USD", 1666),
        (Decimal("1e3"), "USD", 100_000),
        (Decimal("1.000000"), "USD", 100),
        ("1.2345", "CLF", 12345),
        (0, "USD", 0),
        (Decimal("-0.0"), "USD", 0),
        ("10000000000000.00", "USD", money.MAX_MINOR),
    ],
)
def test_major_units_become_minor_units(value: object, currency: str, minor: int) -> None:
    assert money.minor_from_major(value, currency) == minor


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("20.001", "USD"),
        ("500.5", "JPY"),
        ("1.2345", "KWD"),
        ("-1", "USD"),
        (-1, "USD"),
        (Decimal("-0.01"), "USD"),
        ("1e3", "USD"),
        ("1,000.00", "USD"),
        (" 1", "USD"),
        ("1.", "USD"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "USD"),
        ("", "USD"),
        ("NaN", "USD"),
        (Decimal("NaN"), "USD"),
        (Decimal("sNaN"), "USD"),
        (Decimal("Infinity"), "USD"),
        (Decimal("1e999999999"), "USD"),
        (Decimal("1e-999999999"), "USD"),
        ("10000000000000.01", "USD"),
        (10**400, "USD"),
        (1.5, "USD"),
        (True, "USD"),
        (None, "USD"),
        ([], "USD"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_amount_is_refused(value: object, currency: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        money.minor_from_major(value, currency)


@pytest.mark.parametrize(
    ("value", "currency", "digits", "minor"),
    [
        (2000, "USD", 2, 2000),
        (500, "JPY", 0, 500),
        (500, "MGA", 0, 50_000),  # whole ariary, whose ISO 4217 unit is a hundredth
        (50_000, "ISK", 2, 500),
        (1234, "KWD", 3, 1234),
    ],
)
def test_a_providers_smallest_unit_becomes_iso_minor_units(value: int, currency: str, digits: int, minor: int) -> None:
    assert money.minor_from_minor(value, currency, digits) == minor


@pytest.mark.parametrize("value", [50_001, -1, 10**15 + 1, True, "2000", Decimal(2000), 2000.0, None])
def test_what_is_no_smallest_unit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        money.minor_from_minor(value, "ISK", 2)


@PROPERTY
@given(st.integers(0, money.MAX_MINOR), st.sampled_from(CURRENCIES))
def test_the_text_in_major_units_leads_back(minor: int, currency: str) -> None:
    text = money.major_text(minor, currency)
    assert money.minor_from_major(text, currency) == minor
    assert money.minor_from_major(Decimal(text), currency) == minor


@PROPERTY
@given(st.decimals() | st.text() | st.integers(), st.sampled_from(CURRENCIES))
def test_any_value_is_an_amount_or_refused(value: object, currency: str) -> None:
    try:
        minor = money.minor_from_major(value, currency)
    except ValueError:
        return
    assert type(minor) is int
    assert 0 <= minor <= money.MAX_MINOR
    assert Decimal(minor).scaleb(-money.exponent(currency)) == Decimal(value)  # type: ignore[arg-type] # accepted, so a number
