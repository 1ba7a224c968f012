"""Batches: order, bounds, self-clocking. The fake ingress answers only when a test says so."""

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from grpc import aio
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.batching import Batcher, BatchLimits, Outcome, ReceivedWebhook
from tenrusl.api.ingress.v1 import ingress_pb2
from tenrusl.errors import OverloadedError


class HeldIngress:
    """Keeps each call until it is released; its outcomes carry the webhook's request id as event id."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.request_ids: list[str] = []
        self.held: list[asyncio.Future[None]] = []
        self.most_in_flight = 0
        self.drop_outcomes = 0

    async def accept(
        self, request: ingress_pb2.AcceptWebhooksRequest, request_id: str
    ) -> ingress_pb2.AcceptWebhooksResponse:
        self.batches.append([webhook.request_id for webhook in request.webhooks])
        self.request_ids.append(request_id)
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held.append(gate)
        self.most_in_flight = max(self.most_in_flight, len(self.held))
        try:
            await gate
        finally:
            self.held.remove(gate)
        outcomes = [Outcome(event_id=webhook.request_id) for webhook in request.webhooks]
        return ingress_pb2.AcceptWebhooksResponse(outcomes=outcomes[self.drop_outcomes :])


class Notes:
    """Remembers what the batcher reports."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.errors: list[aio.AioRpcError | None] = []

    def batch_done(
        self,
        webhooks: Sequence[ReceivedWebhook],
        outcomes: Sequence[Outcome] | None,
        error: aio.AioRpcError | None,
        seconds: float,
    ) -> None:
        self.sizes.append(len(webhooks))
        self.errors.append(error)


def webhook(name: str, body: bytes = b"") -> ReceivedWebhook:
    return ReceivedWebhook(
        provider="mock", method="POST", path="/", query="", headers=(), body=body, source_ip="", request_id=name
    )


def limits(
    *, max_webhooks: int = 4, max_in_flight: int = 1, max_waiting: int = 100, max_wait_seconds: float = 60, **more: int
) -> BatchLimits:
    return BatchLimits(
        max_webhooks=max_webhooks,
        max_in_flight=max_in_flight,
        max_waiting=max_waiting,
        max_wait_seconds=max_wait_seconds,
        **more,
    )


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def release_all(ingress: HeldIngress) -> None:
    await settle()
    while ingress.held:
        ingress.held[0].set_result(None)
        await settle()


async def test_an_idle_gateway_sends_a_batch_of_one_at_once() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(), Notes())
    batcher.submit(webhook("a"))
    await settle()
    assert ingress.batches == [["a"]]
    assert ingress.request_ids == ["a"]
    await release_all(ingress)


async def test_a_busy_gateway_fills_the_next_batch_in_order() -> None:
    ingress, notes = HeldIngress(), Notes()
    batcher = Batcher(ingress.accept, limits(), notes)
    outcomes = [batcher.submit(webhook("first"))]
    await settle()
    outcomes += [batcher.submit(webhook(str(number))) for number in range(6)]
    await settle()
    assert ingress.batches == [["first"]]
    assert batcher.waiting == 6
    await release_all(ingress)
    assert ingress.batches == [["first"], ["0", "1", "2", "3"], ["4", "5"]]
    answers = [await outcome for outcome in outcomes]
    assert [answer and answer.event_id for answer in answers] == ["first", "0", "1", "2", "3", "4", "5"]
    assert notes.sizes == [1, 4, 2]


async def test_a_second_batch_leaves_beside_the_first_when_it_is_as_large() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(max_in_flight=2), Notes())
    outcomes = [batcher.submit(webhook(name)) for name in "ab"]
    await settle()
    outcomes.append(batcher.submit(webhook("c")))
    await settle()
    assert ingress.batches == [["a", "b"]]
    outcomes.append(batcher.submit(webhook("d")))
    await settle()
    assert ingress.batches == [["a", "b"], ["c", "d"]]
    await release_all(ingress)
    assert all(outcome.done() for outcome in outcomes)


async def test_requests_that_the_event_loop_has_in_hand_leave_together() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(), Notes())
    for name in "abc":
        batcher.submit(webhook(name))
    await settle()
    assert ingress.batches == [["a", "b", "c"]]
    await release_all(ingress)


async def test_a_batch_is_bounded_in_bytes_and_a_large_webhook_still_goes() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(max_bytes=10), Notes())
    for name, size in (("a", 6), ("b", 4), ("c", 1), ("d", 50), ("e", 1)):
        batcher.submit(webhook(name, b"x" * size))
    await release_all(ingress)
    assert ingress.batches == [["a", "b"], ["c"], ["d"], ["e"]]


async def test_beyond_the_waiting_limit_webhooks_are_refused() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(max_waiting=2, max_waiting_bytes=10), Notes())
    batcher.submit(webhook("sent"))
    await settle()
    batcher.submit(webhook("a", b"x" * 6))
    with pytest.raises(OverloadedError):
        batcher.submit(webhook("too many bytes", b"x" * 5))
    batcher.submit(webhook("b", b"x" * 4))
    with pytest.raises(OverloadedError):
        batcher.submit(webhook("too many"))
    await release_all(ingress)
    batcher.submit(webhook("c", b"x" * 10))
    await release_all(ingress)
    assert ingress.batches == [["sent"], ["a", "b"], ["c"]]


async def test_a_webhook_that_waited_too_long_is_given_up() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(max_wait_seconds=0), Notes())
    late = batcher.submit(webhook("late"))
    await asyncio.sleep(0.001)
    await settle()
    assert late.done()
    assert await late is None
    assert ingress.batches == []


async def test_an_error_answers_the_whole_batch_and_the_next_one_goes_on() -> None:
    ingress, notes = HeldIngress(), Notes()
    batcher = Batcher(ingress.accept, limits(), notes)
    failing = [batcher.submit(webhook(name)) for name in "ab"]
    await settle()
    following = batcher.submit(webhook("c"))
    error = aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())
    ingress.held[0].set_exception(error)
    await release_all(ingress)
    assert [await outcome for outcome in failing] == [None, None]
    assert await following is not None
    assert notes.errors == [error, None]


async def test_an_answer_of_another_length_acknowledges_nothing() -> None:
    ingress = HeldIngress()
    ingress.drop_outcomes = 1
    batcher = Batcher(ingress.accept, limits(), Notes())
    outcomes = [batcher.submit(webhook(name)) for name in "ab"]
    await release_all(ingress)
    assert [await outcome for outcome in outcomes] == [None, None]


async def test_a_request_that_was_cancelled_does_not_harm_its_batch() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(), Notes())
    cancelled, other = batcher.submit(webhook("a")), batcher.submit(webhook("b"))
    cancelled.cancel()
    await release_all(ingress)
    assert await other is not None


async def test_closing_finishes_what_waits_and_takes_no_more() -> None:
    ingress = HeldIngress()
    batcher = Batcher(ingress.accept, limits(max_webhooks=1), Notes())
    outcomes = [batcher.submit(webhook(name)) for name in "abc"]
    closing = asyncio.create_task(batcher.close())
    await settle()
    with pytest.raises(OverloadedError):
        batcher.submit(webhook("d"))
    await release_all(ingress)
    await closing
    assert all(outcome.done() for outcome in outcomes)
    assert ingress.batches == [["a"], ["b"], ["c"]]


Step = tuple[str, int]


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["submit", "release", "fail"]), st.integers(0, 40)), max_size=40),
    max_webhooks=st.integers(1, 5),
    max_in_flight=st.integers(1, 3),
    max_waiting=st.integers(1, 12),
)
def test_whatever_happens_order_and_bounds_hold_and_everyone_is_answered(
    steps: list[Step], max_webhooks: int, max_in_flight: int, max_waiting: int
) -> None:
    async def play() -> None:
        ingress = HeldIngress()
        batcher = Batcher(
            ingress.accept,
            limits(max_webhooks=max_webhooks, max_in_flight=max_in_flight, max_waiting=max_waiting, max_bytes=60),
            Notes(),
        )
        sizes: dict[str, int] = {}
        outcomes: dict[str, asyncio.Future[Outcome | None]] = {}
        for number, (action, size) in enumerate(steps):
            if action == "submit":
                is_full = batcher.waiting >= max_waiting
                try:
                    outcomes[str(number)] = batcher.submit(webhook(str(number), b"x" * size))
                    sizes[str(number)] = size
                except OverloadedError:
                    assert is_full
            elif ingress.held:
                gate = ingress.held[0]
                if action == "release":
                    gate.set_result(None)
                else:
                    gate.set_exception(aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata()))
                await settle()
            if size % 3 == 0:
                await settle()
                assert batcher.waiting == 0 or ingress.held  # an idle gateway lets nothing wait
        await release_all(ingress)
        assert [name for batch in ingress.batches for name in batch] == list(outcomes)
        assert all(len(batch) <= max_webhooks for batch in ingress.batches)
        assert all(len(batch) == 1 or sum(sizes[name] for name in batch) <= 60 for batch in ingress.batches)
        assert ingress.most_in_flight <= max_in_flight
        for name, outcome in outcomes.items():
            answer = await outcome
            assert answer is None or answer.event_id == name

    asyncio.run(play())
