"""Events that no signature covers: applied at once, or only when somebody confirms them."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.processor.confirm import Confirmation
from services.processor.process import Processor, Result, ResultStatus
from services.processor.unconfirmed import UnconfirmedEvents, read_operator
from tenrusl.confirmers import Answer, UnconfirmedEvent
from tenrusl.errors import InvalidFieldError, OverloadedError, Reason, UnavailableError
from tenrusl.operators import Operator, Role
from tenrusl.store.engine import Engine
from tests.builders import AUDIT_KEYS, START, FixedClock, new_event, rows
from tests.integration.conftest import EngineOf
from tests.integration.processor.conftest import MakeProcessor, Put

EVENT = "SELECT status, failure_code, confirmed_by, next_retry_at FROM webhook_events WHERE id = :id"
AUDIT = "SELECT actor, role, action, target, request_id, after FROM audit_log ORDER BY number"
DEWI = Operator("dewi", Role.OPERATOR)
UNCONFIRMED = Result(ResultStatus.UNCONFIRMED)
PROCESSED = Result(ResultStatus.PROCESSED)
REFUTED = Result(ResultStatus.DEAD_LETTER, "refuted")
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
    return UnconfirmedEvents(engine=engine_of("processor"), processor=processor, audit_keys=AUDIT_KEYS, clock=clock)


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
    assert await unconfirmed.confirm(ids, by=DEWI, request_id="request-1") == {ids[0]: PROCESSED}
    assert await unconfirmed.confirm(ids, by=DEWI, request_id="request-1") == {ids[0]: SKIPPED}
    assert await payments(engine) == {"p": "succeeded"}
    assert await event(engine, ids[0]) == ("processed", None, "dewi", None)


async def test_the_try_that_held_it_back_does_not_use_up_the_attempts(
    engine: Engine, make_processor: MakeProcessor, clock: FixedClock, put: Put
) -> None:
    processor = make_processor(confirmation=waiting(), max_attempts=1)
    ids = await put(new_event(**uncovered(payment_ref="p")))
    await processor.process(ids)
    operators = UnconfirmedEvents(engine=engine, processor=processor, audit_keys=AUDIT_KEYS, clock=clock)
    assert await operators.confirm(ids, by=DEWI, request_id="request-1") == {ids[0]: PROCESSED}


async def test_an_operator_refutes_it(
    engine: Engine, processor: Processor, unconfirmed: UnconfirmedEvents, put: Put
) -> None:
    ids = await put(new_event(**uncovered(payment_ref="p")))
    await processor.process(ids)
    assert await unconfirmed.refute(ids, by=DEWI, request_id="request-1") == {ids[0]: REFUTED}
    assert await unconfirmed.refute(ids, by=DEWI, request_id="request-1") == {ids[0]: SKIPPED}
    assert await payments(engine) == {}
    assert await event(engine, ids[0]) == ("dead_letter", "refuted", None, None)
    # Tried again by somebody, it waits again.
    assert await processor.process(ids, force=True) == {ids[0]: UNCONFIRMED}


async def test_only_waiting_events_can_be_confirmed(
    unconfirmed: UnconfirmedEvents, processor: Processor, put: Put
) -> None:
    ids = await put(new_event(payment_ref="p"))
    assert await unconfirmed.confirm([*ids, UUID(int=5)], by=DEWI, request_id="request-1") == {
        ids[0]: SKIPPED,
        UUID(int=5): SKIPPED,
    }
    assert await unconfirmed.refute(ids, by=DEWI, request_id="request-1") == {ids[0]: SKIPPED}
    assert await processor.process(ids) == {ids[0]: PROCESSED}


@pytest.mark.parametrize(
    ("name", "role", "wrong"),
    [
        ("", "operator", ["confirmed_by"]),
        (" ", "operator", ["confirmed_by"]),
        ("a" * 101, "admin", ["confirmed_by"]),
        ("line\nbreak", "admin", ["confirmed_by"]),
        ("dewi", "viewer", ["role"]),
        ("", "", ["confirmed_by", "role"]),
    ],
)
def test_who_decides_must_have_a_name_and_a_role_that_may(name: str, role: str, wrong: list[str]) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_operator("confirmed_by", name, role)
    assert [violation.field for violation in caught.value.violations] == wrong


async def test_the_audit_log_names_those_that_were_changed(
    engine: Engine, processor: Processor, unconfirmed: UnconfirmedEvents, put: Put
) -> None:
    ids = sorted([*await put(new_event(**uncovered(payment_ref="p"))), *await put(new_event(**uncovered()))])
    other = await put(new_event())
    await processor.process([*ids, *other])
    await unconfirmed.confirm([*other, *ids[:1]], by=DEWI, request_id="request-1")
    await unconfirmed.refute(ids, by=DEWI, request_id="request-2")
    await unconfirmed.refute(ids, by=DEWI, request_id="request-3")
    changed = [("events.confirm", ids[0], "request-1"), ("events.refute", ids[1], "request-2")]
    assert await rows(engine, AUDIT) == [
        ("dewi", "operator", action, f"event/{event_id}", request, {"event_ids": [str(event_id)]})
        for action, event_id, request in changed
    ]


async def test_without_its_entry_in_the_audit_log_nothing_is_changed(
    engine: Engine, processor: Processor, unconfirmed: UnconfirmedEvents, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise UnavailableError(Reason.DATABASE_UNAVAILABLE, "the connection was lost")

    ids = await put(new_event(**uncovered(payment_ref="p")))
    await processor.process(ids)
    monkeypatch.setattr("services.processor.unconfirmed.append_entry", fail)
    for decide in (unconfirmed.confirm, unconfirmed.refute):
        with pytest.raises(UnavailableError):
            await decide(ids, by=DEWI, request_id="request-1")
    assert await event(engine, ids[0]) == ("unconfirmed", None, None, None)
    assert await payments(engine) == {}


async def test_what_is_confirmed_while_the_processor_is_full_is_due_and_in_the_audit_log(
    engine: Engine, make_processor: MakeProcessor, clock: FixedClock, put: Put
) -> None:
    ids = await put(new_event(**uncovered(payment_ref="p")))
    await make_processor(confirmation=waiting()).process(ids)
    full = make_processor(confirmation=waiting(), max_batches=0)
    with pytest.raises(OverloadedError):
        await UnconfirmedEvents(engine=engine, processor=full, audit_keys=AUDIT_KEYS, clock=clock).confirm(
            ids, by=DEWI, request_id="r"
        )
    assert await event(engine, ids[0]) == ("received", None, "dewi", clock.now())
    assert [row[2] for row in await rows(engine, AUDIT)] == ["events.confirm"]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (Answer.CONFIRMED, PROCESSED),
        (Answer.REFUTED, REFUTED),
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
    assert await unconfirmed.confirm(late, by=DEWI, request_id="request-1") == {late[0]: PROCESSED}
    assert await payments(engine) == {"p": "succeeded"}
