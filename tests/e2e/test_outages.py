"""What is down costs no acknowledged webhook, and repeats no effect."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import grpc
import httpx
import pytest

from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import World

S = PaymentStatus
EVENT = "SELECT id::text, status FROM webhook_events WHERE payment_ref = %s"


def new_ref() -> str:
    return f"ref-{uuid4().hex[:12]}"


@pytest.fixture
def healthy(world: World) -> Iterator[World]:
    """The stack; whatever a test ended runs again afterwards."""
    yield world
    stack = world.stack
    assert stack.postgres is not None
    assert stack.valkey is not None
    for server in (stack.postgres, stack.valkey):
        if not server.process.running:
            server.start()
    for service in ("processor", "ingress", "gateway"):
        if not stack.process(service).running:
            stack.launch(service)
    for service in ("processor", "ingress", "gateway"):
        stack.wait_ready(service)


def test_without_processor_webhooks_are_accepted_and_due(healthy: World) -> None:
    healthy.stack.process("processor").kill()
    ref = new_ref()
    assert healthy.send("stripe", healthy.body("stripe", ref, S.SUCCEEDED)).status_code == 200
    ((event_id, status),) = healthy.rows(EVENT, ref)
    assert status == "received"
    due = "SELECT next_retry_at - received_at < interval '1 minute' FROM webhook_events WHERE payment_ref = %s"
    assert healthy.rows(due, ref) == [(True,)]
    assert healthy.http.get("/api/v1/payments/stripe/x/status").status_code == 503
    healthy.stack.restart("processor")
    healthy.process(str(event_id))  # unless ingress has handed it over again meanwhile
    healthy.wait(lambda: healthy.status("stripe", ref) == "succeeded")


def test_without_redis_webhooks_are_accepted_and_idempotent_creation_is_not(healthy: World) -> None:
    assert healthy.stack.valkey is not None
    healthy.stack.valkey.stop()
    ref = new_ref()
    assert healthy.send("stripe", healthy.body("stripe", ref, S.SUCCEEDED)).status_code == 200
    healthy.wait(lambda: healthy.status("stripe", ref) == "succeeded")
    order = {"provider": "mock", "payment_ref": new_ref(), "amount_minor": 1, "currency": "IDR"}
    refused = healthy.http.post("/api/v1/payments", json=order, headers={"Idempotency-Key": "a"})
    assert (refused.status_code, refused.json()["reason"]) == (503, "REDIS_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1
    assert healthy.http.post("/api/v1/payments", json=order).status_code == 201


def test_without_database_nothing_is_acknowledged(healthy: World) -> None:
    assert healthy.stack.postgres is not None
    healthy.stack.postgres.stop()
    ref = new_ref()
    body = healthy.body("stripe", ref, S.SUCCEEDED)
    refused = healthy.send("stripe", body)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert healthy.send("stripe", body, secret="forged").status_code == 401
    assert healthy.http.get("/up").status_code == 200
    healthy.wait(lambda: healthy.http.get("/ready").status_code == 503)
    healthy.stack.postgres.start()
    healthy.wait(lambda: healthy.send("stripe", body).status_code == 200)
    healthy.wait(lambda: healthy.status("stripe", ref) == "succeeded")


def test_without_ingress_the_gateway_asks_to_come_again(healthy: World) -> None:
    healthy.stack.process("ingress").kill()
    refused = healthy.send("stripe", healthy.body("stripe", new_ref(), S.SUCCEEDED))
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("victim", ["gateway", "ingress", "processor", "postgres"])
def test_killed_under_load_nothing_acknowledged_is_lost_or_applied_twice(healthy: World, victim: str) -> None:
    acked: list[str] = []
    enough, stop = threading.Event(), threading.Event()

    def send() -> None:
        while not stop.is_set():
            ref = new_ref()
            try:
                response = healthy.send("mock", healthy.body("mock", ref, S.SUCCEEDED))
            except httpx.HTTPError:
                continue
            if response.is_success:
                acked.append(ref)
            if len(acked) >= 40:
                enough.set()

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(30)
    if victim == "postgres":
        assert healthy.stack.postgres is not None
        healthy.stack.postgres.kill()
        healthy.stack.postgres.start()
    else:
        healthy.stack.process(victim).kill()
        healthy.stack.restart(victim)
    before = len(acked)
    healthy.wait(lambda: len(acked) > before + 20)
    stop.set()
    for sender in senders:
        sender.join()

    stored = "SELECT count(*) FROM webhook_events WHERE payment_ref = ANY(%s)"
    assert healthy.rows(stored, acked) == [(len(acked),)]
    # What the victim left behind is due by itself; nobody looks for it yet, so the test does.
    healthy.rows("UPDATE webhook_events SET next_retry_at = now() WHERE status = 'processing' RETURNING id")
    open_events = "SELECT id::text FROM webhook_events WHERE payment_ref = ANY(%s) AND status <> 'processed' LIMIT 500"

    def all_processed() -> bool:
        left = [str(row[0]) for row in healthy.rows(open_events, acked)]
        if left:
            with suppress(grpc.RpcError):  # the first call after an outage may meet a lost connection
                healthy.process(*left)
        return not left

    healthy.wait(all_processed)
    effects = """
        SELECT count(*), count(DISTINCT payment_id) FROM payment_transitions
        JOIN payments ON payments.id = payment_id WHERE payment_ref = ANY(%s) AND payments.status = 'succeeded'
    """
    assert healthy.rows(effects, acked) == [(len(acked), len(acked))]
