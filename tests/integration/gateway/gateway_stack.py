"""A real gateway on a free port, in front of ingress and payment services that do what a test tells them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from grpc import aio
from prometheus_client import CollectorRegistry

from services.gateway.answers import ProviderAnswers
from services.gateway.bootstrap import GatewayParts, build
from services.gateway.server import Server, build_server, listen
from tenrusl.api.admin.v1 import backlog_pb2_grpc, payments_pb2_grpc
from tenrusl.api.ingress.v1 import ingress_pb2, ingress_pb2_grpc, throttle_pb2, throttle_pb2_grpc
from tenrusl.api.processor.v1 import payment_pb2_grpc
from tenrusl.providers.replies import REJECTED
from tenrusl.providers.types import Outcome, Reply
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings

APP_KEY = Secret("base64:" + "A" * 43 + "=")
LOCAL = Address("127.0.0.1", 0)
PROVIDERS = {
    "mock": ProviderAnswers(
        replies={
            Outcome.ACCEPTED: Reply(202, b'{"ok":true}', "application/json"),
            Outcome.DUPLICATE: Reply(200, b"OK", "text/plain"),
            Outcome.REJECTED: REJECTED,
        },
        methods=frozenset({"POST"}),
    ),
    "silent": ProviderAnswers(
        replies={Outcome.ACCEPTED: Reply(204), Outcome.DUPLICATE: Reply(204), Outcome.REJECTED: REJECTED},
        methods=frozenset({"GET", "POST"}),
    ),
    "tailed": ProviderAnswers(
        replies={Outcome.ACCEPTED: Reply(200), Outcome.DUPLICATE: Reply(200), Outcome.REJECTED: REJECTED},
        methods=frozenset({"GET", "POST"}),
        takes_path_tail=True,
    ),
}

Judge = Callable[[ingress_pb2.Webhook], ingress_pb2.WebhookOutcome]


def outcome(disposition: str, reason: str = "UNSPECIFIED") -> ingress_pb2.WebhookOutcome:
    return ingress_pb2.WebhookOutcome(disposition=f"WEBHOOK_DISPOSITION_{disposition}", reason=f"ERROR_REASON_{reason}")


def always(answer: ingress_pb2.WebhookOutcome) -> Judge:
    return lambda webhook: answer


class FakeIngress(ingress_pb2_grpc.IngressServiceServicer):
    """Accepts everything, unless told otherwise."""

    def __init__(self) -> None:
        self.batches: list[list[ingress_pb2.Webhook]] = []
        self.metadata: list[dict[str, Any]] = []
        self.judge: Judge = always(outcome("ACCEPTED"))
        self.error: Exception | None = None
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.is_ready = True

    @property
    def webhooks(self) -> list[ingress_pb2.Webhook]:
        return [webhook for batch in self.batches for webhook in batch]

    async def ready(self) -> bool:
        return self.is_ready

    async def AcceptWebhooks(  # noqa: N802 - the RPC's name
        self, request: ingress_pb2.AcceptWebhooksRequest, context: aio.ServicerContext[Any, Any]
    ) -> ingress_pb2.AcceptWebhooksResponse:
        self.batches.append(list(request.webhooks))
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.arrived.set()
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return ingress_pb2.AcceptWebhooksResponse(outcomes=[self.judge(webhook) for webhook in request.webhooks])


class FakePayments(payment_pb2_grpc.PaymentServiceServicer):
    """Answers every method by `answer(request)`, which may raise a TenruslError."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.answer: Callable[[Any], Any] = lambda request: None

    async def _any(self, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        return self.answer(request)

    CreatePayment = GetPayment = GetPaymentByReference = ListPayments = _any


class FakeAdmin(payments_pb2_grpc.PaymentsServiceServicer, backlog_pb2_grpc.BacklogServiceServicer):
    """Answers what operators ask by `answer(request)`, which may raise a TenruslError."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.answer: Callable[[Any], Any] = lambda request: None

    async def _any(self, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        return self.answer(request)

    ListPayments = ListEvents = GetBacklog = _any


class FakeThrottleFeed(throttle_pb2_grpc.ThrottleFeedServiceServicer):
    """Tells `limits`, or fails with `error`."""

    def __init__(self) -> None:
        self.limits: dict[str, float] = {}
        self.error: Exception | None = None

    async def GetThrottles(  # noqa: N802 - the RPC's name
        self, request: throttle_pb2.GetThrottlesRequest, context: aio.ServicerContext[Any, Any]
    ) -> throttle_pb2.GetThrottlesResponse:
        if self.error is not None:
            raise self.error
        throttles = [
            throttle_pb2.ProviderThrottle(provider=provider, requests_per_second=limit)
            for provider, limit in self.limits.items()
        ]
        return throttle_pb2.GetThrottlesResponse(throttles=throttles)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    names: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stack:
    port: int
    ingress: FakeIngress
    payments: FakePayments
    admin: FakeAdmin
    throttle_feed: FakeThrottleFeed
    ingress_server: RpcServer
    ingress_port: int
    gateway: GatewayParts
    server: Server
    registry: CollectorRegistry

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        lines = {"Host": "gateway", "Content-Length": str(len(body)), "Connection": "close"} | dict(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return await self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)

    async def raw(self, data: bytes) -> Answer:
        """Sends bytes as they are and reads one answer."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            await writer.drain()
            return await read_answer(reader)
        finally:
            writer.close()

    async def post(self, body: bytes = b"{}", provider: str = "mock", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request(
            "POST", f"/api/webhooks/{provider}", body, {"Content-Type": "application/json"} | named
        )

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        headers = dict(pairs)
        status = int(status_line.split()[1])
        if status == 100:
            return await read_answer(reader)
        length = int(headers.get("content-length", "0"))
        return Answer(status, headers, await reader.readexactly(length), [name for name, _ in pairs])


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    for _ in range(1000):
        result = condition()
        if result is True or (not isinstance(result, bool) and await result):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within ten seconds")


@asynccontextmanager
async def gateway_stack(**settings: Any) -> AsyncIterator[Stack]:
    ingress, payments, admin, throttle_feed = FakeIngress(), FakePayments(), FakeAdmin(), FakeThrottleFeed()
    base = Settings(app_key=APP_KEY)
    ingress_server = RpcServer(
        name="ingress", listen=LOCAL, settings=base, registry=CollectorRegistry(), ready=ingress.ready
    )
    ingress_server.add(
        ingress_pb2_grpc.add_IngressServiceServicer_to_server, ingress, "tenrusl.api.ingress.v1.IngressService"
    )
    ingress_server.add(
        payment_pb2_grpc.add_PaymentServiceServicer_to_server, payments, "tenrusl.api.processor.v1.PaymentService"
    )
    ingress_server.add(
        throttle_pb2_grpc.add_ThrottleFeedServiceServicer_to_server,
        throttle_feed,
        "tenrusl.api.ingress.v1.ThrottleFeedService",
    )
    ingress_server.add(
        payments_pb2_grpc.add_PaymentsServiceServicer_to_server, admin, "tenrusl.api.admin.v1.PaymentsService"
    )
    ingress_server.add(
        backlog_pb2_grpc.add_BacklogServiceServicer_to_server, admin, "tenrusl.api.admin.v1.BacklogService"
    )
    ingress_port = await ingress_server.start()
    target = f"dns:///127.0.0.1:{ingress_port}"
    registry = CollectorRegistry()
    targets = dict.fromkeys(("ingress_target", "processor_target", "admin_target"), target)
    gateway = build(
        Settings(app_key=APP_KEY, **(targets | settings)),
        registry,
        PROVIDERS,
    )
    listener = listen(LOCAL)
    server = build_server(gateway.app, 1, gateway.takes_whole)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Stack(
            port=listener.getsockname()[1],
            ingress=ingress,
            payments=payments,
            admin=admin,
            throttle_feed=throttle_feed,
            ingress_server=ingress_server,
            ingress_port=ingress_port,
            gateway=gateway,
            server=server,
            registry=registry,
        )
    finally:
        ingress.release.set()
        server.should_exit = True
        await serving
        await gateway.close()
        await ingress_server.stop()
