"""Rejected webhooks through real gRPC: admin, and behind it an ingress whose secret was wrong."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import CollectorRegistry

from services.admin.rejected import RejectedWebhooks
from services.admin.rejected_servicer import RejectedServicer
from services.admin.roles import ROLES
from services.ingress.accept import Acceptor
from services.ingress.judge import Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.quarantine import Quarantine
from services.ingress.quarantine_servicer import QuarantineServicer
from services.ingress.reverify import Reverification
from services.ingress.servicer import to_delivery
from tenrusl.api.admin.v1 import rejected_pb2, rejected_pb2_grpc
from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.ingress.v1 import ingress_pb2, quarantine_pb2, quarantine_pb2_grpc
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason
from tenrusl.keysources.https import HttpsClient
from tenrusl.keysources.source import KeySource
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, SecretVersion
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.context import REQUEST_ID_KEY
from tenrusl.rpc.errors import reason_of, violations_of
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.simulator.signing import sign_webhook
from tenrusl.store.engine import Engine
from tenrusl.store.event_store import EventStore
from tenrusl.store.rejected import Bounds
from tests.builders import AUDIT_KEYS, START, FixedClock, rows

OPERATOR, VIEWER = "o" * 40, "v" * 40
KEYS = OperatorKeys([key_of("olga", Role.OPERATOR, Secret(OPERATOR)), key_of("vera", Role.VIEWER, Secret(VIEWER))])
SETTINGS = Settings(app_key=Secret("base64:" + "A" * 43 + "="))
_TENRUSL = str(Path(sys.executable).with_name("tenrusl"))


def secret(text: str) -> Credentials:
    return Credentials({"secret": (SecretVersion("current", Secret(text)),)})


@dataclass
class Services:
    """admin, ingress behind it, and the secret of mock."""

    address: str
    ingress: RpcServer
    ingress_address: str
    acceptor: Acceptor
    quarantine: Quarantine
    credentials: dict[str, Credentials]

    async def reject(self, number: int, signed_by: str = "right") -> None:
        """Has ingress reject webhooks of mock that were signed by a secret."""
        webhooks = []
        for n in range(number):
            body = json.dumps({"id": f"{signed_by}-{n:04}"}).encode()
            signed = sign_webhook(PROVIDERS["mock"], body, secret(signed_by), START.timestamp())
            webhooks.append(
                ingress_pb2.Webhook(
                    provider="mock",
                    method="POST",
                    path="/api/webhooks/mock",
                    headers=[ingress_pb2.Header(name=name, value=value) for name, value in signed.headers.items()],
                    body=signed.body,
                    source_ip="192.0.2.1",
                    request_id=f"{signed_by}-{n:04}",
                )
            )
        await self.acceptor.accept([to_delivery(webhook) for webhook in webhooks])
        while self.quarantine._waiting:
            assert await self.quarantine.flush()


async def start(name: Any, add: Any, servicer: object, service: str, **more: Any) -> tuple[RpcServer, str]:
    server = RpcServer(
        name=name, listen=Address("127.0.0.1", 0), settings=SETTINGS, registry=CollectorRegistry(),
        ready=always_ready, **more,
    )  # fmt: skip
    server.add(add, servicer, service)
    return server, f"dns:///127.0.0.1:{await server.start()}"


@pytest.fixture
async def services(engine: Engine) -> AsyncIterator[Services]:
    cipher, clock, metrics = PayloadCipher(bytes(32)), FixedClock(), IngressMetrics(CollectorRegistry(), PROVIDERS)
    credentials = {"mock": secret("wrong")}
    bounds = Bounds(max_webhooks=10_000, max_bytes=2**30)
    quarantine = Quarantine(engine, cipher, metrics, providers=PROVIDERS, bounds=bounds, rate=10_000)

    async def refresh() -> None:
        pass  # the tests put their secret right themselves

    acceptor = Acceptor(
        judge=Judge(providers=PROVIDERS, allowed=(), credentials=credentials, cipher=cipher),
        keys=KeySource(HttpsClient().get, clock),
        postback=Postback(HttpsClient().post, clock),
        store=EventStore(engine, partition_days=2),
        hand_off=lambda ids: None,
        handoff_delay=timedelta(seconds=10),
        clock=clock,
        metrics=metrics,
        on_rejected=quarantine.offer,
    )
    ingress, ingress_address = await start(
        "ingress",
        quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server,
        QuarantineServicer(Reverification(engine, acceptor, cipher, clock=clock, refresh=refresh), PROVIDERS),
        "tenrusl.api.ingress.v1.QuarantineService",
    )
    channel = build_channel(ingress_address)
    admin, address = await start(
        "admin",
        rejected_pb2_grpc.add_RejectedServiceServicer_to_server,
        RejectedServicer(RejectedWebhooks(engine, channel, AUDIT_KEYS, clock), PROVIDERS),
        "tenrusl.api.admin.v1.RejectedService",
        steps=(with_operator(KEYS, ROLES, Failures()),),
    )
    yield Services(address, ingress, ingress_address, acceptor, quarantine, credentials)
    await admin.stop(0)
    await channel.close()
    await ingress.stop(0)


@pytest.fixture
async def stub(services: Services) -> AsyncIterator[Any]:
    metadata = ((ADMIN_KEY, OPERATOR), (REQUEST_ID_KEY, "request-1"))
    async with build_channel(services.address, metadata=metadata) as channel:
        yield rejected_pb2_grpc.RejectedServiceStub(channel)


def order(**changes: Any) -> rejected_pb2.ReverifyRejectedRequest:
    return rejected_pb2.ReverifyRejectedRequest(**({"provider": "mock", "reason": "it was mistyped"} | changes))


async def run(stub: Any) -> Any:
    """The last message of a run."""
    messages = [message async for message in stub.ReverifyRejected(order(), timeout=30)]
    assert [message.done for message in messages] == [False] * (len(messages) - 1) + [True]
    return messages[-1]


async def test_they_are_listed_newest_first_in_pages(services: Services, stub: Any) -> None:
    await services.reject(5)
    request = rejected_pb2.ListRejectedRequest(provider="mock", page_size=3)
    first = await stub.ListRejected(request, timeout=10)
    rest = rejected_pb2.ListRejectedRequest(provider="mock", page_size=3, page_token=first.next_page_token)
    second = await stub.ListRejected(rest, timeout=10)
    assert (len(first.webhooks), len(second.webhooks), second.next_page_token) == (3, 2, "")
    ids = [webhook.id for webhook in (*first.webhooks, *second.webhooks)]
    assert ids == sorted(ids, reverse=True)
    one = first.webhooks[0]
    assert (one.provider, one.reason, one.source_ip) == (
        "mock", common_pb2.ERROR_REASON_SIGNATURE_MISMATCH, "192.0.2.1",
    )  # fmt: skip
    assert one.receive_time.ToDatetime(START.tzinfo) == START
    other = await stub.ListRejected(rejected_pb2.ListRejectedRequest(provider="stripe"), timeout=10)
    assert not other.webhooks


async def test_those_that_verify_now_are_accepted_once_and_it_is_noted(
    engine: Engine, services: Services, stub: Any
) -> None:
    await services.reject(250)
    await services.reject(3, signed_by="forger")
    services.credentials["mock"] = secret("right")
    found = await run(stub)
    assert (found.examined, found.accepted, found.duplicates, found.still_rejected, found.not_stored) == (
        253, 250, 0, 3, 0,
    )  # fmt: skip
    assert await rows(engine, "SELECT count(*), sum(deliveries) FROM webhook_events") == [(250, 250)]
    assert (await run(stub)).accepted == 0
    entries = await rows(engine, "SELECT actor, action, target, request_id, after FROM audit_log ORDER BY number")
    assert [entry[:4] for entry in entries] == [
        ("olga", action, "provider/mock", "request-1")
        for action in ("rejected.reverify", "rejected.reverified", "rejected.reverify", "rejected.reverified")
    ]
    assert entries[0][4] == {"reason": "it was mistyped"}
    assert entries[1][4] == {
        "examined": 253, "accepted": 250, "duplicates": 0, "still_rejected": 3, "not_stored": 0,
    }  # fmt: skip


async def test_without_ingress_nothing_is_lost_and_the_try_is_noted(
    engine: Engine, services: Services, stub: Any
) -> None:
    await services.reject(2)
    await services.ingress.stop(0)
    with pytest.raises(aio.AioRpcError) as caught:
        await run(stub)
    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.UNAVAILABLE, Reason.SERVICE_UNAVAILABLE)
    assert await rows(engine, "SELECT count(*) FROM rejected_webhooks") == [(2,)]
    assert await rows(engine, "SELECT action FROM audit_log") == [("rejected.reverify",)]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (rejected_pb2.ListRejectedRequest(), "provider"),
        (rejected_pb2.ListRejectedRequest(provider="mock", page_size=201), "page_size"),
        (rejected_pb2.ListRejectedRequest(provider="mock", page_token="nonsense"), "page_token"),
        (order(provider="nosuch"), "provider"),
        (order(reason=""), "reason"),
        (order(reason="a\0b"), "reason"),
        (order(reason="a\nb"), "reason"),
    ],
)
async def test_what_is_wrong_is_named(engine: Engine, stub: Any, request_: Any, field: str) -> None:
    if isinstance(request_, rejected_pb2.ListRejectedRequest):
        answer = stub.ListRejected(request_, timeout=10)
    else:
        answer = anext(aiter(stub.ReverifyRejected(request_, timeout=10)))
    with pytest.raises(aio.AioRpcError) as caught:
        await answer
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == [field]
    assert await rows(engine, "SELECT count(*) FROM audit_log") == [(0,)]


async def test_a_token_of_another_provider_is_refused(services: Services, stub: Any) -> None:
    await services.reject(2)
    page = await stub.ListRejected(rejected_pb2.ListRejectedRequest(provider="mock", page_size=1), timeout=10)
    request = rejected_pb2.ListRejectedRequest(provider="stripe", page_token=page.next_page_token)
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ListRejected(request, timeout=10)
    assert [item.field for item in violations_of(caught.value)] == ["page_token"]


@pytest.mark.parametrize(
    ("changes", "field"), [({"provider": "x"}, "provider"), ({"limit": 101}, "limit"), ({"after_id": "x"}, "after_id")]
)
async def test_ingress_names_what_is_wrong(services: Services, changes: Any, field: str) -> None:
    request = quarantine_pb2.ReverifyRejectedRequest(**({"provider": "mock", "limit": 1} | changes))
    async with build_channel(services.ingress_address) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await quarantine_pb2_grpc.QuarantineServiceStub(channel).ReverifyRejected(request, timeout=10)
    assert [item.field for item in violations_of(caught.value)] == [field]


async def test_a_viewer_lists_and_judges_nothing(services: Services) -> None:
    async with build_channel(services.address, metadata=((ADMIN_KEY, VIEWER),)) as channel:
        stub = rejected_pb2_grpc.RejectedServiceStub(channel)
        await stub.ListRejected(rejected_pb2.ListRejectedRequest(provider="mock"), timeout=10)
        with pytest.raises(aio.AioRpcError) as caught:
            await anext(aiter(stub.ReverifyRejected(order(), timeout=10)))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_command_line_lists_and_judges_again(services: Services, engine: Engine) -> None:
    async def tenrusl(*arguments: str) -> tuple[int | None, str]:
        """Exit status, and what was printed."""
        process = await asyncio.create_subprocess_exec(
            _TENRUSL, "rejected", *arguments, "--admin", services.address,
            env={"PATH": os.environ["PATH"], "TENRUSL_ADMIN_KEY": OPERATOR},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await process.communicate()
        return process.returncode, printed.decode()

    assert await tenrusl("list", "mock") == (0, "no rejected webhook of mock is kept\n")
    await services.reject(2)
    _, table = await tenrusl("list", "mock")
    line = table.splitlines()[1].split()
    assert line[:4] == ["2026-03-01", "12:00:00", "SIGNATURE_MISMATCH", "192.0.2.1"]
    _, listed = await tenrusl("list", "mock", "--limit", "1", "--json")
    assert [item["reason"] for item in map(json.loads, listed.splitlines()[:1])] == ["ERROR_REASON_SIGNATURE_MISMATCH"]
    assert listed.splitlines()[1:] == ["there are more than these 1; --limit takes more"]
    await rows(engine, "UPDATE rejected_webhooks SET request_id = '[/ops]' RETURNING 1")
    status, table = await tenrusl("list", "mock")
    assert (status, "[/ops]" in table) == (0, True)
    services.credentials["mock"] = secret("right")
    assert await tenrusl("reverify", "mock", "--reason", "it was mistyped") == (
        0, "2 judged again: 2 accepted, 0 known already, 0 still rejected\n",
    )  # fmt: skip
    status, again = await tenrusl("reverify", "mock", "--reason", "again", "--json")
    assert (status, json.loads(again)["examined"]) == (0, 0)
