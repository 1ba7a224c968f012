"""Operators list payments, through real gRPC."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import CollectorRegistry

from services.admin.payments_servicer import PaymentsServicer
from services.admin.roles import ROLES
from tenrusl.api.admin.v1 import payments_pb2, payments_pb2_grpc
from tenrusl.ids import uuid7
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.errors import violations_of
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store import payments as store
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.payments import Payment, insert_payment
from tests.builders import START

VIEWER = "v" * 40


@pytest.fixture
async def address(engine: Engine) -> AsyncIterator[str]:
    server = RpcServer(
        name="admin",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=Secret("base64:" + "A" * 43 + "=")),
        registry=CollectorRegistry(),
        ready=always_ready,
        steps=(with_operator(OperatorKeys([key_of("vera", Role.VIEWER, Secret(VIEWER))]), ROLES, Failures()),),
    )
    server.add(
        payments_pb2_grpc.add_PaymentsServiceServicer_to_server,
        PaymentsServicer(engine, PROVIDERS),
        "tenrusl.api.admin.v1.PaymentsService",
    )
    port = await server.start()
    yield f"dns:///127.0.0.1:{port}"
    await server.stop(0)


async def ask(address: str, *, key: str = VIEWER, **fields: Any) -> Any:
    """The answer, or the error."""
    async with build_channel(address, metadata=((ADMIN_KEY, key),) if key else ()) as channel:
        try:
            stub: Any = payments_pb2_grpc.PaymentsServiceStub(channel)
            return await stub.ListPayments(payments_pb2.ListPaymentsRequest(**fields), timeout=10)
        except aio.AioRpcError as exc:
            return exc


async def put(engine: Engine, number: int, provider: str, status: PaymentStatus) -> None:
    at = START + timedelta(minutes=number)
    payment = Payment(
        id=uuid7(at), provider=provider, payment_ref=f"ref-{number}", provider_ref=None, merchant_ref=None,
        status=status, amount_minor=number, currency="IDR", created_at=at, updated_at=at,
    )  # fmt: skip
    async with transaction(engine) as connection:
        await insert_payment(connection, payment, idempotency_key_sha256=None)


async def test_payments_are_paged_newest_first_by_filter(address: str, engine: Engine) -> None:
    for number in range(1, 8):
        provider = "stripe" if number % 2 else "xendit"
        await put(engine, number, provider, PaymentStatus.PENDING if number < 6 else PaymentStatus.SUCCEEDED)
    first = await ask(address, page_size=2, provider="stripe", status="PAYMENT_STATUS_PENDING")
    rest = await ask(
        address, page_size=2, provider="stripe", status="PAYMENT_STATUS_PENDING", page_token=first.next_page_token
    )
    assert [payment.payment_ref for payment in [*first.payments, *rest.payments]] == ["ref-5", "ref-3", "ref-1"]
    assert rest.next_page_token == ""
    full = await ask(address, page_size=7)
    assert (len(full.payments), full.next_page_token) == (7, "")
    assert first.payments[0].amount_minor == 5
    assert first.payments[0].create_time.ToJsonString() == "2026-03-01T12:05:00Z"
    assert len((await ask(address)).payments) == 7
    foreign = await ask(address, page_size=2, provider="xendit", page_token=first.next_page_token)
    assert [violation.field for violation in violations_of(foreign)] == ["page_token"]


async def test_a_rare_payment_is_found_by_looking_through_a_few_at_a_time(
    address: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_LOOKED_THROUGH", 3)
    for number in range(1, 9):
        await put(engine, number, "xendit" if number == 1 else "stripe", PaymentStatus.PENDING)
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        page = await ask(address, provider="xendit", page_token=token)
        pages.append([payment.payment_ref for payment in page.payments])
        token = page.next_page_token
    assert pages == [[], [], ["ref-1"]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"status": 99}, "status"),
        ({"page_size": 201}, "page_size"),
        ({"page_token": "???"}, "page_token"),
    ],
)
async def test_a_wrong_request_names_its_field(address: str, fields: dict[str, Any], field: str) -> None:
    refused = await ask(address, **fields)
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in violations_of(refused)] == [field]


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_it_takes_a_key(address: str, key: str) -> None:
    assert (await ask(address, key=key)).code() is grpc.StatusCode.UNAUTHENTICATED
