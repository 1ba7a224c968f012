"""Keys that a webhook names are fetched from where they are published, and events are found by their providers' ids."""

import random

import grpc
import pytest

from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.providers import PROVIDERS
from tenrusl.simulator.fetched_keys import PUBLISHED
from tenrusl.simulator.keys import forgers_credentials
from tenrusl.simulator.requests import SimulatedRequest
from tenrusl.simulator.traffic import Mix, Traffic
from tests.e2e.conftest import World


def send(world: World, request: SimulatedRequest) -> int:
    answer = world.http.request(request.method, request.target, headers=dict(request.headers), content=request.body)
    return answer.status_code


def look_up(world: World, provider: str, *event_ids: str) -> list[processor_pb2.EventLookup]:
    request = processor_pb2.LookUpEventsRequest(provider=provider, event_ids=event_ids)
    with grpc.insecure_channel(world.stack.target("processor")) as channel:
        stub = processor_pb2_grpc.ProcessorServiceStub(channel)
        return list(stub.LookUpEvents(request, timeout=30).results)


@pytest.mark.parametrize("provider", PUBLISHED)
def test_what_is_signed_with_a_published_key_is_stored_and_what_is_not_is_refused(world: World, provider: str) -> None:
    clock, genuine = SystemClock(), world.stack.signers[provider]
    rng = random.Random()
    traffic = Traffic({provider: genuine}, Mix(), run=f"{rng.getrandbits(48):x}", rng=rng)
    delivery = traffic.next(clock.now())
    assert [send(world, delivery.request) for _ in range(2)] == [200, 200]
    forger = {provider: forgers_credentials(PROVIDERS[provider], genuine, rng)}
    forged = Traffic(forger, Mix(), run=f"{rng.getrandbits(48):x}", rng=rng).next(clock.now())
    assert send(world, forged.request) == 401

    def is_processed() -> bool:
        return look_up(world, provider, delivery.event_id)[0].status == common_pb2.EVENT_STATUS_PROCESSED

    world.wait(is_processed)
    found, missing = look_up(world, provider, delivery.event_id, forged.event_id)
    assert (found.attempts, found.deliveries, found.unauthenticated_body) == (1, 2, False)
    assert missing == processor_pb2.EventLookup(event_id=forged.event_id, missing=True)


def test_wrong_questions_are_refused_by_field(world: World) -> None:
    for event_ids in ([], ["a"] * 501):
        with pytest.raises(grpc.RpcError) as caught:
            look_up(world, "stripe", *event_ids)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "event_ids" in (caught.value.details() or "")
