"""The audit service, through real gRPC."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from grpc import aio
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.admin.audit import Audit
from services.admin.audit_servicer import AuditServicer
from services.admin.roles import ROLES
from tenrusl.api.admin.v1 import audit_pb2, audit_pb2_grpc
from tenrusl.cli import app
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.errors import violations_of
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store.audit import AuditEntry, append_entry
from tenrusl.store.engine import Engine, transaction
from tests.builders import AUDIT_KEYS, START, rows

KEY = "v" * 40
KEYS = OperatorKeys([key_of("vera", Role.VIEWER, Secret(KEY))])
SERVICE = "tenrusl.api.admin.v1.AuditService"


@pytest.fixture
async def address(engine: Engine) -> AsyncIterator[str]:
    server = RpcServer(
        name="admin",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=Secret("base64:" + "A" * 43 + "=")),
        registry=CollectorRegistry(),
        ready=always_ready,
        steps=(with_operator(KEYS, ROLES, Failures()),),
    )
    server.add(audit_pb2_grpc.add_AuditServiceServicer_to_server, AuditServicer(Audit(engine, AUDIT_KEYS)), SERVICE)
    port = await server.start()
    yield f"dns:///127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture
async def stub(address: str) -> AsyncIterator[Any]:
    async with build_channel(address, metadata=((ADMIN_KEY, KEY),)) as channel:
        yield audit_pb2_grpc.AuditServiceStub(channel)


async def append(engine: Engine, number: int, **noted: object) -> None:
    for n in range(number):
        entry = AuditEntry(
            at=START + timedelta(seconds=n),
            actor="olga" if n % 2 else "ada",
            role="operator",
            action="throttle.set",
            target="provider/stripe",
            request_id=f"r-{n}",
            after={"limit": n, "providers": ["stripe"], **noted},
        )
        async with transaction(engine) as connection:
            await append_entry(connection, entry, AUDIT_KEYS)


async def test_entries_are_listed_in_pages(engine: Engine, stub: Any) -> None:
    await append(engine, 5)
    first = await stub.ListAuditEntries(audit_pb2.ListAuditEntriesRequest(page_size=3), timeout=10)
    assert [entry.number for entry in first.entries] == [5, 4, 3]
    again = audit_pb2.ListAuditEntriesRequest(page_size=3, page_token=first.next_page_token)
    second = await stub.ListAuditEntries(again, timeout=10)
    assert [entry.number for entry in second.entries] == [2, 1]
    assert second.next_page_token == ""
    newest = first.entries[0]
    assert (newest.actor, newest.role, newest.action, newest.target, newest.request_id) == (
        "ada", "operator", "throttle.set", "provider/stripe", "r-4",
    )  # fmt: skip
    assert MessageToDict(newest.after) == {"limit": 4.0, "providers": ["stripe"]}
    assert not newest.HasField("before")


async def test_a_token_of_another_query_is_refused(engine: Engine, stub: Any) -> None:
    await append(engine, 5)
    page = await stub.ListAuditEntries(audit_pb2.ListAuditEntriesRequest(page_size=1, actor="ada"), timeout=10)
    for actor, token in (("olga", page.next_page_token), ("ada", "nonsense!"), ("ada", page.next_page_token[:-2])):
        request = audit_pb2.ListAuditEntriesRequest(page_size=1, actor=actor, page_token=token)
        with pytest.raises(aio.AioRpcError) as caught:
            await stub.ListAuditEntries(request, timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert [item.field for item in violations_of(caught.value)] == ["page_token"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (audit_pb2.ListAuditEntriesRequest(page_size=201), "page_size"),
        (audit_pb2.ListAuditEntriesRequest(page_size=-1), "page_size"),
        (audit_pb2.ListAuditEntriesRequest(actor="x" * 201), "actor"),
        (audit_pb2.ListAuditEntriesRequest(target="a\0b"), "target"),
    ],
)
async def test_what_is_wrong_is_named(stub: Any, request_: Any, field: str) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ListAuditEntries(request_, timeout=10)
    assert [item.field for item in violations_of(caught.value)] == [field]


async def test_a_tampered_row_is_found(engine: Engine, stub: Any) -> None:
    await append(engine, 4)
    request = audit_pb2.VerifyAuditChainRequest()
    whole = await stub.VerifyAuditChain(request, timeout=10)
    assert (whole.verified, whole.broken_number, len(whole.last_hash)) == (4, 0, 64)
    await rows(engine, "UPDATE audit_log SET after = '{}' WHERE number = 3 RETURNING 1")
    broken = await stub.VerifyAuditChain(request, timeout=10)
    assert (broken.verified, broken.broken_number, broken.broken_reason) == (2, 3, "it was changed")
    assert broken.last_hash == ""


async def test_the_command_line_shows_texts_as_they_are_and_says_when_there_are_more(
    engine: Engine, address: str
) -> None:
    reason = "see [/ops] ticket, [bold]x[/bold]"

    async def tenrusl(*arguments: str) -> Any:
        environment = {"TENRUSL_ADMIN_KEY": KEY, "TENRUSL_ADMIN_TARGET": address}
        with capture_logs():  # those of the server, which runs in this process, too
            return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments], env=environment)

    await append(engine, 2, reason=reason)
    shown = await tenrusl("list")
    assert (shown.exit_code, shown.stderr, shown.stdout.count(reason)) == (0, "", 2)
    listed = await tenrusl("list", "--limit", "1", "--json")
    assert listed.stderr == "there are more than these 1; --limit takes more\n"
    (entry,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (entry["number"], entry["after"]["reason"]) == (2, reason)
    verified = json.loads((await tenrusl("verify", "--json")).stdout)
    assert (verified["verified"], verified["broken_number"]) == (2, 0)


async def test_nobody_reads_it_without_a_key(address: str) -> None:
    async with build_channel(address) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await audit_pb2_grpc.AuditServiceStub(channel).VerifyAuditChain(
                audit_pb2.VerifyAuditChainRequest(), timeout=10
            )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
