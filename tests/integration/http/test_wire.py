"""What HTTP does not carry, what it would let stand twice, and what a proxy of ours writes besides."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Outcome
from tests.integration.http.http_stack import HttpRequest, HttpStack
from tests.integration.http.test_vectors import ACCEPTED, assert_is, assert_nothing_stored, reply_to
from tests.integration.http.vector_requests import Vector, environ_of, now_of, request_of, vector_id, webhook_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

_BEFORE = b"Connection: close\r\n"
_FIRST = list({vector["provider"]: vector for vector in reversed(ACCEPTED)}.values())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"X-Note: a\0b", id="NUL"),
        pytest.param(b"X-Note: a\rb", id="CR"),
        pytest.param(b"X-Note: a\nb", id="LF"),
        pytest.param(b"X-Note: a\x01b", id="control"),
        pytest.param(b"X-Note: a\x7fb", id="DEL"),
        pytest.param(b"X-N\xf6te: a", id="name beyond ASCII"),
        pytest.param(b"X-Note : a", id="space before the colon"),
        pytest.param(b"X-Note: a\r\n b", id="folded"),
        pytest.param(b"Content-Length: 1", id="second length"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 1", id="length and chunks"),
    ],
)
@pytest.mark.parametrize("vector", _FIRST, ids=vector_id)
async def test_what_is_no_http_is_refused_by_the_gateway(
    vector: Vector, line: bytes, stack: HttpStack, tmp_path: Path
) -> None:
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    data = request_of(vector).encode()
    assert data.count(_BEFORE) == 1
    answer = await stack.send(data.replace(_BEFORE, line + b"\r\n" + _BEFORE))
    assert (answer.status, answer.json["detail"]) == (HTTPStatus.BAD_REQUEST, "this is no valid HTTP")
    await assert_nothing_stored(stack)


def _proofs() -> Iterator[tuple[Vector, str]]:
    """Each header that proves something, with a genuine request that has it."""
    found: set[tuple[str, str]] = set()
    for vector in ACCEPTED:
        request = request_of(vector)
        scheme = PROVIDERS[vector["provider"]].scheme_of(webhook_of(request))
        for name in scheme.describe().headers:
            if name in webhook_of(request).headers and (vector["provider"], name) not in found:
                found.add((vector["provider"], name))
                yield vector, name


@pytest.mark.parametrize("is_same", [True, False], ids=["same value", "another value"])
@pytest.mark.parametrize(("vector", "name"), [pytest.param(*p, id=f"{p[0]['provider']}: {p[1]}") for p in _proofs()])
async def test_a_proof_that_stands_twice_is_none(
    vector: Vector, name: str, is_same: bool, stack: HttpStack, tmp_path: Path
) -> None:
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    request = request_of(vector)
    value = next(value for given, value in request.headers if given.lower() == name.lower())
    twice = [(name, value if is_same else "another"), *request.headers]
    doubled = HttpRequest(method=request.method, target=request.target, headers=twice, body=request.body)
    answer = await stack.send(doubled.encode())
    assert_is(answer, reply_to(request, Outcome.REJECTED, PROVIDERS[vector["provider"]]))
    await assert_nothing_stored(stack)


@pytest.mark.parametrize("port", ["", ":4711"])
async def test_a_load_balancer_may_write_the_port_of_the_sender(port: str, stack: HttpStack, tmp_path: Path) -> None:
    (vector,) = [vector for vector in ACCEPTED if vector_id(vector) == "oy: VA callback from first address"]
    stack.configure(environ_of(vector, tmp_path), now_of(vector))
    from_there = {**vector, "remote_addr": vector["remote_addr"] + port}
    assert_is(
        await stack.send(request_of(from_there).encode()),
        reply_to(request_of(vector), Outcome.ACCEPTED, PROVIDERS["oy"]),
    )
    (event,) = await stack.events()
    assert event.source_ip == vector["remote_addr"]
