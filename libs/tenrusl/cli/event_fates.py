"""What became of acknowledged events, as the processor tells it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grpc import aio

from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.cli.rpc import tls_of_environment
from tenrusl.rpc.channel import build_channel
from tenrusl.setting_forms import SettingsError
from tenrusl.simulator.ledger import AckedEvent

_BATCH = 500  # as many as the RPC takes
_TIMEOUT_SECONDS = 10.0
_PAUSE_SECONDS = 0.1  # before those that are under way are asked for again
_Stub = processor_pb2_grpc.ProcessorServiceStub


class NoFatesError(Exception):
    """The processor did not answer. The text says why."""


class Fate(StrEnum):
    """What became of an event, in words for the report."""

    PROCESSED = "processed"
    TO_BE_RETRIED = "to retry"
    DEAD_LETTER = "dead letter"
    UNCONFIRMED = "unconfirmed"
    UNDER_WAY = "under way"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """uncovered: its signature does not cover what it says."""

    fate: Fate
    uncovered: bool


Fates = Mapping[AckedEvent, Found]

_FATES: Mapping[int, Fate] = {
    common_pb2.EVENT_STATUS_RECEIVED: Fate.UNDER_WAY,
    common_pb2.EVENT_STATUS_PROCESSING: Fate.UNDER_WAY,
    common_pb2.EVENT_STATUS_PROCESSED: Fate.PROCESSED,
    common_pb2.EVENT_STATUS_FAILED: Fate.TO_BE_RETRIED,
    common_pb2.EVENT_STATUS_DEAD_LETTER: Fate.DEAD_LETTER,
    common_pb2.EVENT_STATUS_UNCONFIRMED: Fate.UNCONFIRMED,
    common_pb2.EVENT_STATUS_DISCARDED: Fate.DEAD_LETTER,
}


def probe(target: str) -> None:
    """Asks for an event that nobody has. Raises NoFatesError."""
    asyncio.run(_find(target, [AckedEvent(provider="mock", event_id="simulate:probe")], 0.0))


def find_fates(target: str, events: Sequence[AckedEvent], *, wait_seconds: float) -> Fates:
    """Asks for all events, and until then again for those that are under way, or failed without having been told to.

    target: of gRPC. Raises NoFatesError.
    """
    return asyncio.run(_find(target, events, wait_seconds))


def is_settled(event: AckedEvent, found: Found) -> bool:
    """Whether nothing more is to be waited for: an event that was told to fail may be left to its schedule."""
    if found.fate is Fate.TO_BE_RETRIED:
        return event.failing
    return found.fate is not Fate.UNDER_WAY


async def _find(target: str, events: Sequence[AckedEvent], wait_seconds: float) -> Fates:
    deadline = time.monotonic() + wait_seconds
    found: dict[AckedEvent, Found] = {}
    left = list(events)
    try:
        channel = build_channel(target, tls=tls_of_environment())
    except SettingsError as exc:
        raise NoFatesError("; ".join(exc.problems)) from None
    async with channel:
        while left:
            for batch in _batches(left):
                found |= await _ask(_Stub(channel), batch)
            left = [event for event in left if not is_settled(event, found[event])]
            if not left or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
    return found


async def _ask(stub: _Stub, batch: Sequence[AckedEvent]) -> dict[AckedEvent, Found]:
    request = processor_pb2.LookUpEventsRequest(
        provider=batch[0].provider, event_ids=[event.event_id for event in batch]
    )
    try:
        answer = await stub.LookUpEvents(request, timeout=_TIMEOUT_SECONDS)
    except aio.AioRpcError as exc:
        raise NoFatesError(f"{exc.code().name}: {exc.details()}") from None
    return {event: _found(result) for event, result in zip(batch, answer.results, strict=True)}


def _found(result: processor_pb2.EventLookup) -> Found:
    # A status that this version does not know is not taken for a success.
    fate = Fate.MISSING if result.missing else _FATES.get(result.status, Fate.UNDER_WAY)
    return Found(fate=fate, uncovered=result.unauthenticated_body)


def _batches(events: Sequence[AckedEvent]) -> Iterator[list[AckedEvent]]:
    """Each of one provider."""
    by_provider: dict[str, list[AckedEvent]] = {}
    for event in events:
        by_provider.setdefault(event.provider, []).append(event)
    for found in by_provider.values():
        for start in range(0, len(found), _BATCH):
            yield found[start : start + _BATCH]
