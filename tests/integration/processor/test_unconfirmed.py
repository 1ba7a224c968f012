"""Events that no signature covers: applied at once, or only when somebody confirms them."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.processor.confirm import Confirmation
from services.processor.process import Processor, Result, ResultStatus
from services.processor.unconfirmed import UnconfirmedEvents
from tenrusl.confirmers import Answer, UnconfirmedEvent
from tenrusl.errors import InvalidFieldError
from tenrusl.store.engine import Engine
from tests.builders import START, FixedClock, new_event, rows
from tests.integration.conftest import EngineOf
from tests.integration.processor.conftest import MakeProcessor, Put

EVENT = "SELECT status, failure_code, confirmed_by, next_retry_at FROM webhook_events WHERE id = :id"
UNCONFIRMED = Result(ResultStatus.UNCONFIRMED)
PROCESSED = Result(ResultStatus.PROCESSED)
SKIPPED = Result(ResultStatus.SKIPPED)


async def event(engine: Engine, event_id: UUID) -> tuple[object, ...]:
    return (await rows(engine, EVENT, id=event_id))[0]


async def payments(engine: Engine) -> dict[str, str]:
    return dict(await rows(engine, "SELECT payment_ref, status FROM payments"))


def waiting(**asked: object) -> Confirmation:
    """Events of xendit wait; `asked` are confirmers by provider."""
    return Confirmation(
        providers=("xendit",),
        confirmers=asked,  # type: ignore[arg-type]  # keyword arguments of the tests
        time_limit=timedelta(seconds=5),
    )


def uncovered(**changes: object) -> dict[str, object]:
    return {"provider": "xendit", "unauthenticated_body": True} | changes


@pytest.fixture
def processor(make_processor: MakeProcessor) -> Processor:
    return make_processor(confirmation=waiting())


@pytest.fixture
def unconfirmed(engine_of: EngineOf, processor: Processor, clock: FixedClock) -> UnconfirmedEvents:
    return UnconfirmedEvents(engine=engine_of("processor"), processor=processor, clock=clock)


async def test_without_the_setting_it_is_applied_at_once(
    engine: Engine, make_processor: MakeProcessor, put: Put
) -> None:
    ids = await put(new_event(**uncovered(payment_ref="p")))
    assert await make_processor().process(ids) == {ids[0]: PROCESSED}
    assert await payments(engine) == {"p": "succeeded"}
    assert await rows(engine, "SELECT unauthenticated_body FROM webhook_events") == [(True,)]


async def test_with_the_setting_it_waits_and_no_claim_takes_it(engine: Engine, processor: Processor, put: Put) -> None:
    held, free = await put(new_event(**uncovered(payment_ref="held")), new_event(payment_ref="free"))
    assert await processor.process([held, free]) == {held: UNCONFIRMED, free: PROCESSED}
    assert await payments(engine) == {"free": "succeeded"}
    assert await event(engine, held) == ("unconfirmed", None, None, None)
    assert await processor.process([held]) == {held: SKIPPED}
    assert await processor.process([held], force=True) == {held: SKIPPED}


@pytest.mark.parametrize(
    "changes",
    [{"unauthenticated_body": False}, {"payment_status": None}, {"provider": "oy"}],
    ids=["the body is covered", "it reports no state", "another provider"],
)
async def test_what_needs_no_confirmation(processor: Processor, put: Put, changes: dict[str, object]) -> None:
    ids = await put(new_event(**uncovered(**changes)))
    assert await processor.process(ids) == {ids[0]: PROCESSED}


async def test_an_operator_confirms_it(
    engine: Engine, processor: Processor, unconfirmed: UnconfirmedEvents, put: Put
) -> None:
    ids = await put(new_event(**uncovered(payment_ref="p")))
    await processor.process(ids)
    assert await unconfirmed.confirm(ids, confirmed_by="dewi") == {ids[0]: PROCESSED}
    assert await unconfirmed.confirm(ids, confirmed_by="dewi") == {ids[0]: SKIPPED}
    assert await payments(engine) == {"p": "succeeded"}
    assert await event(engine, ids[0]) == ("processed", None, "dewi", None)


async def test_the_try_that_held_it_back_does_not_use_up_the_attempts(
    engine: Engine, make_processor: MakeProcessor, clock: FixedClock, put: Put
) -> None:
    processor = make_processor(confirmation=waiting(), max_attempts=1)
    ids = await put(new_event(**uncovered(payment_ref="p")))
    await processor.process(ids)
    operators = UnconfirmedEvents(engine=engine, processor=processor, clock=clock)
    assert await operators.confirm(ids, confirmed_by="dewi") == {ids[0]: PROCESSED}


async def test_an_operator_refutes_it(
    engine: Engine, processor: Processor, unconfirmed: UnconfirmedEvents, put: Put
) -> None:
    ids = await put(new_event(**uncovered(payment_ref="p")))
    await processor.process(ids)
    assert await unconfirmed.refute(ids, refuted_by="dewi") == {ids[0]: Result(ResultStatus.DEAD_LETTER, "refuted")}
    assert await unconfirmed.refute(ids, refuted_by="dewi") == {ids[0]: SKIPPED}
    assert await payments(engine) == {}
    assert await event(engine, ids[0]) == ("dead_letter", "refuted", None, None)
    # Tried again by somebody, it waits again.
    assert await processor.process(ids, force=True) == {ids[0]: UNCONFIRMED}


async def test_only_waiting_events_can_be_confirmed(
    unconfirmed: UnconfirmedEvents, processor: Processor, put: Put
) -> None:
    ids = await put(new_event(payment_ref="p"))
    assert await unconfirmed.confirm([*ids, UUID(int=5)], confirmed_by="dewi") == {
        ids[0]: SKIPPED,
        UUID(int=5): SKIPPED,
    }
    assert await unconfirmed.refute(ids, refuted_by="dewi") == {ids[0]: SKIPPED}
    assert await processor.process(ids) == {ids[0]: PROCESSED}


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "line\nbreak"])
async def test_who_confirms_must_have_a_name(unconfirmed: UnconfirmedEvents, name: str) -> None:
    with pytest.raises(InvalidFieldError, match="confirmed_by"):
        await unconfirmed.confirm([UUID(int=1)], confirmed_by=name)
    with pytest.raises(InvalidFieldError, match="refuted_by"):
        await unconfirmed.refute([UUID(int=1)], refuted_by=name)


async def test_the_list_of_what_waits(processor: Processor, unconfirmed: UnconfirmedEvents, put: Put) -> None:
    ids = [(await put(new_event(**uncovered(payment_ref=f"p{number}"))))[0] for number in range(3)]
    await processor.process([*ids, *await put(new_event())])
    first = await unconfirmed.page(page_size=2, token="", provider="xendit")
    rest = await unconfirmed.page(page_size=2, token=first.next_page_token, provider="")
    assert [item.id for item in (*first.events, *rest.events)] == sorted(ids)
    assert rest.next_page_token == ""
    assert (await unconfirmed.page(page_size=0, token="", provider="oy")).events == []
    for wrong in ({"page_size": 201, "token": ""}, {"page_size": 1, "token": "?"}):
        with pytest.raises(InvalidFieldError):
            await unconfirmed.page(provider="", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (Answer.CONFIRMED, PROCESSED),
        (Answer.REFUTED, Result(ResultStatus.DEAD_LETTER, "refuted")),
        (Answer.UNDECIDED, UNCONFIRMED),
    ],
)
async def test_a_confirmer_is_asked(
    engine: Engine, make_processor: MakeProcessor, put: Put, answer: Answer, result: Result
) -> None:
    asked: list[UnconfirmedEvent] = []

    async def confirmer(question: UnconfirmedEvent) -> Answer:
        asked.append(question)
        return answer

    ids = await put(new_event(**uncovered(payment_ref="p", amount_minor=700, currency="IDR")))
    assert await make_processor(confirmation=waiting(xendit=confirmer)).process(ids) == {ids[0]: result}
    assert [(item.id, item.payment_ref, item.amount_minor, item.currency) for item in asked] == [
        (ids[0], "p", 700, "IDR")
    ]
    assert bool(await payments(engine)) == (answer is Answer.CONFIRMED)


async def test_a_confirmer_that_fails_costs_a_try_of_its_event_only(
    engine: Engine, make_processor: MakeProcessor, put: Put
) -> None:
    async def confirmer(question: UnconfirmedEvent) -> Answer:
        if question.payment_ref == "bad":
            raise RuntimeError("the provider's API is away")
        return Answer.CONFIRMED

    bad, good = await put(new_event(**uncovered(payment_ref="bad")), new_event(**uncovered(payment_ref="good")))
    results = await make_processor(confirmation=waiting(xendit=confirmer)).process([bad, good])
    assert results == {bad: Result(ResultStatus.FAILED, "confirmer_failed"), good: PROCESSED}
    assert (await event(engine, bad))[3] is not None


async def test_a_confirmer_that_never_answers_is_left(make_processor: MakeProcessor, put: Put) -> None:
    left = asyncio.Event()

    async def confirmer(question: UnconfirmedEvent) -> Answer:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.set()
            raise
        raise AssertionError("nothing sets it")

    ids = await put(new_event(**uncovered()))
    impatient = Confirmation(
        providers=("xendit",), confirmers={"xendit": confirmer}, time_limit=timedelta(milliseconds=20)
    )
    assert await make_processor(confirmation=impatient).process(ids) == {
        ids[0]: Result(ResultStatus.FAILED, "confirmer_slow")
    }
    await left.wait()


async def test_confirmed_late_it_does_not_move_the_payment_backwards(
    engine: Engine, processor: Processor, unconfirmed: UnconfirmedEvents, put: Put
) -> None:
    late = await put(new_event(**uncovered(payment_ref="p", payment_status="pending", occurred_at=START)))
    await processor.process(late)
    paid = await put(new_event(provider="xendit", payment_ref="p", occurred_at=START + timedelta(minutes=1)))
    await processor.process(paid)
    assert await unconfirmed.confirm(late, confirmed_by="dewi") == {late[0]: PROCESSED}
    assert await payments(engine) == {"p": "succeeded"}
