"""Announcing payments and finding them, against a real PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.processor.payments import PaymentOrder, Payments
from services.processor.process import Processor
from tenrusl.errors import AlreadyExistsError, ConflictError, InvalidFieldError, NotFoundError, Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.store.engine import Engine
from tests.builders import FixedClock, new_event, rows
from tests.integration.conftest import EngineOf
from tests.integration.processor.conftest import MakeProcessor, Put

ORDER = PaymentOrder(
    provider="stripe", payment_ref="", amount_minor=1000, currency="USD", merchant_ref="", idempotency_key=""
)


@pytest.fixture
def payments(engine_of: EngineOf, clock: FixedClock) -> Payments:
    return Payments(
        engine=engine_of("processor"), providers=PROVIDERS, idempotency_ttl=timedelta(hours=24), clock=clock
    )


@pytest.fixture
def processor(make_processor: MakeProcessor) -> Processor:
    return make_processor()


async def test_a_payment_is_found_by_its_id_and_its_references(payments: Payments) -> None:
    payment, replayed = await payments.create(replace(ORDER, payment_ref="pi_1", merchant_ref="order-1"))
    assert not replayed
    assert payment.status is PaymentStatus.PENDING
    assert await payments.get(str(payment.id)) == payment
    assert await payments.get_by_reference("stripe", "pi_1") == payment
    assert await payments.get_by_reference("stripe", "order-1") == payment
    for provider, reference in (("stripe", "pi_2"), ("xendit", "pi_1"), ("nosuch", "pi_1")):
        with pytest.raises(NotFoundError):
            await payments.get_by_reference(provider, reference)


async def test_without_any_reference_the_payment_is_known_by_its_id(payments: Payments) -> None:
    payment, _ = await payments.create(ORDER)
    assert payment.payment_ref == str(payment.id)


async def test_a_payment_announced_by_the_merchants_reference_takes_its_events(
    engine: Engine, payments: Payments, processor: Processor, put: Put
) -> None:
    await payments.create(replace(ORDER, merchant_ref="order-1"))
    await processor.process(await put(new_event(payment_ref="pi_1", provider_ref="pi_1", merchant_ref="order-1")))
    assert (await payments.get_by_reference("stripe", "order-1")).status is PaymentStatus.SUCCEEDED
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]


@pytest.mark.parametrize(
    "order",
    [replace(ORDER, payment_ref="order-1"), replace(ORDER, merchant_ref="order-1")],
    ids=["payment", "merchant"],
)
async def test_a_reference_that_an_event_brought_is_not_announced_again(
    payments: Payments, processor: Processor, put: Put, order: PaymentOrder
) -> None:
    await processor.process(await put(new_event(payment_ref="pi_1", provider_ref="pi_1", merchant_ref="order-1")))
    with pytest.raises(AlreadyExistsError):
        await payments.create(order)
    assert (await payments.get_by_reference("stripe", "order-1")).status is PaymentStatus.SUCCEEDED


async def test_a_repeated_request_is_found_on_the_row_when_redis_has_lost_it(
    payments: Payments, processor: Processor, put: Put
) -> None:
    order = replace(ORDER, payment_ref="pi_1", idempotency_key="key")
    first, _ = await payments.create(order)
    # Meanwhile an event has filled in what the order left open.
    await processor.process(await put(new_event(payment_ref="pi_1", provider_ref="pi_1", merchant_ref="order-1")))
    again, replayed = await payments.create(order)
    assert (again.id, replayed) == (first.id, True)
    with pytest.raises(ConflictError) as caught:
        await payments.create(replace(order, amount_minor=2))
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_requests_with_one_key_at_once_create_one_payment_even_without_redis(
    engine: Engine, payments: Payments
) -> None:
    order = replace(ORDER, idempotency_key="key")
    created = await asyncio.gather(*(payments.create(order) for _ in range(8)))
    assert len({payment.id for payment, _ in created}) == 1
    assert sum(not replayed for _, replayed in created) == 1
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]


async def test_a_key_is_forgotten_after_its_time(payments: Payments, clock: FixedClock) -> None:
    order = replace(ORDER, idempotency_key="key")
    first, _ = await payments.create(order)
    clock.advance(timedelta(hours=25))
    second, replayed = await payments.create(order)
    assert (second.id == first.id, replayed) == (False, False)


async def test_every_wrong_field_is_named(payments: Payments) -> None:
    wrong = PaymentOrder(
        provider="nosuch",
        payment_ref="x" * 256,
        amount_minor=0,
        currency="usd",
        merchant_ref="a\x00b",
        idempotency_key="\u00e9",
    )
    with pytest.raises(InvalidFieldError) as caught:
        await payments.create(wrong)
    assert [violation.field for violation in caught.value.violations] == [
        "provider",
        "payment_ref",
        "merchant_ref",
        "amount_minor",
        "currency",
        "idempotency_key",
    ]


async def test_pages_hold_every_payment_once_newest_first(payments: Payments, clock: FixedClock) -> None:
    created = []
    for number in range(5):
        clock.advance(timedelta(seconds=1))
        created.append((await payments.create(replace(ORDER, payment_ref=f"pi_{number}")))[0])
    await payments.create(replace(ORDER, provider="xendit"))
    seen, token = [], ""
    while True:
        page = await payments.page(page_size=2, token=token, provider="stripe", status=PaymentStatus.PENDING)
        seen += page.payments
        token = page.next_page_token
        if not token:
            break
    assert seen == created[::-1]


async def test_a_page_looks_through_a_bounded_number_of_payments(
    payments: Payments, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenrusl.store.payments.MAX_LOOKED_THROUGH", 2)
    rare = (await payments.create(replace(ORDER, provider="xendit")))[0]
    for number in range(3):
        clock.advance(timedelta(seconds=1))
        await payments.create(replace(ORDER, payment_ref=f"pi_{number}"))
    first = await payments.page(page_size=2, token="", provider="xendit", status=None)
    assert first.payments == []
    rest = await payments.page(page_size=2, token=first.next_page_token, provider="xendit", status=None)
    assert rest.payments == [rare]


async def test_a_page_token_of_another_query_is_refused(payments: Payments, clock: FixedClock) -> None:
    for number in range(2):
        clock.advance(timedelta(seconds=1))
        await payments.create(replace(ORDER, payment_ref=f"pi_{number}"))
    token = (await payments.page(page_size=1, token="", provider="stripe", status=None)).next_page_token
    with pytest.raises(InvalidFieldError, match="page_token"):
        await payments.page(page_size=1, token=token, provider="xendit", status=None)


@pytest.mark.parametrize("token", ["x", "AAAA", "?", "\u00e9"])
async def test_a_page_token_of_ones_own_is_refused(payments: Payments, token: str) -> None:
    with pytest.raises(InvalidFieldError, match="page_token"):
        await payments.page(page_size=2, token=token, provider="", status=None)
