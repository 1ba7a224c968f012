"""The gateway obeys the limits that operators set, without asking anybody about a webhook."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tenrusl.errors import Reason, UnavailableError
from tests.integration.gateway.gateway_stack import Answer, Stack, eventually, gateway_stack, read_answer


@asynccontextmanager
async def limited(**settings: Any) -> AsyncIterator[Stack]:
    """A gateway that keeps its limits."""
    async with gateway_stack(**settings) as stack:
        keeping = asyncio.create_task(stack.gateway.keep_limits())
        try:
            yield stack
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping


async def reads(stack: Stack, result: str, more: int = 1) -> None:
    """Waits until limits were asked for so many times more."""
    before = stack.metric("tenrusl_throttle_reads_total", result=result)
    await eventually(lambda: stack.metric("tenrusl_throttle_reads_total", result=result) >= before + more)


async def limit_is(stack: Stack, limit: float) -> None:
    await eventually(lambda: stack.metric("tenrusl_throttle_per_second", provider="mock") == limit)


def is_refusal(answer: Answer) -> bool:
    return answer.status == 429


async def test_a_limit_set_and_cleared_at_run_time_is_obeyed() -> None:
    async with limited() as stack:
        await reads(stack, "ok")
        assert [(await stack.post()).status for _ in range(5)] == [202] * 5
        stack.throttle_feed.limits = {"mock": 0.01}
        await limit_is(stack, 0.01)
        answers = [await stack.post() for _ in range(5)]
        assert [answer.status for answer in answers] == [202, 429, 429, 429, 429]
        refused = answers[-1]
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 90
        assert refused.json["reason"] == Reason.THROTTLED
        assert refused.json["status"] == 429
        assert refused.json["request_id"] == refused.headers["x-request-id"]
        assert (await stack.post(provider="silent")).status == 204
        assert len(stack.ingress.webhooks) == 7
        assert stack.metric("tenrusl_throttled_webhooks_total", limit="provider", provider="mock") == 4
        assert stack.metric("tenrusl_http_requests_total", route="webhooks", status="429") == 4
        stack.throttle_feed.limits = {}
        await limit_is(stack, 0)
        assert (await stack.post()).status == 202


async def test_while_nobody_answers_the_known_limits_stay() -> None:
    async with limited() as stack:
        stack.throttle_feed.limits = {"mock": 0.01}
        await limit_is(stack, 0.01)
        assert (await stack.post()).status == 202
        stack.throttle_feed.error = UnavailableError(Reason.DATABASE_UNAVAILABLE, "the database does not answer")
        await reads(stack, "failed")
        assert is_refusal(await stack.post())
        await stack.ingress_server.stop()
        await reads(stack, "failed", 2)
        assert is_refusal(await stack.post())


async def test_a_webhook_over_the_limit_is_refused_before_its_body_is_read() -> None:
    async with limited(throttle_provider_rate=0.01) as stack:
        assert (await stack.post()).status == 202
        reader, writer = await stack.connect()
        writer.write(b"POST /api/webhooks/mock HTTP/1.1\r\nHost: g\r\nContent-Length: 1000\r\n\r\n")
        assert is_refusal(await read_answer(reader))
        writer.close()


async def test_the_default_limit_of_a_source_address() -> None:
    async with limited(throttle_source_rate=0.01) as stack:
        assert (await stack.post()).status == 202
        assert is_refusal(await stack.post(provider="silent"))
        assert stack.metric("tenrusl_throttled_webhooks_total", limit="source", provider="silent") == 1
        assert (await stack.request("GET", "/up")).status == 200
