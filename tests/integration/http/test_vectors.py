"""Every shared vector over a socket: the answer that the provider gets, and what is stored of it."""

from collections import Counter
from http import HTTPStatus
from pathlib import Path

import pytest

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Outcome, Provider, Reply
from tenrusl.settings import SettingsError
from tests.integration.gateway.gateway_stack import Answer
from tests.integration.http.http_stack import HttpRequest, HttpStack
from tests.integration.http.vector_requests import (
    VECTORS,
    Vector,
    environ_of,
    now_of,
    request_of,
    vector_id,
    webhook_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Correctly signed, but no event of the provider; and one whose signature would stand in the body that is not there.
UNREADABLE = {
    "midtrans: empty body": Reason.BODY_MALFORMED,
    "stripe: sdk test payload": Reason.EVENT_FIELD_INVALID,
    "stripe: non-ASCII body": Reason.EVENT_FIELD_INVALID,
    "paddle: non-ASCII body": Reason.EVENT_FIELD_INVALID,
    "paddle: empty body": Reason.BODY_MALFORMED,
    "lemonsqueezy: non-ASCII body": Reason.EVENT_FIELD_INVALID,
    "airwallex: empty body": Reason.BODY_MALFORMED,
    "tripay: raw non-ASCII body": Reason.EVENT_FIELD_INVALID,
    "tripay: empty body": Reason.BODY_MALFORMED,
    "tripay: other event header": Reason.EVENT_FIELD_INVALID,
    "paypal: empty body signed": Reason.BODY_MALFORMED,
    "paypal: crc above 2^31": Reason.EVENT_FIELD_INVALID,
    "amazon_bwp: empty body": Reason.BODY_MALFORMED,
    "oy: empty body from OY": Reason.BODY_MALFORMED,
}
# A question of the provider, which is answered and is no event.
QUESTIONS = {"doku: snap b2b token request from DOKU"}
WRONG_METHOD = {"dana: method differs"}
# Credentials that ingress does not start with, by the variable that it names.
REFUSED_AT_START = {
    "amazon_bwp: JWKS entry with another curve": "TENRUSL_WEBHOOK_SECRET_AMAZON_BWP",
    "payoneer: empty configured token": "TENRUSL_WEBHOOK_SECRET_PAYONEER",
}
_NAMED = {*UNREADABLE, *QUESTIONS, *WRONG_METHOD, *REFUSED_AT_START}
_REJECTED = [v for v in VECTORS if v["expect"] == "invalid" and vector_id(v) not in _NAMED]
ACCEPTED = [v for v in VECTORS if v["expect"] == "valid" and vector_id(v) not in _NAMED]
# What these prove says nothing about the body: by provider and the secret that is used.
_BODY_NOT_COVERED = {
    ("midtrans", "server_key"),
    ("oy", "allowed_ips"),
    ("payoneer", "notification_headers"),
    ("payoneer", "url_token"),
    ("skrill", "secret_word"),
    ("xendit", "callback_tokens"),
}
_BEARER = "mock: bearer valid"


def _named(names: object) -> list[Vector]:
    return [vector for vector in VECTORS if vector_id(vector) in names]  # type: ignore[operator]  # sets and dicts


async def assert_nothing_stored(stack: HttpStack) -> None:
    """In no table, nor told to the processor; and nobody was asked for a key."""
    assert set((await stack.stored_rows()).values()) == {0}
    assert stack.handed_off == []
    assert stack.asked == []


def assert_is(answer: Answer, reply: Reply) -> None:
    """Exactly this reply, with a challenge for nobody."""
    assert (answer.status, answer.body) == (reply.status, reply.body)
    assert answer.headers.get("content-type") == reply.content_type
    assert "www-authenticate" not in answer.headers


def reply_to(request: HttpRequest, outcome: Outcome, provider: Provider) -> Reply:
    return provider.replies_to(webhook_of(request))[outcome]


@pytest.mark.parametrize("vector", ACCEPTED, ids=vector_id)
async def test_a_valid_vector_is_acknowledged_and_stored_once(vector: Vector, stack: HttpStack, tmp_path: Path) -> None:
    provider, request = PROVIDERS[vector["provider"]], request_of(vector)
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.ACCEPTED, provider))
    (event,) = await stack.events()
    assert stack.handed_off == [event.id]
    assert (event.provider, event.status, event.deliveries) == (provider.name, "received", 1)
    assert event.received_at.timestamp() == now_of(vector)
    assert event.source_ip == vector.get("remote_addr", "127.0.0.1")
    assert event.payload == (request.body if request.method == "POST" else request.target.partition("?")[2].encode())
    is_uncovered = bool(_BODY_NOT_COVERED & {(provider.name, secret) for secret in vector["secrets"]})
    assert event.unauthenticated_body == (is_uncovered or vector_id(vector) == _BEARER)

    # The same again, in other pieces: nothing of it depends on how the body is framed.
    assert_is(await stack.send(request.encode(is_chunked=True)), reply_to(request, Outcome.DUPLICATE, provider))
    (again,) = await stack.events()
    assert (again.id, again.deliveries) == (event.id, 2)
    assert stack.asked == []


@pytest.mark.parametrize("vector", _REJECTED, ids=vector_id)
async def test_an_invalid_vector_is_rejected_without_a_word_why(
    vector: Vector, stack: HttpStack, tmp_path: Path
) -> None:
    request = request_of(vector)
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    answer = await stack.send(request.encode())
    assert answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    assert_is(answer, reply_to(request, Outcome.REJECTED, PROVIDERS[vector["provider"]]))
    assert not [reason for reason in Reason if reason.value.encode() in answer.body]
    await assert_nothing_stored(stack)


@pytest.mark.parametrize("vector", _named(UNREADABLE), ids=vector_id)
async def test_what_is_no_event_is_a_bad_request(vector: Vector, stack: HttpStack, tmp_path: Path) -> None:
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    answer = await stack.send(request_of(vector).encode())
    assert answer.status == HTTPStatus.BAD_REQUEST
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["reason"] == UNREADABLE[vector_id(vector)].name
    await assert_nothing_stored(stack)


@pytest.mark.parametrize("vector", _named(QUESTIONS), ids=vector_id)
async def test_a_question_is_answered_and_not_stored(vector: Vector, stack: HttpStack, tmp_path: Path) -> None:
    provider, request = PROVIDERS[vector["provider"]], request_of(vector)
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    assert provider.handshake is not None
    expected = provider.handshake(webhook_of(request), stack.credentials[provider.name], now_of(vector))
    assert expected is not None
    answer = await stack.send(request.encode())
    assert_is(answer, expected)
    assert (answer.status, answer.json["tokenType"]) == (HTTPStatus.OK, "Bearer")
    await assert_nothing_stored(stack)


@pytest.mark.parametrize("vector", _named(WRONG_METHOD), ids=vector_id)
async def test_a_method_that_the_provider_does_not_use_is_refused(
    vector: Vector, stack: HttpStack, tmp_path: Path
) -> None:
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    answer = await stack.send(request_of(vector).encode())
    assert (answer.status, answer.headers["allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "POST")
    await assert_nothing_stored(stack)


@pytest.mark.parametrize("vector", _named(REFUSED_AT_START), ids=vector_id)
async def test_credentials_that_nothing_can_be_verified_with_are_refused_at_start(
    vector: Vector, stack: HttpStack, tmp_path: Path
) -> None:
    environ = environ_of(vector, tmp_path)
    with pytest.raises(SettingsError) as refused:
        stack.configure(environ, now_of(vector))
    variable = REFUSED_AT_START[vector_id(vector)]
    assert [line.partition(":")[0] for line in refused.value.problems] == [variable]
    assert environ[variable] not in str(refused.value)


async def test_a_key_of_another_curve_is_not_used_beside_one_that_could_be(stack: HttpStack, tmp_path: Path) -> None:
    (vector,) = [v for v in VECTORS if vector_id(v) == "amazon_bwp: JWKS entry with another curve"]
    good = next(v for v in VECTORS if vector_id(v) == "amazon_bwp: second key of the JWKS")
    usable = [key for key in good["secrets"]["jwks"]["keys"] if key["kid"] == "kid-b"]
    keys = [*vector["secrets"]["jwks"]["keys"], *usable]
    stack.configure(environ_of({**vector, "secrets": {"jwks": {"keys": keys}}}, tmp_path), now_of(vector))
    request = request_of(vector)
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.REJECTED, PROVIDERS["amazon_bwp"]))
    await assert_nothing_stored(stack)


async def test_an_empty_header_matches_no_empty_token(stack: HttpStack) -> None:
    (vector,) = [v for v in VECTORS if vector_id(v) == "payoneer: empty configured token"]
    stack.configure({}, now_of(vector))
    request = request_of(vector)
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.REJECTED, PROVIDERS["payoneer"]))
    await assert_nothing_stored(stack)


async def test_each_vector_is_sent_and_none_is_named_that_is_not_there() -> None:
    ids = Counter(vector_id(vector) for vector in VECTORS)
    assert set(ids.values()) == {1}
    assert set(ids) >= _NAMED
    assert len(ACCEPTED) + len(_REJECTED) + len(_NAMED) == len(VECTORS)
