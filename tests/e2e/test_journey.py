"""A webhook goes in, its payment changes, exactly once."""

import json
import socket
from datetime import timedelta
from uuid import uuid4

import pytest

from tenrusl.api.processor.v1 import processor_pb2
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import SECRETS, World

S = PaymentStatus
FIRST = {"mock": 202, "stripe": 200, "xendit": 200, "midtrans": 200}


def new_ref() -> str:
    return f"ref-{uuid4().hex[:12]}"


def reference(provider: str, ref: str) -> str:
    """What the payments API finds the payment by."""
    return f"order-{ref}" if provider == "midtrans" else ref


@pytest.mark.parametrize("provider", SECRETS)
def test_a_signed_webhook_changes_its_payment(world: World, provider: str) -> None:
    ref = new_ref()
    assert world.send(provider, world.body(provider, ref, S.PENDING)).status_code == FIRST[provider]
    later = world.now() + timedelta(seconds=2)
    body = world.body(provider, ref, S.SUCCEEDED, occurred_at=later)
    assert world.send(provider, body).status_code == FIRST[provider]
    world.wait(lambda: world.status(provider, reference(provider, ref)) == "succeeded")


@pytest.mark.parametrize("provider", SECRETS)
def test_a_second_delivery_has_no_second_effect(world: World, provider: str) -> None:
    ref = new_ref()
    body = world.body(provider, ref, S.SUCCEEDED)
    answers = [world.send(provider, body).status_code for _ in range(3)]
    assert answers == [FIRST[provider], 200, 200]
    world.wait(lambda: world.status(provider, reference(provider, ref)) == "succeeded")
    found = world.rows(
        """
        SELECT deliveries, attempts, (SELECT count(*) FROM payment_transitions WHERE webhook_event_id = event.id)
        FROM webhook_events AS event WHERE payment_ref = %s
        """,
        reference(provider, ref),
    )
    assert found == [(3, 1, 1)]


@pytest.mark.parametrize("provider", SECRETS)
def test_a_forged_webhook_leaves_no_trace(world: World, provider: str) -> None:
    ref = new_ref()
    response = world.send(provider, world.body(provider, ref, S.SUCCEEDED), secret="forged")
    assert response.status_code == 401
    assert "www-authenticate" not in response.headers
    assert world.rows("SELECT id FROM webhook_events WHERE payment_ref = %s", reference(provider, ref)) == []


@pytest.mark.parametrize("provider", SECRETS)
def test_a_late_pending_does_not_overwrite_succeeded(world: World, provider: str) -> None:
    ref = new_ref()
    world.send(provider, world.body(provider, ref, S.SUCCEEDED))
    world.wait(lambda: world.status(provider, reference(provider, ref)) == "succeeded")
    world.send(provider, world.body(provider, ref, S.PENDING, occurred_at=world.now() - timedelta(minutes=5)))
    sql = "SELECT count(*) FROM webhook_events WHERE payment_ref = %s AND status = 'processed'"
    world.wait(lambda: world.rows(sql, reference(provider, ref)) == [(2,)])
    assert world.status(provider, reference(provider, ref)) == "succeeded"


def test_the_request_id_is_on_the_answer_and_on_the_row(world: World) -> None:
    ref = new_ref()
    response = world.send("mock", world.body("mock", ref, S.PENDING), **{"X-Request-ID": f"my-id-{ref}"})
    assert response.headers["x-request-id"] == f"my-id-{ref}"
    assert world.rows("SELECT request_id FROM webhook_events WHERE payment_ref = %s", ref) == [(f"my-id-{ref}",)]


def test_a_failing_event_is_tried_until_it_succeeds(world: World) -> None:
    ref = new_ref()
    world.send("mock", world.body("mock", ref, S.SUCCEEDED, directives={"fail_first": 2}))
    sql = "SELECT id::text, status, attempts, failure_code FROM webhook_events WHERE payment_ref = %s"
    world.wait(lambda: world.rows(sql, ref)[0][1:] == ("failed", 1, "told_to_fail"))
    event_id = str(world.rows(sql, ref)[0][0])
    assert world.status("mock", ref) is None
    assert world.process(event_id) == [processor_pb2.EVENT_RESULT_STATUS_FAILED]
    assert world.process(event_id) == [processor_pb2.EVENT_RESULT_STATUS_PROCESSED]
    assert world.status("mock", ref) == "succeeded"


def test_the_payload_is_encrypted_in_the_database(world: World) -> None:
    ref = new_ref()
    world.send("mock", world.body("mock", ref, S.PENDING))
    sql = "SELECT body FROM webhook_payloads JOIN webhook_events ON id = webhook_event_id WHERE payment_ref = %s"
    ((sealed,),) = world.rows(sql, ref)
    assert isinstance(sealed, bytes)
    assert ref.encode() not in sealed


def test_an_upload_that_breaks_off_stores_nothing(world: World) -> None:
    ref = new_ref()
    body = world.body("mock", ref, S.SUCCEEDED)
    host, port = world.stack.target("gateway").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRETS['mock']}\r\n"
            f"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
        )
        connection.sendall(head.encode() + body + b"\r\n")  # the body is whole, its end is missing
    other = new_ref()
    world.send("mock", world.body("mock", other, S.SUCCEEDED))
    world.wait(lambda: world.status("mock", other) == "succeeded")
    assert world.rows("SELECT id FROM webhook_events WHERE payment_ref = %s", ref) == []


def test_a_payment_that_was_announced(world: World) -> None:
    order = {"provider": "stripe", "payment_ref": f"order-{new_ref()}", "amount_minor": 150_000, "currency": "IDR"}
    key = {"Idempotency-Key": uuid4().hex}
    first = world.http.post("/api/v1/payments", json=order, headers=key)
    again = world.http.post("/api/v1/payments", json=order, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = world.http.post("/api/v1/payments", json=order | {"amount_minor": 1}, headers=key)
    assert (other.status_code, other.json()["reason"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    twice = world.http.post("/api/v1/payments", json=order)
    assert (twice.status_code, twice.json()["reason"]) == (409, "PAYMENT_EXISTS")
    ref = str(order["payment_ref"]).removeprefix("order-")
    world.send("stripe", world.body("stripe", ref, S.SUCCEEDED))
    world.wait(lambda: world.status("stripe", str(order["payment_ref"])) == "succeeded")
    found = world.http.get(f"/api/v1/payments/{first.json()['id']}").json()
    assert (found["status"], found["provider_ref"], found["amount_minor"]) == ("succeeded", ref, 150_000)


def test_an_authentic_body_that_is_no_json(world: World) -> None:
    for body in (b"{", b"\xff", b'{"id": "\\ud800"}', b'{"id": "\\u0000"}', b"[" * 500 + b"]" * 500):
        assert world.send("mock", body).status_code == 400
    problem = world.send("mock", b"{").json()
    assert problem["status"] == 400


def test_the_openapi_document_is_served(world: World) -> None:
    document = world.http.get("/openapi.json").json()
    assert "/api/webhooks/{provider}" in document["paths"]
    assert json.dumps(document)
