"""Claiming, applying and settling, against a real PostgreSQL."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from services.processor.process import Processor, Result, ResultStatus
from tenrusl.errors import OverloadedError
from tenrusl.store.engine import Engine, transaction
from tests.builders import START, FixedClock, new_event, rows
from tests.integration.processor.conftest import MakeProcessor, Put, mock_event

EVENTS = "SELECT status, attempts, failure_code, next_retry_at FROM webhook_events WHERE id = :id"
PAYMENT = "SELECT status FROM payments WHERE payment_ref = :ref"


async def event(engine: Engine, event_id: UUID) -> tuple[object, ...]:
    return (await rows(engine, EVENTS, id=event_id))[0]


async def payment(engine: Engine, ref: str) -> str | None:
    found = await rows(engine, PAYMENT, ref=ref)
    return found[0][0] if found else None


def statuses(results: dict[UUID, Result]) -> list[ResultStatus]:
    return [result.status for result in results.values()]


@pytest.fixture
def processor(make_processor: MakeProcessor) -> Processor:
    return make_processor()


async def test_an_event_changes_its_payment_once(engine: Engine, processor: Processor, put: Put) -> None:
    ids = await put(new_event(payment_ref="pi_1"))
    assert statuses(await processor.process(ids)) == [ResultStatus.PROCESSED]
    assert statuses(await processor.process(ids)) == [ResultStatus.SKIPPED]
    assert statuses(await processor.process(ids, force=True)) == [ResultStatus.SKIPPED]
    assert await event(engine, ids[0]) == ("processed", 1, None, None)
    assert await payment(engine, "pi_1") == "succeeded"
    assert await rows(engine, "SELECT from_status, to_status, disposition FROM payment_transitions") == [
        (None, "succeeded", "applied")
    ]


async def test_an_id_that_is_unknown_is_skipped(processor: Processor) -> None:
    unknown = UUID(int=1)
    assert await processor.process([unknown]) == {unknown: Result(ResultStatus.SKIPPED)}


async def test_an_event_with_another_amount_is_applied_and_told(engine: Engine, processor: Processor, put: Put) -> None:
    part = new_event(payment_ref="pi_1", payment_status="partially_refunded", amount_minor=500)
    await processor.process(await put(part))
    whole = await put(new_event(payment_ref="pi_1", amount_minor=1000, occurred_at=START - timedelta(minutes=5)))
    with capture_logs() as lines:
        assert statuses(await processor.process(whole)) == [ResultStatus.PROCESSED]
    assert await event(engine, whole[0]) == ("processed", 1, None, None)
    told = [line for line in lines if line["event"] == "another amount than announced"]
    assert [(line["event_id"], line["announced"], line["reported"]) for line in told] == [
        (str(whole[0]), "500 USD", "1000 USD")
    ]


async def test_a_late_pending_is_stale(engine: Engine, processor: Processor, put: Put) -> None:
    await processor.process(await put(new_event(payment_ref="pi_1", occurred_at=START)))
    late = await put(new_event(payment_ref="pi_1", payment_status="pending", occurred_at=START - timedelta(minutes=5)))
    assert statuses(await processor.process(late)) == [ResultStatus.PROCESSED]
    assert await payment(engine, "pi_1") == "succeeded"
    assert await rows(
        engine, "SELECT from_status, to_status, disposition FROM payment_transitions WHERE webhook_event_id = :id",
        id=late[0],
    ) == [("succeeded", "succeeded", "stale")]  # fmt: skip


async def test_a_late_event_that_changes_the_outcome_is_applied(engine: Engine, processor: Processor, put: Put) -> None:
    # refunded, then a dispute that was won; the dispute itself arrives last, with a time in between
    moments = [START + timedelta(minutes=minute) for minute in range(3)]
    await processor.process(await put(new_event(payment_ref="pi_1", occurred_at=moments[0])))
    await processor.process(await put(new_event(payment_ref="pi_1", payment_status="canceled", occurred_at=moments[2])))
    assert await payment(engine, "pi_1") == "canceled"
    await processor.process(await put(new_event(payment_ref="pi_1", payment_status="refunded", occurred_at=moments[1])))
    assert await payment(engine, "pi_1") == "refunded"


async def test_events_of_one_payment_in_one_batch(engine: Engine, processor: Processor, put: Put) -> None:
    states = ["succeeded", "pending", "refunded", "authorized"]
    order = {"pending": 0, "authorized": 1, "succeeded": 2, "refunded": 3}
    ids = await put(
        *(
            new_event(payment_ref="pi_1", payment_status=state, occurred_at=START + timedelta(seconds=order[state]))
            for state in states
        )
    )
    assert set(statuses(await processor.process(ids))) == {ResultStatus.PROCESSED}
    assert await payment(engine, "pi_1") == "refunded"


async def test_an_event_without_status_has_no_effect(engine: Engine, processor: Processor, put: Put) -> None:
    ids = await put(new_event(payment_status=None), new_event(payment_ref=None))
    assert set(statuses(await processor.process(ids))) == {ResultStatus.PROCESSED}
    assert await rows(engine, "SELECT count(*) FROM payments") == [(0,)]


async def test_an_unknown_payment_is_retried_where_so_set(
    engine: Engine, make_processor: MakeProcessor, put: Put, clock: FixedClock
) -> None:
    processor = make_processor(create_unknown=False)
    ids = await put(new_event(payment_ref="pi_1"), new_event(payment_status=None))
    results = await processor.process(ids)
    assert results[ids[0]] == Result(ResultStatus.FAILED, "payment_unknown")
    assert results[ids[1]] == Result(ResultStatus.PROCESSED)
    status, attempts, code, next_retry_at = await event(engine, ids[0])
    assert (status, attempts, code) == ("failed", 1, "payment_unknown")
    assert clock.now() <= next_retry_at <= clock.now() + timedelta(seconds=5)  # type: ignore[operator]
    await make_processor().process(await put(new_event(payment_ref="pi_1", payment_status="pending")))
    clock.advance(timedelta(seconds=5))
    assert statuses(await processor.process(ids)) == [ResultStatus.PROCESSED, ResultStatus.SKIPPED]
    assert await payment(engine, "pi_1") == "succeeded"


async def test_a_failed_event_is_claimed_when_due_or_forced(
    make_processor: MakeProcessor, put: Put, clock: FixedClock
) -> None:
    processor = make_processor(base=timedelta(seconds=10), mode="equal")
    ids = await put(mock_event({"directives": {"fail_first": 2}}))
    assert statuses(await processor.process(ids)) == [ResultStatus.FAILED]
    assert statuses(await processor.process(ids)) == [ResultStatus.SKIPPED]
    assert statuses(await processor.process(ids, force=True)) == [ResultStatus.FAILED]
    clock.advance(timedelta(seconds=20))
    assert statuses(await processor.process(ids)) == [ResultStatus.PROCESSED]


async def test_the_last_failure_makes_a_dead_letter_that_force_revives(
    engine: Engine, make_processor: MakeProcessor, put: Put, clock: FixedClock
) -> None:
    processor = make_processor(max_attempts=2)
    ids = await put(mock_event({"directives": {"fail_first": 2}}, payment_ref="m_1"))
    assert statuses(await processor.process(ids)) == [ResultStatus.FAILED]
    clock.advance(timedelta(hours=1))
    assert await processor.process(ids) == {ids[0]: Result(ResultStatus.DEAD_LETTER, "told_to_fail")}
    assert await event(engine, ids[0]) == ("dead_letter", 2, "told_to_fail", None)
    clock.advance(timedelta(hours=1))
    assert statuses(await processor.process(ids)) == [ResultStatus.SKIPPED]
    assert statuses(await processor.process(ids, force=True)) == [ResultStatus.PROCESSED]
    assert await payment(engine, "m_1") == "succeeded"


async def test_a_failing_event_leaves_its_neighbours_applied(processor: Processor, put: Put) -> None:
    ids = await put(new_event(), mock_event({"directives": {"fail_always": True}}), new_event())
    assert statuses(await processor.process(ids)) == [
        ResultStatus.PROCESSED,
        ResultStatus.FAILED,
        ResultStatus.PROCESSED,
    ]


async def test_a_poison_event_is_found_among_others(engine: Engine, processor: Processor, put: Put) -> None:
    ids = await put(new_event(), new_event(payment_ref="pi_poison"), new_event())
    # What no code foresees: the database refuses this one payment.
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("ALTER TABLE payments ADD CHECK (payment_ref <> 'pi_poison')")
    results = await processor.process(ids)
    assert statuses(results) == [ResultStatus.PROCESSED, ResultStatus.FAILED, ResultStatus.PROCESSED]
    assert results[ids[1]].failure_code == "defect"


async def test_a_vanished_holder_leaves_the_event_to_others(
    engine: Engine, processor: Processor, put: Put, clock: FixedClock
) -> None:
    ids = await put(new_event(payment_ref="pi_1"))
    lease_end = START + timedelta(seconds=60)
    await rows(
        engine,
        "UPDATE webhook_events SET status = 'processing', attempts = 1, next_retry_at = :end RETURNING id",
        end=lease_end,
    )
    assert statuses(await processor.process(ids)) == [ResultStatus.SKIPPED]
    assert statuses(await processor.process(ids, force=True)) == [ResultStatus.SKIPPED]
    clock.advance(timedelta(seconds=60))
    assert statuses(await processor.process(ids)) == [ResultStatus.PROCESSED]
    assert (await event(engine, ids[0]))[1] == 2


async def test_holders_that_vanish_each_time_make_a_dead_letter(
    engine: Engine, make_processor: MakeProcessor, put: Put, clock: FixedClock
) -> None:
    ids = await put(new_event())
    await rows(
        engine,
        "UPDATE webhook_events SET status = 'processing', attempts = 3, next_retry_at = :now RETURNING id",
        now=clock.now(),
    )
    results = await make_processor(max_attempts=3).process(ids)
    assert results == {ids[0]: Result(ResultStatus.DEAD_LETTER, "lease_ended")}


async def test_a_slow_event_holds_up_nobody_and_is_applied_once(engine: Engine, processor: Processor, put: Put) -> None:
    ids = await put(mock_event({"directives": {"take_ms": 50}}, payment_ref="m_1"), new_event())
    assert set(statuses(await processor.process(ids))) == {ResultStatus.PROCESSED}
    assert await rows(engine, "SELECT count(*) FROM payment_transitions") == [(2,)]


async def test_whoever_lost_the_claim_changes_nothing(
    engine: Engine, processor: Processor, put: Put, clock: FixedClock
) -> None:
    ids = await put(mock_event({"directives": {"take_ms": 300}}, payment_ref="m_1"), new_event())
    slow = asyncio.create_task(processor.process(ids))
    while await rows(engine, "SELECT id FROM webhook_events WHERE status = 'processing' AND provider = 'mock'") == []:
        await asyncio.sleep(0.005)
    # Another processor takes it over while the first one is still busy.
    await rows(engine, "UPDATE webhook_events SET attempts = attempts + 1 WHERE provider = 'mock' RETURNING id")
    results = await slow
    assert results[ids[0]] == Result(ResultStatus.SKIPPED)
    assert results[ids[1]] == Result(ResultStatus.PROCESSED)
    assert await payment(engine, "m_1") is None


async def test_a_claim_that_was_lost_to_somebody_who_is_done_is_no_defect(
    engine: Engine, processor: Processor, put: Put
) -> None:
    ids = await put(mock_event({"directives": {"take_ms": 300}}, payment_ref="m_1"))
    slow = asyncio.create_task(processor.process(ids))
    while await rows(engine, "SELECT id FROM webhook_events WHERE status = 'processing'") == []:
        await asyncio.sleep(0.005)
    await rows(
        engine,
        """
        WITH taken AS (UPDATE webhook_events SET attempts = 2, status = 'processed', next_retry_at = NULL RETURNING id)
        INSERT INTO payment_transitions (webhook_event_id, payment_id, to_status, disposition, reported_status,
            restores, occurred_at, created_at)
        SELECT id, id, 'succeeded', 'applied', 'succeeded', false, now(), now() FROM taken RETURNING 1
        """,
    )
    with capture_logs() as lines:
        assert await slow == {ids[0]: Result(ResultStatus.SKIPPED)}
    assert lines == []
    assert await event(engine, ids[0]) == ("processed", 2, None, None)
    assert await payment(engine, "m_1") is None


async def test_processors_at_once_apply_each_event_once(
    engine: Engine, make_processor: MakeProcessor, put: Put
) -> None:
    events = [
        new_event(payment_ref=f"pi_{number % 7}", payment_status=status, occurred_at=START + timedelta(seconds=number))
        for number, status in enumerate(["pending", "authorized", "succeeded", "refunded"] * 20)
    ]
    ids = await put(*events)
    processors = [make_processor() for _ in range(6)]
    results = await asyncio.gather(*(processor.process(ids) for processor in processors))
    done = [event_id for result in results for event_id, one in result.items() if one.status is ResultStatus.PROCESSED]
    assert sorted(done) == sorted(ids)
    assert await rows(engine, "SELECT count(*) FROM payment_transitions") == [(80,)]
    assert await rows(engine, "SELECT DISTINCT status FROM payments") == [("refunded",)]


async def test_batches_that_bring_the_same_new_payments_do_not_collide(
    engine: Engine, make_processor: MakeProcessor, put: Put
) -> None:
    batches = [await put(*(new_event(payment_ref=f"pi_{n}") for n in range(20))) for _ in range(6)]
    processor = make_processor()
    results = await asyncio.gather(*(processor.process(batch) for batch in batches))
    assert {result.status for batch in results for result in batch.values()} == {ResultStatus.PROCESSED}
    assert await rows(engine, "SELECT count(*) FROM payments") == [(20,)]
    assert await rows(engine, "SELECT count(*) FROM payment_transitions") == [(120,)]


async def test_a_payment_that_was_announced_takes_the_events_of_its_reference(
    engine: Engine, processor: Processor, put: Put
) -> None:
    await rows(
        engine,
        """
        INSERT INTO payments (id, provider, payment_ref, status, amount_minor, currency, origin, created_at, updated_at)
        VALUES (gen_random_uuid(), 'stripe', 'order-1', 'pending', 1000, 'USD', 'api', now(), now()) RETURNING id
        """,
    )
    await processor.process(await put(new_event(payment_ref="pi_1", provider_ref="pi_1", merchant_ref="order-1")))
    # Later ones of the same payment may not carry the merchant's reference.
    await processor.process(
        await put(
            new_event(
                payment_ref="pi_1",
                provider_ref="pi_1",
                payment_status="refunded",
                occurred_at=START + timedelta(minutes=1),
            )
        )
    )
    assert await rows(engine, "SELECT payment_ref, provider_ref, status FROM payments") == [
        ("order-1", "pi_1", "refunded")
    ]


async def test_a_full_processor_refuses(make_processor: MakeProcessor, put: Put) -> None:
    processor = make_processor(max_batches=1)
    ids = await put(mock_event({"directives": {"take_ms": 100}}))
    first = asyncio.create_task(processor.process(ids))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await processor.process(ids)
    assert statuses(await first) == [ResultStatus.PROCESSED]
