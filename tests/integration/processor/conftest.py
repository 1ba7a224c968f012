"""A processor and a way to put events into its database."""

import json
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.processor.confirm import Confirmation
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.process import Processor
from tenrusl.backoff import RetryPolicy
from tenrusl.crypto import PayloadCipher
from tenrusl.store.engine import Engine
from tenrusl.store.event_store import EventStore
from tenrusl.store.events import NewEvent
from tests.builders import START, FixedClock, new_event
from tests.integration.conftest import EngineOf

CIPHER = PayloadCipher(bytes(32))
NOTHING_WAITS = Confirmation(providers=(), confirmers={}, time_limit=timedelta(seconds=10))
MakeProcessor = Callable[..., Processor]
Put = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def make_processor(engine_of: EngineOf, clock: FixedClock) -> MakeProcessor:
    """A processor on the test's database; keyword arguments change the policy or the treatment of payments."""

    def make(
        *,
        create_unknown: bool = True,
        max_batches: int = 8,
        confirmation: Confirmation = NOTHING_WAITS,
        **policy: object,
    ) -> Processor:
        engine = engine_of("processor")
        return Processor(
            engine=engine,
            directives=Directives(engine, CIPHER),
            lost_claims=LostClaims(engine, clock),
            confirmation=confirmation,
            policy=RetryPolicy(**policy),  # type: ignore[arg-type]  # keyword arguments of the tests
            lease=timedelta(seconds=60),
            max_batches=max_batches,
            create_unknown=create_unknown,
            clock=clock,
            metrics=ProcessorMetrics(CollectorRegistry()),
            rng=random.Random(1),
        )

    return make


@pytest.fixture
def put(engine: Engine) -> Put:
    """Stores events as ingress does; returns their ids in the order given."""
    store = EventStore(engine, partition_days=2)

    async def put(*events: NewEvent) -> list[UUID]:
        batch = sorted(events, key=lambda event: (event.provider, event.event_id))
        await store.store(batch, received_at=START, next_retry_at=START + timedelta(seconds=10))
        return [event.id for event in events]

    return put


def mock_event(document: dict[str, object], **changes: object) -> NewEvent:
    """A mock event with this payload."""
    event = new_event(provider="mock", **changes)
    return event._replace(sealed_payload=CIPHER.seal(json.dumps(document).encode(), context=event.id.bytes))
