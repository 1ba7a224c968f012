"""The traffic is what it says: authentic where it must be, refused where it must be, mixed as asked for."""

import random
from collections import Counter
from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest

from tenrusl.payments import ALLOWED_MOVES, PaymentStatus, StatusReport, fold
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator import BUILDERS, simulated_credentials
from tenrusl.simulator.offers import OFFERS, journeys
from tenrusl.simulator.requests import simulate_event
from tenrusl.simulator.traffic import Delivery, Kind, Mix, Payment, Traffic, lacks

NOW = datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
CREDENTIALS = {name: simulated_credentials(provider, random.Random(1)) for name, provider in PROVIDERS.items()}
S = PaymentStatus
ALL_KINDS = Mix(duplicates=0.2, forged=0.2, stale=0.2, out_of_order=0.5, failing=0.5)


def traffic(mix: Mix, *names: str, seed: int = 1) -> Traffic:
    return Traffic({name: CREDENTIALS[name] for name in names}, mix, run="run", rng=random.Random(seed))


def taken(mix: Mix, name: str, count: int = 40) -> list[Delivery]:
    source = traffic(mix, name)
    return [source.next(NOW) for _ in range(count)]


def test_every_provider_is_offered() -> None:
    assert set(OFFERS) == set(PROVIDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_an_offer_names_the_statuses_that_can_be_built(name: str) -> None:
    def can_build(status: PaymentStatus, currency: str) -> bool:
        try:
            simulate_event(
                name,
                status=status,
                payment="p",
                amount_minor=500,
                currency=currency,
                occurred_at=NOW,
                rng=random.Random(1),
            )
        except ValueError:
            return False
        return True

    for currency in OFFERS[name].currencies:
        assert {status for status in S if can_build(status, currency)} == OFFERS[name].statuses
    assert journeys(name)
    assert OFFERS[name].by_query == ("GET" in PROVIDERS[name].methods)


@pytest.mark.parametrize("name", OFFERS)
def test_a_journey_ends_in_the_same_state_in_whatever_order_its_events_are_received(name: str) -> None:
    for journey in journeys(name):
        for order in permutations(journey):
            state = order[0]
            for status in order[1:]:
                state = status if status in ALLOWED_MOVES[state] else state
            assert state is journey[-1]
        reports = [
            StatusReport(event_id=UUID(int=place), status=status, occurred_at=NOW.replace(minute=place))
            for place, status in enumerate(journey)
        ]
        assert fold(reports) is journey[-1]


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_is_genuine_verifies_and_what_is_forged_or_stale_does_not(name: str) -> None:
    provider, kinds = PROVIDERS[name], Counter[Kind]()
    for delivery in taken(ALL_KINDS, name):
        webhook = delivery.request.webhook(source_ip="127.0.0.1")
        valid = provider.verify(webhook, CREDENTIALS[name], NOW.timestamp()).valid
        assert valid == (delivery.kind in (Kind.GENUINE, Kind.DUPLICATE)), delivery.kind
        assert provider.extract(webhook).payment_status is delivery.told.event.status
        kinds[delivery.kind] += 1
    refused = {kind for kind in (Kind.FORGED, Kind.STALE) if kinds[kind]}
    expected = ({Kind.FORGED} if name != "oy" else set()) | (
        {Kind.STALE} if name in ("airwallex", "paddle", "paypal", "standardwebhooks", "stripe") else set()
    )
    assert refused == expected


def test_a_forger_names_the_certificate_that_everybody_can_see() -> None:
    urls = {delivery.request.headers["Paypal-Cert-Url"] for delivery in taken(Mix(forged=0.5), "paypal")}
    assert urls == {CREDENTIALS["paypal"].versions("cert_url")[0].secret.reveal()}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_duplicate_has_the_id_of_an_event_that_was_sent_and_no_other_webhook_has(name: str) -> None:
    provider = PROVIDERS[name]
    seen: set[str] = set()
    for delivery in taken(Mix(duplicates=0.3, out_of_order=0.5), name):
        event_id = provider.extract(delivery.request.webhook()).event_id
        assert (event_id in seen) == (delivery.kind is Kind.DUPLICATE)
        assert delivery.event_id == event_id
        seen.add(event_id)


@pytest.mark.parametrize(("share", "first_place"), [(0.0, {0}), (1.0, {1, 2})])
def test_out_of_order_payments_begin_with_their_last_event(share: float, first_place: set[int]) -> None:
    first: dict[Payment, int] = {}
    for delivery in taken(Mix(out_of_order=share), "paypal", count=200):
        payment = delivery.told.payment
        assert payment is not None
        if payment not in first:
            first[payment] = delivery.told.place
    several = {place for place in first.values() if place or not share}
    assert several == first_place


def test_all_events_of_a_payment_are_told_in_the_end() -> None:
    places: dict[Payment, list[int]] = {}
    for delivery in taken(Mix(out_of_order=0.5), "mock", count=400):
        assert delivery.told.payment is not None
        places.setdefault(delivery.told.payment, []).append(delivery.told.place)
    for payment, found in places.items():
        if not payment.waiting:
            assert sorted(found) == list(range(len(found)))


def test_payoneer_sends_get_and_post() -> None:
    methods = {(delivery.request.method, bool(delivery.request.body)) for delivery in taken(Mix(), "payoneer")}
    assert methods == {("GET", False), ("POST", True)}


def test_only_mock_is_told_to_fail() -> None:
    for name, expected in (("mock", True), ("stripe", False)):
        for delivery in taken(Mix(failing=1.0), name, count=10):
            assert delivery.told.payment is not None
            assert delivery.told.payment.failing is expected
            assert (b"fail_first" in delivery.request.body) is expected


def test_the_same_seed_sends_the_same() -> None:
    first, second, other = (
        [delivery.request.body for delivery in (source.next(NOW) for _ in range(20))]
        for source in (
            traffic(Mix(), "mock", "stripe", seed=5),
            traffic(Mix(), "mock", "stripe", seed=5),
            traffic(Mix(), "mock", "stripe", seed=6),
        )
    )
    assert first == second != other


@pytest.mark.parametrize(
    "shares",
    [
        {"duplicates": 1.1},
        {"forged": -0.1},
        {"failing": float("nan")},
        {"duplicates": 0.6, "forged": 0.3, "stale": 0.2},
    ],
)
def test_shares_that_make_no_sense_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"share|together"):
        Mix(**shares)


def test_what_is_missing_for_signing_is_told() -> None:
    dana = CREDENTIALS["dana"].fields
    assert lacks("dana", CREDENTIALS["dana"], NOW) is None
    assert lacks("dana", Credentials(), NOW) == "no credentials"
    public = Credentials({"public_key_pem": dana["public_key_pem"]})
    assert lacks("dana", public, NOW) == "a credential or the signer's private key is missing"
    broken = {**CREDENTIALS["amazon_bwp"].fields, "jwks_private_key_pem": (SecretVersion("current", Secret("none")),)}
    assert lacks("amazon_bwp", Credentials(broken), NOW) == "a key cannot be read"
