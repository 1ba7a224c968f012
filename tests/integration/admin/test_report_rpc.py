"""Reports and captured incidents, through real gRPC and the command line."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import structlog
from grpc import aio
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from services.admin.report_graph import build_report_servicer
from services.admin.roles import ROLES
from tenrusl.api.admin.v1 import report_pb2, report_pb2_grpc
from tenrusl.crypto import PayloadCipher, decode_app_key
from tenrusl.errors import Reason
from tenrusl.ids import uuid7
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.providers import PROVIDERS
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.context import REQUEST_ID_KEY
from tenrusl.rpc.errors import reason_of
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store import reviews
from tenrusl.store.audit import MANY_EVENTS, AuditEntry, append_entry
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.event_store import EventStore
from tenrusl.store.holds import place_hold
from tenrusl.store.partitions import add_partitions
from tenrusl.store.retention import mark_purged
from tenrusl.store.reviews import traffic_by_minute
from tenrusl.store.signature_counts import EnvironmentSecret, report
from tests.builders import AUDIT_KEYS, START, FixedClock, new_event, rows

ADMIN, OPERATOR, VIEWER = "a" * 40, "o" * 40, "v" * 40
KEYS = OperatorKeys(
    [
        key_of("ada", Role.ADMIN, Secret(ADMIN)),
        key_of("olga", Role.OPERATOR, Secret(OPERATOR)),
        key_of("vera", Role.VIEWER, Secret(VIEWER)),
    ]
)
SETTINGS = Settings(
    app_key=Secret("base64:" + "A" * 43 + "="), payload_retention_days=14, retention_overrides={"stripe": 30}
)
CIPHER = PayloadCipher(decode_app_key(SETTINGS.app_key))
PAYLOAD = b'{"amount": 5, "customer": "Budi"}'
HEADERS = {"content-type": "application/json", "user-agent": "Stripe/1.0"}
NOW = START + timedelta(minutes=30, seconds=20)
_TENRUSL = str(Path(sys.executable).with_name("tenrusl"))
Code = grpc.StatusCode


@pytest.fixture
async def address(engine: Engine) -> AsyncIterator[str]:
    server = RpcServer(
        name="admin",
        listen=Address("127.0.0.1", 0),
        settings=SETTINGS,
        registry=CollectorRegistry(),
        ready=always_ready,
        steps=(with_operator(KEYS, ROLES, Failures()),),
    )
    server.add(
        report_pb2_grpc.add_ReportServiceServicer_to_server,
        build_report_servicer(
            SETTINGS, engine=engine, providers=PROVIDERS, audit_keys=AUDIT_KEYS, clock=FixedClock(NOW)
        ),
        "tenrusl.api.admin.v1.ReportService",
    )
    port = await server.start()
    yield f"dns:///127.0.0.1:{port}"
    await server.stop(0)


async def put(engine: Engine, *, minutes: float = 0, payload: bytes = PAYLOAD, **columns: Any) -> Any:
    """Stores an event that arrives so many minutes after START; its id. columns: to be set then."""
    at = START + timedelta(minutes=minutes)
    event = new_event(id=uuid7(at), request_id="request-of-it", source_ip="203.0.113.7", headers=json.dumps(HEADERS))
    sealed = CIPHER.seal(payload, context=event.id.bytes)
    await EventStore(engine, partition_days=2).store(
        [event._replace(sealed_payload=sealed)], received_at=at, next_retry_at=at + timedelta(seconds=10)
    )
    if columns:
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        async with transaction(engine) as connection:
            await connection.execute(
                text(f"UPDATE webhook_events SET {assignments} WHERE id = :id"), {**columns, "id": event.id}
            )
    return event.id


async def call(address: str, method: str, key: str = ADMIN, **fields: Any) -> Any:
    """The answer, or the error."""
    request = getattr(report_pb2, f"{method}Request")(**fields)
    metadata = ((ADMIN_KEY, key), (REQUEST_ID_KEY, f"request-{method}"))
    async with build_channel(address, metadata=metadata) as channel:
        try:
            return await getattr(report_pb2_grpc.ReportServiceStub(channel), method)(request, timeout=10)
        except aio.AioRpcError as exc:
            return exc


async def tenrusl(address: str, *arguments: str, key: str = ADMIN) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the command."""
    environment = {**os.environ, "TENRUSL_ADMIN_KEY": key, "TENRUSL_ADMIN_TARGET": address}
    done = await asyncio.to_thread(
        subprocess.run,
        [_TENRUSL, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


async def test_the_daily_report_counts_and_finds_the_peak(address: str, engine: Engine) -> None:
    for minutes in (-31, -2, 7, 7.5, 7.9, 12):
        await put(engine, minutes=minutes)
    await put(engine, minutes=-24 * 60)  # more than 24 hours ago
    await put(engine, minutes=13, status="failed", attempts=4, next_retry_at=NOW + timedelta(hours=1))
    dead: dict[str, Any] = {"status": "dead_letter", "failure_code": "told_to_fail", "next_retry_at": None}
    await put(engine, minutes=14, **dead)
    daily = await call(address, "GetDailyReport", VIEWER)
    assert (daily.failed, daily.due, daily.unfinished, daily.dead_letters) == (1, 7, 8, 1)
    assert (daily.average_attempts, daily.capped, daily.traffic_estimated) == (0.5, False, False)
    assert daily.arrived == 8
    assert (daily.busiest_hour.start_time.ToJsonString(), daily.busiest_hour.events) == ("2026-03-01T12:00:00Z", 6)
    assert (daily.busiest_minute.start_time.ToJsonString(), daily.busiest_minute.events) == ("2026-03-01T12:07:00Z", 3)


async def test_without_events_the_daily_report_has_no_peak(address: str) -> None:
    daily = await call(address, "GetDailyReport", VIEWER)
    assert (daily.arrived, daily.failed, daily.average_attempts) == (0, 0, 0)
    assert not daily.HasField("busiest_hour")
    assert not daily.HasField("busiest_minute")


async def test_a_minute_with_too_many_events_is_estimated(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "MAX_COUNTED_A_MINUTE", 3)
    for seconds in (0, 5, 10, 15, 20, 25):
        await put(engine, minutes=seconds / 60)
    for seconds in (0, 30):
        await put(engine, minutes=1 + seconds / 60)
    async with autocommit(engine) as connection:
        first, second, third = await traffic_by_minute(connection, START, START + timedelta(minutes=2, seconds=30))
    assert (first.events, first.estimated) == (18, True)  # three in ten seconds
    assert (second.events, second.estimated) == (2, False)
    assert (third.start, third.events) == (START + timedelta(minutes=2), 0)


async def test_the_weekly_report_tells_of_secrets_and_retention(address: str, engine: Engine) -> None:
    held = await put(engine)
    purged, long_ago = (START - timedelta(days=20)).date(), (START - timedelta(days=200)).date()
    for day in (purged, (START - timedelta(days=15)).date(), (START - timedelta(days=14)).date()):
        await add_partitions(engine, day, 1)
    async with transaction(engine) as connection:
        await report(
            connection, "i-1", [EnvironmentSecret("mock", "secret", "current", b"x" * 32)], revision=1, now=NOW
        )
        await place_hold(connection, held, reason="dispute", held_by="dewi", now=NOW)
        for day in (purged, long_ago):
            await mark_purged(connection, day, ["stripe", "xendit"], NOW)
    weekly = await call(address, "GetWeeklyReport", VIEWER)
    (secret,) = weekly.secrets
    assert (secret.provider, secret.version, secret.due, secret.rotating) == ("mock", "current", False, False)
    assert secret.age_unknown
    assert not secret.HasField("create_time")
    assert [(item.provider, item.days, item.first_kept) for item in weekly.retention] == [
        ("*", 14, "2026-02-15"),
        ("stripe", 30, "2026-01-30"),
    ]
    assert (weekly.secret_max_age_days, weekly.purged_days, weekly.held_payloads, weekly.retained_payloads) == (
        365, 1, 1, 0,
    )  # fmt: skip
    assert (weekly.oldest_day, weekly.overdue_days) == ("2026-02-09", 2)


async def test_an_incident_has_all_that_is_known_and_is_written_down(address: str, engine: Engine) -> None:
    event_id = await put(engine, status="failed", failure_code="told_to_fail", attempts=2)
    payment_id, other = uuid4(), uuid4()
    async with transaction(engine) as connection:
        for number, (id_, payment) in enumerate(((uuid4(), payment_id), (event_id, payment_id), (uuid4(), other))):
            await connection.execute(
                text(
                    "INSERT INTO payment_transitions VALUES"
                    " (:id, :payment, 'pending', 'succeeded', 'applied', 'succeeded', false, :at, :at)"
                ),
                {"id": id_, "payment": payment, "at": START + timedelta(seconds=number)},
            )
    first = await call(address, "CaptureIncident", event_id=str(event_id))
    assert (first.captured_by, first.payload, first.payload_missing) == ("ada", PAYLOAD, "")
    assert first.details.event.id == str(event_id)
    assert (first.details.source_ip, dict(first.details.headers)) == ("203.0.113.7", HEADERS)
    assert [item.event_id == str(event_id) for item in first.transitions] == [False, True]
    assert (first.transitions[1].from_status, first.transitions[1].to_status) == ("pending", "succeeded")
    assert {"received", "applied"} <= {item.what for item in first.details.timeline}
    assert list(first.request_ids) == ["request-of-it"]
    audit = await rows(engine, "SELECT actor, action, target, request_id, after FROM audit_log ORDER BY number")
    target = f"event/{event_id}"
    assert audit == [
        ("ada", "payload.read", target, "request-CaptureIncident", {"bytes": len(PAYLOAD)}),
        (
            "ada",
            "incident.capture",
            target,
            "request-CaptureIncident",
            {"payload_bytes": len(PAYLOAD), "payload_missing": ""},
        ),
    ]
    second = await call(address, "CaptureIncident", event_id=str(event_id))
    assert list(second.request_ids) == ["request-of-it", "request-CaptureIncident"]


async def test_an_incident_has_no_signature_in_its_payload(address: str, engine: Engine) -> None:
    body = b'{"order_id": "A-1", "signature_key": "5ec7e7", "gross_amount": "10000.00"}'
    event_id = str(await put(engine, payload=body, provider="midtrans"))
    answer = await call(address, "CaptureIncident", event_id=event_id)
    assert answer.payload == b'{"order_id": "A-1", "signature_key": "***", "gross_amount": "10000.00"}'


async def test_the_request_ids_of_what_was_done_to_several_events_are_told(address: str, engine: Engine) -> None:
    event_id = await put(engine)
    async with transaction(engine) as connection:
        for number, ids in enumerate(([event_id, uuid4()], [uuid4(), uuid4()])):
            entry = AuditEntry(
                at=NOW, actor="olga", role="operator", action="events.discard", target=MANY_EVENTS,
                request_id=f"request-{number}", after={"event_ids": [str(one) for one in ids]},
            )  # fmt: skip
            await append_entry(connection, entry, AUDIT_KEYS)
    answer = await call(address, "CaptureIncident", event_id=str(event_id))
    assert list(answer.request_ids) == ["request-of-it", "request-0"]


async def test_a_payload_that_is_gone_or_cannot_be_opened_leaves_the_rest(address: str, engine: Engine) -> None:
    purged = await put(engine)
    sealed = await put(engine)
    async with transaction(engine) as connection:
        await connection.execute(text("DELETE FROM webhook_payloads WHERE webhook_event_id = :id"), {"id": purged})
        statement = text("UPDATE webhook_payloads SET body = 'nonsense' WHERE webhook_event_id = :id")
        await connection.execute(statement, {"id": sealed})
    for event_id, reason in ((purged, Reason.PAYLOAD_PURGED), (sealed, Reason.PAYLOAD_SEALED)):
        answer = await call(address, "CaptureIncident", event_id=str(event_id))
        assert (answer.payload, answer.payload_missing) == (b"", reason.value)
        assert answer.details.event.id == str(event_id)
    actions = await rows(engine, "SELECT action FROM audit_log ORDER BY number")
    assert actions == [("incident.capture",), ("incident.capture",)]


async def test_capturing_takes_an_admin_and_an_event(address: str, engine: Engine) -> None:
    event_id = str(await put(engine))
    for key in (OPERATOR, VIEWER):
        assert (await call(address, "CaptureIncident", key, event_id=event_id)).code() is Code.PERMISSION_DENIED
    unknown = await call(address, "CaptureIncident", event_id=str(uuid4()))
    assert (unknown.code(), reason_of(unknown)) == (Code.NOT_FOUND, Reason.EVENT_NOT_FOUND)
    assert (await call(address, "CaptureIncident", event_id="x")).code() is Code.INVALID_ARGUMENT
    assert await rows(engine, "SELECT FROM audit_log") == []


async def test_no_payload_is_logged(address: str, engine: Engine) -> None:
    event_id = await put(engine)
    with structlog.testing.capture_logs() as logs:
        await call(address, "CaptureIncident", event_id=str(event_id))
    assert logs
    assert "Budi" not in repr(logs)
    assert "Budi" not in repr(await rows(engine, "SELECT audit_log::text FROM audit_log"))


async def test_the_reports_from_the_command_line(address: str, engine: Engine) -> None:
    await put(engine, minutes=7)
    status, out, _ = await tenrusl(address, "report", "daily", key=VIEWER)
    assert status == 0
    assert "1 from 2026-03-01 12:07:00" in out
    status, out, _ = await tenrusl(address, "report", "daily", "--json", key=VIEWER)
    document = json.loads(out)
    assert (status, document["arrived"], document["busiest_hour"]["events"]) == (0, 1, 1)
    status, out, _ = await tenrusl(address, "report", "weekly", key=VIEWER)
    assert (status, "all others" in out) == (0, True)
    status, out, _ = await tenrusl(address, "report", "weekly", "--json", key=VIEWER)
    assert json.loads(out)["retention"][1] == {"provider": "stripe", "days": 30, "first_kept": "2026-01-30"}


async def test_an_incident_goes_into_a_new_file_of_ones_own(address: str, engine: Engine, tmp_path: Path) -> None:
    event_id, binary = str(await put(engine)), str(await put(engine, payload=b"\xff\xfe"))
    file = tmp_path / "incident.json"
    assert await tenrusl(address, "incident", "capture", event_id, "--output", str(file)) == (
        0,
        f"written to {file}\n",
        "",
    )
    assert file.stat().st_mode & 0o777 == 0o600
    document = json.loads(file.read_text())
    assert base64.b64decode(document["payload"]) == document["payload_text"].encode() == PAYLOAD
    assert document["details"]["headers"] == HEADERS
    again = await tenrusl(address, "incident", "capture", binary, "--output", str(file))
    assert again == (1, "", f"{file}: it is there already\n")
    status, out, _ = await tenrusl(address, "incident", "capture", binary, "--json")
    shown = json.loads(out)
    assert (status, base64.b64decode(shown["payload"]), shown["payload_text"]) == (0, b"\xff\xfe", None)
    refused = await tenrusl(address, "incident", "capture", event_id, key=VIEWER)
    assert (refused[0], refused[1]) == (1, "")
    assert "PERMISSION_DENIED" in refused[2]
