"""How far events are, asked for by the ids of their providers."""

from typing import Any, cast

import pytest

from services.processor.look_up import MAX_LOOKED_UP, look_up
from services.processor.servicer import ProcessorServicer
from services.processor.unconfirmed import UnconfirmedEvents
from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2
from tenrusl.errors import InvalidFieldError
from tenrusl.store import lookup
from tenrusl.store.engine import Engine, autocommit, fetch
from tenrusl.store.tables import EVENT_STATUSES
from tests.builders import AUDIT_KEYS, FixedClock, new_event, rows
from tests.integration.conftest import EngineOf
from tests.integration.processor.conftest import MakeProcessor, Put


async def ask(
    servicer: ProcessorServicer, *event_ids: str, provider: str = "stripe"
) -> list[processor_pb2.EventLookup]:
    request = processor_pb2.LookUpEventsRequest(provider=provider, event_ids=event_ids)
    return list((await servicer.LookUpEvents(request, cast("Any", None))).results)


@pytest.fixture
def servicer(engine_of: EngineOf, make_processor: MakeProcessor, clock: FixedClock) -> ProcessorServicer:
    engine, processor = engine_of("processor"), make_processor()
    return ProcessorServicer(
        processor, UnconfirmedEvents(engine=engine, processor=processor, audit_keys=AUDIT_KEYS, clock=clock), engine
    )


async def test_each_id_has_a_result_in_the_order_that_was_given(servicer: ProcessorServicer, put: Put) -> None:
    ids = await put(
        new_event(event_id="a", deliveries=3, unauthenticated_body=True),
        new_event(event_id="b"),
        new_event(event_id="c", provider="xendit"),
    )
    first, missing, second, again = await ask(servicer, "b", "c", "a", "b")
    assert (
        first
        == again
        == processor_pb2.EventLookup(
            event_id="b", id=str(ids[1]), status=common_pb2.EVENT_STATUS_RECEIVED, deliveries=1
        )
    )
    assert missing == processor_pb2.EventLookup(event_id="c", missing=True)  # it is another provider's
    assert second == processor_pb2.EventLookup(
        event_id="a", id=str(ids[0]), status=common_pb2.EVENT_STATUS_RECEIVED, deliveries=3, unauthenticated_body=True
    )


@pytest.mark.parametrize("status", EVENT_STATUSES)
async def test_every_status_is_told(engine: Engine, servicer: ProcessorServicer, put: Put, status: str) -> None:
    await put(new_event(event_id="a"))
    await rows(engine, "UPDATE webhook_events SET status = :status, attempts = 2 RETURNING id", status=status)
    (found,) = await ask(servicer, "a")
    assert (found.status, found.attempts) == (common_pb2.EventStatus.Value(f"EVENT_STATUS_{status.upper()}"), 2)


@pytest.mark.parametrize("event_id", ["{a,b}", '"', "\\", "NULL", " ", "é\n'", "x" * 512])
async def test_an_id_may_hold_any_text(servicer: ProcessorServicer, put: Put, event_id: str) -> None:
    await put(new_event(event_id=event_id))
    assert [found.missing for found in await ask(servicer, event_id, "other")] == [False, True]


async def test_as_many_as_are_allowed_are_found_at_once(engine: Engine, put: Put) -> None:
    ids = [f"evt-{number}" for number in range(MAX_LOOKED_UP)]
    await put(*(new_event(event_id=event_id) for event_id in ids[::2]))
    assert sorted(await look_up(engine, provider="stripe", event_ids=ids)) == sorted(ids[::2])


@pytest.mark.parametrize(
    ("provider", "event_ids", "fields"),
    [
        ("stripe", [], ["event_ids"]),
        ("stripe", ["a"] * (MAX_LOOKED_UP + 1), ["event_ids"]),
        ("stripe", ["a", ""], ["event_ids"]),
        ("stripe", ["a" * 513], ["event_ids"]),
        ("stripe", ["a\0"], ["event_ids"]),
        ("", ["a"], ["provider"]),
        ("S" * 65, [], ["provider", "event_ids"]),
    ],
)
async def test_what_cannot_be_asked_is_named(
    engine: Engine, provider: str, event_ids: list[str], fields: list[str]
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await look_up(engine, provider=provider, event_ids=event_ids)
    assert [violation.field for violation in caught.value.violations] == fields


async def test_the_unique_index_finds_them(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[str] = []

    async def explain(connection: Any, statement: str, parameters: Any) -> list[tuple[Any, ...]]:
        plans.extend(row[0] for row in await fetch(connection, f"EXPLAIN {statement}", parameters))
        return []

    monkeypatch.setattr(lookup, "fetch", explain)
    async with autocommit(engine) as connection:
        await lookup.look_up_events(connection, provider="stripe", event_ids=["a", "b"])
    plan = "\n".join(plans)
    assert "Index Scan using webhook_events_provider_event_id_key" in plan
    assert "Index Cond: ((provider = 'stripe'::text) AND (event_id = ANY (" in plan
    assert "Seq Scan" not in plan
