"""What each simulated provider can be asked for. Written down, not asked of the verifiers: it judges them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from tenrusl.payments import PaymentStatus

_S = PaymentStatus
_MINUTE, _DAY = 60.0, 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One provider's traffic.

    currencies: in which it takes payments; the first is the usual one. statuses: those that it tells, none for a
    provider of thin events. window_seconds: an older signature must be refused; None where no time is checked.
    has_secret: False where only the sender's address counts, so that nothing can be forged from an allowed one.
    by_query: it also sends GET requests with everything in the query.
    """

    currencies: tuple[str, ...]
    statuses: frozenset[PaymentStatus]
    window_seconds: float | None = None
    has_secret: bool = True
    by_query: bool = False


def _all_but(*missing: PaymentStatus) -> frozenset[PaymentStatus]:
    return frozenset(_S) - frozenset(missing)


OFFERS: Mapping[str, Offer] = MappingProxyType(
    {
        "mock": Offer(currencies=("EUR", "IDR", "JPY", "KWD"), statuses=_all_but()),
        "airwallex": Offer(
            currencies=("USD", "HKD", "JPY"),
            statuses=_all_but(_S.EXPIRED, _S.REFUNDED),
            window_seconds=5 * _MINUTE,
        ),
        "amazon_bwp": Offer(currencies=("USD",), statuses=frozenset()),
        "dana": Offer(currencies=("IDR",), statuses=frozenset({_S.PENDING, _S.SUCCEEDED, _S.EXPIRED})),
        "doku": Offer(
            currencies=("IDR",),
            statuses=frozenset({_S.PENDING, _S.SUCCEEDED, _S.FAILED, _S.EXPIRED, _S.REFUNDED}),
        ),
        "lemonsqueezy": Offer(
            currencies=("USD",),
            statuses=frozenset({_S.PENDING, _S.SUCCEEDED, _S.FAILED, _S.REFUNDED, _S.PARTIALLY_REFUNDED}),
        ),
        "midtrans": Offer(currencies=("IDR",), statuses=_all_but(_S.DISPUTED)),
        "oy": Offer(
            currencies=("IDR",),
            statuses=frozenset({_S.PENDING, _S.SUCCEEDED, _S.FAILED, _S.EXPIRED, _S.CANCELED}),
            has_secret=False,
        ),
        "paddle": Offer(
            currencies=("USD", "EUR", "JPY"), statuses=_all_but(_S.AUTHORIZED, _S.EXPIRED), window_seconds=5.0
        ),
        "payoneer": Offer(currencies=("EUR", "USD"), statuses=_all_but(_S.EXPIRED, _S.DISPUTED), by_query=True),
        "paypal": Offer(
            currencies=("USD", "EUR", "JPY"),
            statuses=_all_but(_S.EXPIRED, _S.PARTIALLY_REFUNDED),
            window_seconds=4 * _DAY,
        ),
        "skrill": Offer(
            currencies=("EUR", "USD"),
            statuses=frozenset({_S.PENDING, _S.SUCCEEDED, _S.CANCELED, _S.FAILED, _S.CHARGEBACK}),
        ),
        "standardwebhooks": Offer(
            currencies=("EUR", "IDR", "KWD"), statuses=_all_but(), window_seconds=5 * _MINUTE
        ),
        "stripe": Offer(currencies=("USD", "EUR", "JPY"), statuses=_all_but(), window_seconds=5 * _MINUTE),
        "tripay": Offer(
            currencies=("IDR",), statuses=frozenset({_S.SUCCEEDED, _S.FAILED, _S.EXPIRED, _S.REFUNDED})
        ),
        "xendit": Offer(
            currencies=("IDR", "PHP"),
            statuses=_all_but(_S.CANCELED, _S.REFUNDED, _S.DISPUTED, _S.CHARGEBACK),
        ),
    }
)  # fmt: skip

# What payments go through, each event some time after the one before.
_JOURNEYS: tuple[tuple[PaymentStatus, ...], ...] = (
    (_S.PENDING, _S.SUCCEEDED),
    (_S.PENDING, _S.AUTHORIZED, _S.SUCCEEDED),
    (_S.PENDING, _S.FAILED),
    (_S.PENDING, _S.EXPIRED),
    (_S.PENDING, _S.CANCELED),
    (_S.SUCCEEDED, _S.REFUNDED),
    (_S.SUCCEEDED, _S.PARTIALLY_REFUNDED),
    (_S.SUCCEEDED, _S.CHARGEBACK),
    (_S.SUCCEEDED, _S.DISPUTED, _S.CHARGEBACK),
    (_S.FAILED,),
    (_S.EXPIRED,),
)


@lru_cache(maxsize=64)
def journeys(provider_name: str) -> tuple[tuple[PaymentStatus, ...], ...]:
    """The journeys that a provider can tell whole; none for a provider of thin events.

    Each ends in the same state in whatever order its events arrive, also where they carry no time. Raises KeyError.
    """
    statuses = OFFERS[provider_name].statuses
    return tuple(journey for journey in _JOURNEYS if statuses.issuperset(journey))
