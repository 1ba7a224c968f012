"""Webhooks over real connections: what is passed on, what is answered, and what is refused before ingress sees it."""

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_network
from uuid import UUID

import pytest
import structlog
from prometheus_client import generate_latest

from tenrusl.errors import Reason, UnavailableError
from tests.integration.gateway.gateway_stack import (
    Answer,
    Stack,
    always,
    eventually,
    gateway_stack,
    outcome,
    read_answer,
)

SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def is_well_guarded(answer: Answer) -> bool:
    return (
        answer.headers.items() >= SECURITY.items()
        and "server" not in answer.headers
        and bool(answer.headers["x-request-id"])
        and len(answer.names) == len(set(answer.names))
    )


@pytest.mark.parametrize("prefix", ["/api/webhooks/", "/api/v1/webhooks/"])
async def test_a_webhook_reaches_ingress_unchanged(prefix: str) -> None:
    body = bytes(range(256))
    async with gateway_stack() as stack:
        answer = await stack.raw(
            b"POST " + prefix.encode() + b"mock?a=%20b&c HTTP/1.1\r\nHost: x\r\nX-Sig: one\r\nx-sig: tw\xf6\r\n"
            b"X-Request-ID: request-0001\r\nContent-Length: 256\r\n\r\n" + body
        )
        (webhook,) = stack.ingress.webhooks
        (metadata,) = stack.ingress.metadata
    assert (answer.status, answer.body) == (202, b'{"ok":true}')
    assert answer.headers["content-type"] == "application/json"
    assert is_well_guarded(answer)
    assert (webhook.provider, webhook.method, webhook.body) == ("mock", "POST", body)
    assert (webhook.path, webhook.query) == (prefix + "mock", "a=%20b&c")
    assert [(header.name, header.value) for header in webhook.headers] == [
        ("host", "x"),
        ("x-sig", "one"),
        ("x-sig", "twö"),
        ("x-request-id", "request-0001"),
        ("content-length", "256"),
    ]
    assert webhook.source_ip == "127.0.0.1"
    assert webhook.request_id == answer.headers["x-request-id"] == metadata["x-request-id"] == "request-0001"


async def test_the_path_stays_percent_encoded() -> None:
    async with gateway_stack() as stack:
        await stack.request("POST", "/api/webhooks/m%6fck", b"{}")
        (webhook,) = stack.ingress.webhooks
    assert (webhook.provider, webhook.path) == ("mock", "/api/webhooks/m%6fck")


@pytest.mark.parametrize("given", ["short", "has space here", "x" * 129, ""])
async def test_a_malformed_request_id_is_replaced(given: str) -> None:
    async with gateway_stack() as stack:
        answer = await stack.post(X_Request_ID=given)
        (webhook,) = stack.ingress.webhooks
    assert webhook.request_id == answer.headers["x-request-id"] != given
    assert UUID(webhook.request_id).version == 7


@pytest.mark.parametrize(
    ("disposition", "reason", "status", "shown"),
    [
        ("ACCEPTED", "UNSPECIFIED", 202, None),
        ("DUPLICATE", "UNSPECIFIED", 200, None),
        ("REJECTED", "SIGNATURE_MISMATCH", 401, None),
        ("UNKNOWN_PROVIDER", "PROVIDER_NOT_ALLOWED", 404, "PROVIDER_UNKNOWN"),
        ("UNSUPPORTED_MEDIA_TYPE", "CONTENT_TYPE_UNSUPPORTED", 415, "CONTENT_TYPE_UNSUPPORTED"),
        ("MALFORMED", "BODY_TOO_DEEP", 400, "BODY_TOO_DEEP"),
        ("METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED", 405, "METHOD_NOT_ALLOWED"),
        ("NOT_STORED", "DATABASE_UNAVAILABLE", 503, "DATABASE_UNAVAILABLE"),
        ("NOT_STORED", "KEY_UNAVAILABLE", 503, "SERVICE_UNAVAILABLE"),
        ("NOT_STORED", "VERIFICATION_UNAVAILABLE", 503, "SERVICE_UNAVAILABLE"),
        ("REJECTED", "KEY_UNTRUSTED", 401, None),
        ("REJECTED", "TRANSMISSION_REUSED", 401, None),
        ("UNSPECIFIED", "UNSPECIFIED", 503, None),
    ],
)
async def test_each_outcome_has_its_answer(disposition: str, reason: str, status: int, shown: str | None) -> None:
    async with gateway_stack() as stack:
        stack.ingress.judge = lambda webhook: outcome(disposition, reason)
        answer = await stack.post()
    assert answer.status == status
    assert is_well_guarded(answer)
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == status
        assert answer.json.get("reason") == shown
    assert ("retry-after" in answer.headers) == (status == 503)
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    if status == 503:
        assert 1 <= int(answer.headers["retry-after"]) <= 5


async def test_a_reply_without_a_body_says_nothing_about_its_length() -> None:
    async with gateway_stack() as stack:
        answer = await stack.post(provider="silent")
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers


async def test_rejections_are_the_same_bytes_whatever_the_cause_and_logged_with_it() -> None:
    reasons = ["SIGNATURE_MISSING", "SIGNATURE_MISMATCH", "TIMESTAMP_STALE", "CREDENTIALS_MISSING", "HEADER_DUPLICATED"]
    answers = []
    async with gateway_stack() as stack:
        with structlog.testing.capture_logs() as lines:
            for number, reason in enumerate(reasons):
                stack.ingress.judge = always(outcome("REJECTED", reason))
                answers.append(await stack.post(X_Request_ID=f"request-{number}"))
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert {frozenset(answer.headers) for answer in answers} == {frozenset(answers[0].headers)}
    assert "www-authenticate" not in answers[0].headers
    logged = [line for line in lines if line["event"] == "webhook rejected"]
    assert [line["reason"] for line in logged] == reasons
    assert [line["request_id"] for line in logged] == [f"request-{number}" for number in range(5)]
    assert {line["log_level"] for line in logged} == {"warning"}


@pytest.mark.parametrize("name", ["Stripe", "str ipe", "a" * 65, "", "mock/", "mock%2Fx", "..", "m%C3%B6ck", "mock-1"])
async def test_a_name_that_no_provider_can_have_is_not_found(name: str) -> None:
    async with gateway_stack() as stack:
        answer = await stack.request("POST", f"/api/webhooks/{name.replace(' ', '%20')}", b"{}")
        assert stack.ingress.batches == []
    assert answer.status == 404
    assert answer.json["reason"] == "PROVIDER_UNKNOWN"
    assert is_well_guarded(answer)


async def test_get_is_passed_on_and_other_methods_are_refused() -> None:
    async with gateway_stack() as stack:
        got = await stack.request("GET", "/api/webhooks/silent?verify=1")
        refused = [await stack.request(method, "/api/webhooks/silent", b"{}") for method in ("PUT", "DELETE", "PATCH")]
        (webhook,) = stack.ingress.webhooks
    assert (webhook.method, webhook.query) == ("GET", "verify=1")
    assert got.status == 204
    assert {(answer.status, answer.headers["allow"]) for answer in refused} == {(405, "GET, POST")}


async def test_an_empty_body_is_for_ingress_to_judge() -> None:
    async with gateway_stack() as stack:
        await stack.post(b"")
        (webhook,) = stack.ingress.webhooks
    assert webhook.body == b""


async def test_a_body_at_the_limit_passes_and_one_byte_more_is_refused_unread() -> None:
    async with gateway_stack(max_body_bytes=200_000) as stack:
        assert (await stack.post(b"x" * 200_000)).status == 202
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 200001\r\n\r\n")
        answer = await read_answer(reader)  # not one byte of the body was sent
        writer.close()
        assert [len(webhook.body) for webhook in stack.ingress.webhooks] == [200_000]
        assert stack.metric("tenrusl_http_bodies_refused_total", why="too_large") == 1
    assert answer.status == 413
    assert is_well_guarded(answer)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_a_client_that_sends_a_large_body_anyway_sees_the_answer(connection: str) -> None:
    async with gateway_stack(max_body_bytes=2048) as stack:
        answer = await stack.post(b"x" * (4 * 1024 * 1024), Connection=connection)
        assert stack.ingress.batches == []
    assert answer.status == 413


async def test_a_chunked_body_is_refused_as_soon_as_it_exceeds_the_limit() -> None:
    async with gateway_stack(max_body_bytes=2048) as stack:
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        writer.write(b"401\r\n" + b"x" * 1025 + b"\r\n")  # and no end: more could come for ever
        answer = await read_answer(reader)
        writer.close()
        assert stack.ingress.batches == []
    assert answer.status == 413


async def test_a_chunked_body_within_the_limit_is_put_together() -> None:
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        writer.write(b"6\r\n world\r\n0\r\n\r\n")
        assert (await read_answer(reader)).status == 202
        writer.close()
        (webhook,) = stack.ingress.webhooks
    assert webhook.body == b"hello world"


async def test_a_refused_body_does_not_hold_the_connection_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.protocol.DROP_SECONDS", 0.2)
    async with gateway_stack(max_body_bytes=2048) as stack:
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nx")
        assert (await read_answer(reader)).status == 413
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_slow_body_is_given_up() -> None:
    async with gateway_stack(body_timeout=timedelta(seconds=0.2)) as stack:
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        answer = await read_answer(reader)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        assert stack.ingress.batches == []
        assert stack.metric("tenrusl_http_bodies_refused_total", why="too_slow") == 1
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "start",
    [
        b"Content-Length: 10\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_an_upload_that_is_cut_off_reaches_nobody(start: bytes) -> None:
    async with gateway_stack() as stack:
        _, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\n" + start)
        await writer.drain()
        writer.close()
        await eventually(lambda: stack.metric("tenrusl_http_bodies_refused_total", why="client_gone") == 1)
        assert stack.ingress.batches == []
        assert (await stack.post()).status == 202


async def test_a_client_that_leaves_before_its_answer_harms_nobody() -> None:
    async with gateway_stack() as stack:
        stack.ingress.release.clear()
        _, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.wait_for(stack.ingress.arrived.wait(), 10)
        writer.close()
        stack.ingress.release.set()
        assert (await stack.post()).status == 202


async def test_ten_megabytes_of_headers_are_refused() -> None:
    async with gateway_stack() as stack:
        answer = await stack.raw(
            b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 10_000_000 + b"\r\n\r\n"
        )
        assert stack.ingress.batches == []
        assert (await stack.post()).status == 202
    assert answer.status == 431
    assert is_well_guarded(answer)


@pytest.mark.parametrize("extra", [b"X: y\r\n" * 130, b"X: " + b"y" * 33_000 + b"\r\n"])
@pytest.mark.parametrize("path", [b"/api/webhooks/mock", b"/api/v1/payments", b"/up"])
async def test_too_many_or_too_large_headers_are_refused(extra: bytes, path: bytes) -> None:
    async with gateway_stack() as stack:
        answer = await stack.raw(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + extra + b"Content-Length: 2\r\n\r\n{}")
        assert stack.ingress.batches == []
    assert answer.status == 431
    assert is_well_guarded(answer)


async def test_a_head_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.protocol.HEAD_SECONDS", 0.2)
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        reader, writer = await stack.connect()  # and so is a connection that says nothing
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /api/webhooks/mock HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /api/webhooks/mock HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /api/webhooks/mock HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /api/webhooks/mock HTTP/1.1\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/webhooks/m\xf6ck HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_what_is_no_http_is_a_bad_request(data: bytes) -> None:
    async with gateway_stack() as stack:
        answer = await stack.raw(data)
        assert stack.ingress.batches == []
    assert answer.status == 400
    assert is_well_guarded(answer)


async def test_a_connection_is_used_again() -> None:
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        for number in range(3):
            body = json.dumps({"n": number}).encode()
            writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n" + body)
            assert (await read_answer(reader)).status == 202
        writer.close()
        assert [webhook.body for webhook in stack.ingress.webhooks] == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']


async def test_head_has_no_body_so_the_next_answer_is_read_right() -> None:
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        request = b"%s /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        writer.write(request % b"HEAD" + request % b"POST")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ")
        assert (await read_answer(reader)).status == 202
        writer.close()


async def test_pipelined_webhooks_are_answered_in_order() -> None:
    one = b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\nX-Request-ID: request-%d\r\nContent-Length: 2\r\n\r\n{}"
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(b"".join(one % number for number in range(5)))
        ids = [(await read_answer(reader)).headers["x-request-id"] for _ in range(5)]
        writer.close()
    assert ids == [f"request-{number}" for number in range(5)]


async def test_forwarded_addresses_are_believed_from_trusted_proxies_only() -> None:
    async def seen(stack: Stack) -> str:
        stack.ingress.batches.clear()
        await stack.post(X_Forwarded_For="1.2.3.4, 203.0.113.7, 10.0.0.9")
        return stack.ingress.webhooks[0].source_ip

    async with gateway_stack() as stack:
        assert await seen(stack) == "127.0.0.1"
    trusted = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
    async with gateway_stack(trusted_proxies=trusted) as stack:
        assert await seen(stack) == "203.0.113.7"


async def test_without_ingress_nothing_is_acknowledged() -> None:
    async with gateway_stack() as stack:
        await stack.ingress_server.stop()
        with structlog.testing.capture_logs() as lines:
            answers = await asyncio.gather(*(stack.post() for _ in range(5)))
    assert {answer.status for answer in answers} == {503}
    assert all(1 <= int(answer.headers["retry-after"]) <= 5 for answer in answers)
    assert "127.0.0.1" not in answers[0].body.decode()
    assert {line["log_level"] for line in lines if line["event"] == "webhooks not stored"} == {"warning"}


@pytest.mark.parametrize("error", [UnavailableError(Reason.DATABASE_UNAVAILABLE, "down"), KeyError("a defect")])
async def test_an_error_of_the_whole_batch_acknowledges_nothing(error: Exception) -> None:
    async with gateway_stack() as stack:
        stack.ingress.error = error
        answer = await stack.post()
        stack.ingress.error = None
        assert (await stack.post()).status == 202
    assert answer.status == 503
    assert "retry-after" in answer.headers


async def test_an_ingress_that_hangs_is_given_up_at_the_deadline() -> None:
    async with gateway_stack(accept_timeout=timedelta(seconds=0.3)) as stack:
        stack.ingress.release.clear()
        answer = await stack.post()
    assert answer.status == 503


async def test_waiting_webhooks_are_bounded_and_batched_when_busy() -> None:
    async with gateway_stack(batch_max_in_flight=1, batch_max_webhooks=8, max_waiting_webhooks=20) as stack:
        stack.ingress.release.clear()
        first = asyncio.create_task(stack.post())
        await asyncio.wait_for(stack.ingress.arrived.wait(), 10)
        waiting = [asyncio.create_task(stack.post()) for _ in range(20)]
        await eventually(lambda: stack.metric("tenrusl_gateway_waiting_webhooks") == 20)
        refused = await stack.post()
        stack.ingress.release.set()
        answers = await asyncio.gather(first, *waiting)
        assert [len(batch) for batch in stack.ingress.batches] == [1, 8, 8, 4]
    assert refused.status == 503
    assert refused.json["reason"] == "OVERLOADED"
    assert {answer.status for answer in answers} == {202}


async def test_one_bad_webhook_in_a_batch_leaves_its_neighbours_accepted() -> None:
    async with gateway_stack(batch_max_in_flight=1) as stack:
        stack.ingress.judge = lambda webhook: (
            outcome("REJECTED", "SIGNATURE_MISMATCH") if webhook.body == b"bad" else outcome("ACCEPTED")
        )
        stack.ingress.release.clear()
        first = asyncio.create_task(stack.post())
        await asyncio.wait_for(stack.ingress.arrived.wait(), 10)
        others = [asyncio.create_task(stack.post(body)) for body in (b"good", b"bad", b"fine")]
        await eventually(lambda: stack.metric("tenrusl_gateway_waiting_webhooks") == 3)
        stack.ingress.release.set()
        answers = await asyncio.gather(first, *others)
        assert len(stack.ingress.batches) == 2
    assert [answer.status for answer in answers] == [202, 202, 401, 202]


async def test_a_batch_is_one_log_line() -> None:
    async with gateway_stack() as stack:
        with structlog.testing.capture_logs() as lines:
            await stack.post(X_Request_ID="request-1")
    (line,) = [line for line in lines if line["event"] == "webhooks"]
    assert (line["accepted"], line["request_ids"]) == (1, ["request-1"])


@pytest.mark.parametrize("prefix", ["/api/webhooks/", "/api/v1/webhooks/"])
@pytest.mark.parametrize("tail", ["hush-%2Ftoken", "order_id/1/token/hush-token", "hush-token/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("disposition", ["ACCEPTED", "REJECTED", "MALFORMED", "NOT_STORED", "UNKNOWN_PROVIDER"])
async def test_a_token_behind_the_name_goes_to_ingress_and_into_no_log_or_metric(
    prefix: str, tail: str, method: str, disposition: str
) -> None:
    async with gateway_stack() as stack:
        stack.ingress.judge = always(outcome(disposition))
        with structlog.testing.capture_logs() as logs:
            answer = await stack.request(method, f"{prefix}tailed/{tail}?token=hush-query")
        (webhook,) = stack.ingress.webhooks
        metrics = generate_latest(stack.registry)
    assert (webhook.provider, webhook.path, webhook.query) == ("tailed", f"{prefix}tailed/{tail}", "token=hush-query")
    assert logs
    assert "hush" not in str(logs)
    assert b"hush" not in metrics
    assert b"hush" not in answer.body + str(answer.headers).encode()


@pytest.mark.parametrize(
    "path",
    [
        "/api/webhooks/silent/hush",
        "/api/webhooks/nosuch/hush",
        "/api/webhooks/tailed/",
        "/api/webhooks//hush",
        "/api/webhook/tailed/hush",
        "/api/v2/webhooks/tailed/hush",
        "/api//webhooks/tailed/hush",
    ],
)
async def test_any_other_address_with_a_tail_is_not_found_and_not_logged(path: str) -> None:
    async with gateway_stack() as stack:
        with structlog.testing.capture_logs() as logs:
            answer = await stack.request("POST", f"{path}?token=hush", b"{}")
    assert answer.status == 404
    assert not stack.ingress.webhooks
    assert "hush" not in str(logs)
