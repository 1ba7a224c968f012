"""The backlog service behind real gRPC, with the real processor behind it, and ways to put events."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from grpc import aio
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from services.admin.backlog import Backlog
from services.admin.backlog_requests import BacklogRequests
from services.admin.backlog_servicer import BacklogServicer
from services.admin.dead_letters import DeadLetters
from services.admin.diagnose import Diagnosis
from services.admin.events import Events
from services.admin.payload import Payloads
from services.admin.processor_client import ProcessorClient
from services.admin.replay import Replay
from services.admin.roles import ROLES
from services.processor.confirm import Confirmation
from services.processor.directives import Directives
from services.processor.lost_claims import LostClaims
from services.processor.metrics import ProcessorMetrics
from services.processor.process import Processor
from services.processor.servicer import ProcessorServicer
from services.processor.unconfirmed import UnconfirmedEvents
from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.backoff import RetryPolicy
from tenrusl.coordination.heartbeats import Heard
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason, UnavailableError
from tenrusl.ids import uuid7
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.providers import PROVIDERS
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.event_store import EventStore
from tests.builders import AUDIT_KEYS, START, FixedClock, new_event

CIPHER = PayloadCipher(bytes(32))
KEYS = {Role.ADMIN: "a" * 40, Role.OPERATOR: "o" * 40, Role.VIEWER: "v" * 40}
NAMES = {Role.ADMIN: "ada", Role.OPERATOR: "olga", Role.VIEWER: "vera"}
SETTINGS = Settings(app_key=Secret("base64:" + "A" * 43 + "="))
REACH = timedelta(hours=12)
Put = Callable[..., Awaitable[UUID]]


class Stack:
    """Stubs by role, and what is behind them. slept: the pauses that a replay made, in seconds; they
    end while `awake` is set."""

    def __init__(self, engine: Engine, clock: FixedClock) -> None:
        self.engine = engine
        self.clock = clock
        self.slept: list[float] = []
        self.awake = asyncio.Event()
        self.awake.set()
        self.redis_answers_in: float | None = 0.001
        self.heard: Heard | None = Heard(alive=1, last_seconds=0.5)
        self.processor_port = 0
        self.target = ""
        self._stubs: dict[Role, Any] = {}

    def stub(self, role: Role) -> Any:
        """Calls with the key of this role."""
        return self._stubs[role]

    async def put(self, *, document: dict[str, object] | None = None, minutes: float = 0, **columns: Any) -> UUID:
        """Stores a mock event that arrives so many minutes after START, then sets columns. document: its payload."""
        at = START + timedelta(minutes=minutes)
        fields = ("payment_ref", "provider", "unauthenticated_body")
        changes = {name: columns.pop(name) for name in fields if name in columns}
        event = new_event(**{"id": uuid7(at), "provider": "mock", **changes})
        sealed = CIPHER.seal(json.dumps(document or {}).encode(), context=event.id.bytes)
        await EventStore(self.engine, partition_days=2).store(
            [event._replace(sealed_payload=sealed)], received_at=at, next_retry_at=at + timedelta(seconds=10)
        )
        if columns:
            assignments = ", ".join(f"{name} = :{name}" for name in columns)
            async with transaction(self.engine) as connection:
                statement = text(f"UPDATE webhook_events SET {assignments} WHERE id = :id")
                await connection.execute(statement, {**columns, "id": event.id})
        return event.id

    async def put_dead_letter(self, **columns: Any) -> UUID:
        """Stores a dead letter."""
        values = {"failure_code": "told_to_fail", "attempts": 12, "next_retry_at": None, "last_attempt_at": START}
        return await self.put(**{"status": "dead_letter", **values, **columns})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serves."""
        processor = await self._start_processor()
        channel = build_channel(f"dns:///127.0.0.1:{self.processor_port}")
        keys = OperatorKeys([key_of(NAMES[role], role, Secret(key)) for role, key in KEYS.items()])
        server = RpcServer(
            name="admin",
            listen=Address("127.0.0.1", 0),
            settings=SETTINGS,
            registry=CollectorRegistry(),
            ready=always_ready,
            steps=(with_operator(keys, ROLES, Failures()),),
        )
        server.add(
            backlog_pb2_grpc.add_BacklogServiceServicer_to_server,
            self._servicer(ProcessorClient(channel)),
            backlog_pb2.DESCRIPTOR.services_by_name["BacklogService"].full_name,
        )
        port = await server.start()
        self.target = f"dns:///127.0.0.1:{port}"
        channels = {
            role: build_channel(f"dns:///127.0.0.1:{port}", metadata=((ADMIN_KEY, key),)) for role, key in KEYS.items()
        }
        self._stubs = {role: backlog_pb2_grpc.BacklogServiceStub(channel) for role, channel in channels.items()}
        yield
        for opened in (channel, *channels.values()):
            await opened.close()
        await server.stop(0)
        await processor.stop(0)

    def _servicer(self, processor: ProcessorClient) -> BacklogServicer:
        async def ping_redis() -> float | None:
            return self.redis_answers_in

        async def hear_processors() -> Heard:
            if self.heard is None:
                raise UnavailableError(Reason.REDIS_UNAVAILABLE, "Redis does not serve")
            return self.heard

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            await self.awake.wait()

        engine, clock = self.engine, self.clock
        return BacklogServicer(
            backlog=Backlog(engine, clock),
            diagnosis=Diagnosis(
                engine=engine,
                ping_redis=ping_redis,
                ping_processor=processor.answers_in,
                hear_processors=hear_processors,
                reach=REACH,
                clock=clock,
                monotonic=lambda: 0.0,
            ),
            events=Events(engine, PROVIDERS),
            payloads=Payloads(engine=engine, cipher=CIPHER, audit_keys=AUDIT_KEYS, clock=clock),
            replay=Replay(
                engine=engine,
                process=processor.process,
                providers=PROVIDERS,
                audit_keys=AUDIT_KEYS,
                clock=clock,
                monotonic=lambda: sum(self.slept),
                sleep=sleep,
            ),
            dead_letters=DeadLetters(engine=engine, providers=PROVIDERS, audit_keys=AUDIT_KEYS, clock=clock),
            processor=processor,
            requests=BacklogRequests(PROVIDERS),
        )

    async def _start_processor(self) -> RpcServer:
        processor = Processor(
            engine=self.engine,
            directives=Directives(self.engine, CIPHER),
            confirmation=Confirmation(providers=("xendit",), confirmers={}, time_limit=timedelta(seconds=10)),
            lost_claims=LostClaims(self.engine, self.clock),
            policy=RetryPolicy(),
            lease=timedelta(seconds=60),
            max_batches=8,
            create_unknown=True,
            clock=self.clock,
            metrics=ProcessorMetrics(CollectorRegistry()),
            rng=random.Random(1),
        )
        server = RpcServer(
            name="processor",
            listen=Address("127.0.0.1", 0),
            settings=SETTINGS,
            registry=CollectorRegistry(),
            ready=always_ready,
        )
        unconfirmed = UnconfirmedEvents(
            engine=self.engine, processor=processor, audit_keys=AUDIT_KEYS, clock=self.clock
        )
        server.add(
            processor_pb2_grpc.add_ProcessorServiceServicer_to_server,
            ProcessorServicer(processor, unconfirmed, self.engine),
            processor_pb2.DESCRIPTOR.services_by_name["ProcessorService"].full_name,
        )
        self.processor_port = await server.start()
        return server


async def everything(stub: Any, **request: Any) -> list[Any]:
    """All events of all pages."""
    found: list[Any] = []
    token = ""
    while True:
        page = await stub.ListEvents(backlog_pb2.ListEventsRequest(page_token=token, **request), timeout=10)
        found += page.events
        token = page.next_page_token
        if not token:
            return found


def event_filter(**fields: Any) -> backlog_pb2.EventFilter:
    """A filter; times as datetimes."""
    message = backlog_pb2.EventFilter()
    for name, value in fields.items():
        if name.startswith("receive_time"):
            getattr(message, name).FromDatetime(value)
        else:
            setattr(message, name, value)
    return message


async def code_of(call: Awaitable[Any]) -> Any:
    """The status code that a call ends with."""
    try:
        await call
    except aio.AioRpcError as exc:
        return exc.code()
    raise AssertionError("the call went through")


def texts(ids: Sequence[UUID]) -> list[str]:
    """Ids as messages have them."""
    return [str(event_id) for event_id in ids]
