"""A request is answered alike whether it comes in one read, which takes a shorter way, or in many."""

import asyncio
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenrusl.api.ingress.v1 import ingress_pb2
from tests.integration.gateway.gateway_stack import Answer, FakeIngress, Stack, gateway_stack, outcome, read_answer

# Let the gateway read what was written so far as a part of its own.
PAUSE_SECONDS = 0.002
# Answers differ in these from one to the next.
OF_THE_MOMENT = {"date", "x-request-id", "retry-after"}

targets = st.sampled_from(
    [
        "/api/webhooks/mock",
        "/api/v1/webhooks/mock?a=b&c",
        "/api/webhooks/silent",
        "/api/webhooks/tailed/token-1/x",
        "/api/webhooks/mock/no-tail-here",
        "/api/webhooks/",
        "/api/webhooks/m%6fck",
        "/api/webhooks/mock#fragment",
        "/api/webhooks/unknown",
        "/api/webhooksmock",
        "/up",
    ]
)
methods = st.sampled_from(["POST", "GET", "HEAD", "PUT", "OPTIONS"])
bodies = st.one_of(st.binary(max_size=200), st.just(b"x" * 2_000_000))
framings = st.sampled_from(["length", "chunks", "none"])
extras = st.lists(
    st.sampled_from(
        [
            b"Connection: close",
            b"X-Request-ID: given-by-sender",
            b"Expect: 100-continue",
            b"X-Forwarded-For: 192.0.2.1",
            b"Content-Type: application/json",
            b"X-Large: " + b"a" * 40_000,
        ]
    ),
    unique=True,
    max_size=3,
)


def request_bytes(method: str, target: str, body: bytes, framing: str, headers: list[bytes]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: gateway", *headers]
    match framing:
        case "length":
            lines, sent = [*lines, b"Content-Length: %d" % len(body)], body
        case "chunks":
            half = len(body) // 2
            parts = [part for part in (body[:half], body[half:]) if part]
            lines = [*lines, b"Transfer-Encoding: chunked"]
            sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        case _:
            sent = b""
    return b"\r\n".join([*lines, b"", b""]) + sent


async def answer_to(stack: Stack, method: str, parts: list[bytes]) -> tuple[Answer, bool]:
    """The answer, and whether the connection then ends."""
    reader, writer = await stack.connect()
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(PAUSE_SECONDS)
        if method == "HEAD":
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            return Answer(int(head.split()[1]), {}, b""), b"connection: close" in head
        answer = await read_answer(reader)
        return answer, answer.headers.get("connection") == "close"
    except ConnectionError:
        return Answer(0, {}, b""), True  # refused before all of it was sent
    finally:
        writer.close()


def seen(ingress: FakeIngress) -> list[ingress_pb2.Webhook]:
    webhooks = [ingress_pb2.Webhook.FromString(webhook.SerializeToString()) for webhook in ingress.webhooks]
    for webhook in webhooks:
        if not any(header.name == "x-request-id" for header in webhook.headers):
            webhook.request_id = ""
    ingress.batches.clear()
    return webhooks


@given(
    method=methods,
    target=targets,
    body=bodies,
    framing=framings,
    headers=extras,
    cuts=st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=3),
    disposition=st.sampled_from(["ACCEPTED", "DUPLICATE", "REJECTED", "MALFORMED", "NOT_STORED"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_how_a_request_is_cut_changes_nothing(
    method: str, target: str, body: bytes, framing: str, headers: list[bytes], cuts: list[float], disposition: str
) -> None:
    async def compare() -> None:
        async with gateway_stack() as stack:
            stack.ingress.judge = lambda webhook: outcome(disposition)
            whole = request_bytes(method, target, body, framing, headers)
            places = sorted({int(cut * len(whole)) for cut in cuts} | {0, len(whole)})
            parts = [whole[start:end] for start, end in pairwise(places)]
            at_once, ends = await answer_to(stack, method, [whole])
            passed_on = seen(stack.ingress)
            in_parts, ends_too = await answer_to(stack, method, parts)
            assert 0 in (at_once.status, in_parts.status) or essence(at_once) == essence(in_parts)
            assert 0 in (at_once.status, in_parts.status) or ends == ends_too
            assert seen(stack.ingress) == passed_on

    asyncio.run(compare())


def essence(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    body = b"" if answer.headers.get("content-type") == "application/problem+json" else answer.body
    headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}
    return answer.status, headers, body
