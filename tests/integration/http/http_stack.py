"""A real gateway on a free port, in front of a real ingress behind real gRPC, on a real PostgreSQL.

What a test sets: the time, and the environment that the credentials are read from. There is no network to fetch
keys from, or to ask anybody.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.gateway.answers import ProviderAnswers
from services.gateway.bootstrap import build
from services.gateway.server import build_server, listen
from services.ingress.accept import Acceptor
from services.ingress.credentials import CredentialBook
from services.ingress.judge import Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.servicer import IngressServicer
from tenrusl.api.ingress.v1 import ingress_pb2, ingress_pb2_grpc
from tenrusl.crypto import PayloadCipher, decode_app_key
from tenrusl.keysources.https import FetchError
from tenrusl.keysources.source import KeySource
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.keys import KeyRequest
from tenrusl.providers.types import Credentials
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings, load
from tenrusl.store.engine import Engine, build_engine, is_ready, transaction
from tenrusl.store.event_store import EventStore
from tests.builders import rows
from tests.integration.gateway.gateway_stack import Answer, read_answer

LOCAL = Address("127.0.0.1", 0)
# The tests' own address is that of a proxy, so that X-Forwarded-For tells where a request comes from.
ENVIRON = {"APP_KEY": "base64:" + "A" * 43 + "=", "TENRUSL_TRUSTED_PROXIES": "127.0.0.1/32"}
_TABLES = ("webhook_events", "webhook_payloads", "webhook_transmissions")


class SettableClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class SettableCredentials(Mapping[str, Credentials]):
    """Credentials that a test has read anew."""

    def __init__(self) -> None:
        self.book: Mapping[str, Credentials] = {}

    def __getitem__(self, provider: str) -> Credentials:
        return self.book[provider]

    def __iter__(self) -> Iterator[str]:
        return iter(self.book)

    def __len__(self) -> int:
        return len(self.book)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What goes over the socket. target: path and query, as in the request line."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def encode(self, *, is_chunked: bool = False) -> bytes:
        """The bytes, with Host and the body's length; chunked in pieces of at most seven bytes."""
        framing = ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(len(self.body)))
        if not self.body and self.method == "GET":
            framing = ("Accept", "*/*")
        lines = [("Host", "gateway.example"), *self.headers, framing, ("Connection", "close")]
        head = "".join(f"{name}: {value}\r\n" for name, value in lines)
        start = f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
        return start + (_chunks(self.body) if is_chunked else self.body)


def _chunks(body: bytes) -> bytes:
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A row of webhook_events, and its payload in clear."""

    id: UUID
    provider: str
    event_id: str
    event_type: str
    status: str
    payment_status: str | None
    payment_ref: str | None
    provider_ref: str | None
    merchant_ref: str | None
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime | None
    received_at: datetime
    deliveries: int
    source_ip: str
    signature_version: str
    unauthenticated_body: bool
    payload: bytes


_COLUMNS = [name for name in StoredEvent.__dataclass_fields__ if name != "payload"]
_EVENTS = (
    f"SELECT {', '.join(f'e.{name}' for name in _COLUMNS)}, p.body FROM webhook_events e"
    " JOIN webhook_payloads p ON p.webhook_event_id = e.id ORDER BY e.id"
)


@dataclass(kw_only=True)
class HttpStack:
    """handed_off: ids of events that the processor would have been told. asked: who was called over the network."""

    port: int
    engine: Engine
    cipher: PayloadCipher
    clock: SettableClock
    credentials: SettableCredentials
    handed_off: list[UUID] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def configure(self, environ: Mapping[str, str], now: float) -> None:
        """Reads and checks credentials as ingress does when it starts, and sets the time. Raises SettingsError."""
        self.clock.time = datetime.fromtimestamp(now, UTC)
        self.credentials.book = {}
        self.credentials.book = CredentialBook(PROVIDERS, load({**ENVIRON, **environ}).credentials)

    async def send(self, data: bytes) -> Answer:
        """Sends bytes as they are over a connection of their own, and reads one answer."""
        return await send_to(self.port, data)

    async def events(self) -> list[StoredEvent]:
        """Every event with its payload."""
        found = []
        for *columns, sealed in await rows(self.engine, _EVENTS):
            named = dict(zip(_COLUMNS, columns, strict=True))
            found.append(StoredEvent(**named, payload=self.cipher.open(sealed, context=named["id"].bytes)))
        return found

    async def stored_rows(self) -> dict[str, int]:
        """How many rows each table has that a webhook may leave something in."""
        sql = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in _TABLES)
        return {str(table): int(number) for table, number in await rows(self.engine, sql)}

    async def clear(self) -> None:
        """As new, for the next test."""
        self.handed_off.clear()
        self.asked.clear()
        async with transaction(self.engine) as connection:
            for table in _TABLES:
                await connection.exec_driver_sql(f"DELETE FROM {table}")


async def send_to(port: int, data: bytes) -> Answer:
    """As `HttpStack.send`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        return await read_answer(reader)
    finally:
        writer.close()


@asynccontextmanager
async def http_stack(database_url: str) -> AsyncIterator[HttpStack]:
    """Serves until left."""
    settings = load(ENVIRON)
    stack = HttpStack(
        port=0,
        engine=build_engine(database_url, service="test", pool_size=4),
        cipher=PayloadCipher(decode_app_key(settings.app_key)),
        clock=SettableClock(),
        credentials=SettableCredentials(),
    )
    try:
        async with _ingress(stack, settings) as target, running_gateway(target) as stack.port:
            yield stack
    finally:
        await stack.engine.dispose()


@asynccontextmanager
async def _ingress(stack: HttpStack, settings: Settings) -> AsyncIterator[str]:
    """The gRPC target of a running ingress, built as its process builds it."""
    registry = CollectorRegistry()

    async def fetch(request: KeyRequest) -> bytes:
        stack.asked.append(request.url)
        raise FetchError("there is no network")

    async def post(host: str, path: str, *, authorization: Secret, content_type: str, body: bytes) -> bytes:
        stack.asked.append(host + path)
        raise FetchError("there is no network")

    keys, postback = KeySource(fetch, stack.clock), Postback(post, stack.clock)
    acceptor = Acceptor(
        judge=Judge(
            providers=PROVIDERS,
            allowed=settings.allowed_providers,
            credentials=stack.credentials,
            cipher=stack.cipher,
        ),
        keys=keys,
        postback=postback,
        store=EventStore(stack.engine, partition_days=2),
        hand_off=stack.handed_off.extend,
        handoff_delay=settings.handoff_delay,
        clock=stack.clock,
        metrics=IngressMetrics(registry, PROVIDERS),
    )
    server = RpcServer(
        name="ingress", listen=LOCAL, settings=settings, registry=registry, ready=lambda: is_ready(stack.engine)
    )
    server.add(
        ingress_pb2_grpc.add_IngressServiceServicer_to_server,
        IngressServicer(acceptor),
        ingress_pb2.DESCRIPTOR.services_by_name["IngressService"].full_name,
    )
    port = await server.start()
    try:
        yield f"dns:///127.0.0.1:{port}"
    finally:
        await server.stop()
        await keys.close()
        await postback.close()


@asynccontextmanager
async def running_gateway(ingress: str, processor: str = "") -> AsyncIterator[int]:
    """The port of a running gateway, in front of these gRPC targets."""
    settings = load(ENVIRON | {"TENRUSL_INGRESS_TARGET": ingress, "TENRUSL_PROCESSOR_TARGET": processor or ingress})
    answers = {
        name: ProviderAnswers(
            replies=provider.replies, methods=provider.methods, takes_path_tail=provider.takes_path_tail
        )
        for name, provider in PROVIDERS.items()
    }
    gateway = build(settings, CollectorRegistry(), answers)
    listener = listen(LOCAL)
    server = build_server(gateway.app, 1, gateway.takes_whole)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        await gateway.close()
