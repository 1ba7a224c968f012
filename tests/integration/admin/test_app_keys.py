"""Replacing APP_KEY, with the database role of admin."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from services.admin.key_usage import KeyRole, KeyUsage, Usage
from services.admin.rewrap import Rewrap, RewrapProgress
from tenrusl.crypto import AuditKeys, PayloadCipher, SealedTextError, SecretCipher
from tenrusl.errors import ConflictError, InvalidFieldError, Reason
from tenrusl.ids import uuid7
from tenrusl.rotation import SecretStatus
from tenrusl.secret import Secret
from tenrusl.store.audit import list_entries
from tenrusl.store.audit_verification import verify_chain
from tenrusl.store.engine import Engine, autocommit, patient, transaction
from tenrusl.store.event_store import EventStore
from tenrusl.store.partitions import add_partitions
from tenrusl.store.payloads import read_payload
from tenrusl.store.rejected import Bounds, NewRejected, add_rejected, sealing_context
from tenrusl.store.retention import PayloadDay, carry_over
from tenrusl.store.signing_secrets import SecretRow, insert_version, lock_secrets
from tenrusl.store.signing_secrets import set_status as set_version_status
from tests.builders import START, FixedClock, new_event, rows
from tests.integration.admin.rotation_stack import ACCEPTED, NEW, OLD, REJECTED, THIRD, WHO, Admin, Ingress, order
from tests.integration.conftest import EngineOf
from tests.payload_days import die_after_detaching, set_status

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
OF_FIRST, OF_SECOND = PayloadCipher(FIRST), PayloadCipher(SECOND)
OF_BOTH = PayloadCipher(SECOND, [FIRST])
SECRETS_OF_BOTH = SecretCipher(SECOND, [FIRST])
SECRETS_OF_SECOND = SecretCipher(SECOND)
AUDIT_OF_BOTH, AUDIT_OF_SECOND = AuditKeys(SECOND, [FIRST]), AuditKeys(SECOND)


@pytest.fixture
def admins(engine_of: EngineOf) -> Engine:
    return engine_of("admin")


@pytest.fixture
def rewrap(admins: Engine) -> Rewrap:
    return Rewrap(
        engine=admins,
        payload_cipher=OF_BOTH,
        secret_cipher=SecretCipher(SECOND, [FIRST]),
        audit_keys=AUDIT_OF_BOTH,
        clock=FixedClock(),
    )


async def put(engine: Engine, days: int = 0, *, count: int = 1, cipher: PayloadCipher = OF_FIRST) -> list[UUID]:
    """Events of a past day whose payloads are `body(id)`, sealed."""
    received_at = datetime.combine(START.date() - timedelta(days=days), time(9), tzinfo=START.tzinfo)
    ids = sorted(uuid7(received_at) for _ in range(count))
    await add_partitions(engine, received_at.date(), 1)
    batch = [new_event(id=id_, sealed_payload=cipher.seal(body(id_), context=id_.bytes)) for id_ in ids]
    await EventStore(engine, partition_days=1).store(batch, received_at=received_at, next_retry_at=received_at)
    return ids


def body(event_id: UUID) -> bytes:
    return b"body of " + event_id.bytes


async def opened(engine: Engine, cipher: PayloadCipher, *ids: UUID) -> list[bool]:
    """Whether each payload opens under the first key of the cipher alone."""
    found = []
    async with autocommit(engine) as connection:
        for event_id in ids:
            try:
                sealed = await read_payload(connection, event_id)
                found.append(cipher.open(sealed, context=event_id.bytes) == body(event_id))
            except SealedTextError:
                found.append(False)
    return found


async def run(rewrap: Rewrap) -> RewrapProgress:
    """The last message."""
    *_, progress = [replace(progress) async for progress in rewrap.run(WHO)]
    assert progress.done
    assert progress.tables_done in (progress.tables, 0)
    return progress


async def put_rejected(engine: Engine, *, count: int = 1) -> list[UUID]:
    ids = [uuid7(START) for _ in range(count)]
    sealed = [OF_FIRST.seal(b"a request", context=sealing_context(id_)) for id_ in ids]
    batch = [
        NewRejected(id_, "mock", START, "SIGNATURE_MISMATCH", "request-1", "192.0.2.1", text)
        for id_, text in zip(ids, sealed, strict=True)
    ]
    async with transaction(engine) as connection:
        assert await add_rejected(connection, batch, Bounds(max_webhooks=1000, max_bytes=2**20)) == count
    return ids


async def test_whatever_is_sealed_opens_under_the_new_key_alone(engine: Engine, rewrap: Rewrap) -> None:
    stored, retained = await put(engine, count=3), await put(engine, 20)
    await set_status(engine, "failed", *retained)
    async with patient(engine) as connection:
        await carry_over(connection, PayloadDay(START.date() - timedelta(days=20), detached=False, detaching=False))
    detached = await put(engine, 21)
    await set_status(engine, "processed", *detached)
    await die_after_detaching(engine, 21)
    (rejected,) = await put_rejected(engine)
    everything = [*stored, *retained, *detached]
    assert await opened(engine, OF_SECOND, *everything) == [False] * 5
    # The retained one stands twice: its day is not gone.
    progress = await run(rewrap)
    assert (progress.payloads, progress.rejected_webhooks, progress.unreadable) == (6, 1, 0)
    assert await opened(engine, OF_SECOND, *everything) == [True] * 5
    ((sealed,),) = await rows(engine, "SELECT sealed FROM rejected_webhooks")
    assert OF_SECOND.open(bytes(sealed), context=sealing_context(rejected)) == b"a request"
    again = await run(rewrap)
    assert (again.payloads, again.rejected_webhooks, again.secrets) == (0, 0, 0)


async def test_a_run_that_is_cut_off_loses_nothing_and_the_next_one_goes_on(
    engine: Engine, rewrap: Rewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenrusl.store.rewrap.BATCH_ROWS", 2)
    ids = await put(engine, count=5)
    progress = rewrap.run(WHO)
    async for step in progress:
        if step.payloads:
            break
    await progress.aclose()
    assert await opened(engine, OF_SECOND, *ids) == [True, True, False, False, False]
    assert await opened(engine, OF_BOTH, *ids) == [True] * 5
    assert (await run(rewrap)).payloads == 3
    assert await opened(engine, OF_SECOND, *ids) == [True] * 5


async def test_a_batch_is_no_larger_than_its_bytes_allow(
    engine: Engine, rewrap: Rewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenrusl.store.rewrap.MAX_BATCH_BYTES", 1)
    await put(engine, count=3)
    steps = [step.payloads async for step in rewrap.run(WHO)]
    assert {0, 1, 2, 3} == set(steps)


async def test_events_that_come_meanwhile_are_left_alone(engine: Engine, rewrap: Rewrap) -> None:
    await put(engine, count=2)
    new = await put(engine, cipher=OF_BOTH)
    before = await rows(engine, "SELECT body FROM webhook_payloads WHERE webhook_event_id = :id", id=new[0])
    assert (await run(rewrap)).payloads == 2
    assert await rows(engine, "SELECT body FROM webhook_payloads WHERE webhook_event_id = :id", id=new[0]) == before


async def test_a_late_payload_of_a_replica_that_has_the_old_key_is_found_too(engine: Engine, rewrap: Rewrap) -> None:
    (early,) = await put(engine)
    late: list[UUID] = []
    async for step in rewrap.run(WHO):
        if step.tables_done and not late:
            late = await put(engine, 3)  # in a table that the first walk does not know
    assert await opened(engine, OF_SECOND, early, *late) == [True, True]


async def test_a_table_that_is_dropped_meanwhile_is_passed_over(engine: Engine, rewrap: Rewrap) -> None:
    (gone,), (kept,) = await put(engine, 20), await put(engine)
    async for step in rewrap.run(WHO):
        if step.tables and not step.payloads:
            async with autocommit(engine) as connection:
                await connection.execute(text(f"DROP TABLE IF EXISTS webhook_payloads_{START - timedelta(20):%Y%m%d}"))
    assert await opened(engine, OF_SECOND, kept) == [True]
    with pytest.raises(ConflictError):
        await opened(engine, OF_SECOND, gone)


async def test_what_somebody_has_locked_is_passed_over_and_left_for_the_next_run(
    engine: Engine, rewrap: Rewrap
) -> None:
    locked, free = await put(engine, count=2)
    async with transaction(engine) as connection:
        statement = text("SELECT FROM webhook_payloads WHERE webhook_event_id = :id FOR UPDATE")
        await connection.execute(statement, {"id": locked})
        assert (await run(rewrap)).payloads == 1
    assert await opened(engine, OF_SECOND, locked, free) == [False, True]
    assert (await run(rewrap)).payloads == 1
    assert await opened(engine, OF_SECOND, locked) == [True]


async def test_what_does_not_open_is_counted_and_holds_up_nothing(engine: Engine, rewrap: Rewrap) -> None:
    broken, whole = await put(engine, count=2)
    async with autocommit(engine) as connection:
        change = text(
            "UPDATE webhook_payloads SET body = set_byte(body, 20, 0) || '\\x00' WHERE webhook_event_id = :id"
        )
        await connection.execute(change, {"id": broken})
    progress = await run(rewrap)
    assert (progress.payloads, progress.unreadable) == (1, 1)
    assert await opened(engine, OF_SECOND, whole) == [True]


async def test_who_did_it_is_in_the_audit_log(engine: Engine, rewrap: Rewrap) -> None:
    await put(engine)
    await run(rewrap)
    async with autocommit(engine) as connection:
        end, start = [item.entry for item in await list_entries(connection, limit=10)]
    key_id = OF_SECOND.key_ids[0].hex()
    assert (start.actor, start.action, start.after) == ("ada", "keys.rewrap", {"key_id": key_id})
    assert (end.actor, end.action) == ("ada", "keys.rewrapped")
    assert end.after is not None
    assert (end.after["key_id"], end.after["payloads"]) == (key_id, 1)


async def usage(engine: Engine, payloads: PayloadCipher, secrets: SecretCipher) -> list[KeyUsage]:
    audit_keys = AUDIT_OF_BOTH if payloads is OF_BOTH else AUDIT_OF_SECOND
    counting = Usage(engine=engine, payload_cipher=payloads, secret_cipher=secrets, audit_keys=audit_keys)
    *_, progress = [progress async for progress in counting.run()]
    assert progress.done
    return progress.keys


async def test_it_is_told_what_each_key_is_needed_for(engine: Engine, admins: Engine, rewrap: Rewrap) -> None:
    await put(engine, count=2)
    await put(engine, cipher=OF_BOTH)
    await put_rejected(engine, count=3)
    clock = FixedClock()
    await Ingress(engine, clock).sync()
    await Admin(engine, clock).begin(order(), WHO)
    first, second = OF_FIRST.key_ids[0].hex(), OF_SECOND.key_ids[0].hex()
    assert await usage(admins, OF_BOTH, SECRETS_OF_BOTH) == [
        KeyUsage(key_id=second, role=KeyRole.CURRENT, payloads=1),
        KeyUsage(
            key_id=first,
            role=KeyRole.PREVIOUS,
            payloads=2,
            rejected_webhooks=3,
            secrets=1,
            fingerprints=3,
            audit_entries=1,
        ),
    ]
    assert {(key.key_id, key.role) for key in await usage(admins, OF_SECOND, SECRETS_OF_SECOND)} == {
        (second, KeyRole.CURRENT),
        (first, KeyRole.UNKNOWN),
        (SecretCipher(FIRST).key_ids[0].hex(), KeyRole.UNKNOWN),
        (SecretCipher(FIRST).recogniser_key_ids[0].hex(), KeyRole.UNKNOWN),
        (AuditKeys(FIRST).key_id.hex(), KeyRole.UNKNOWN),
    }
    assert (await run(rewrap)).secrets == 1
    assert await usage(admins, OF_BOTH, SECRETS_OF_BOTH) == [
        KeyUsage(key_id=second, role=KeyRole.CURRENT, payloads=3, rejected_webhooks=3, secrets=1),
        KeyUsage(key_id=first, role=KeyRole.PREVIOUS),
    ]


async def test_secrets_are_known_and_refused_as_before_when_the_old_key_is_gone(engine: Engine, rewrap: Rewrap) -> None:
    clock = FixedClock()
    ingress, admin = Ingress(engine, clock), Admin(engine, clock)
    await ingress.sync()
    await admin.begin(order(), WHO)
    await admin.complete("mock", "", WHO, force=True)
    await admin.revoke("mock", "", "v1", "leaked", WHO)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    for cipher in (SecretCipher(FIRST, [SECOND]), SECRETS_OF_BOTH):
        ingress, admin = Ingress(engine, clock, cipher=cipher), Admin(engine, clock, cipher=cipher)
        await ingress.sync()
        assert await ingress.accept(OLD, NEW, THIRD) == [REJECTED, ACCEPTED, REJECTED]
        await refuses_both(admin)
    await run(rewrap)
    ingress, admin = (
        Ingress(engine, clock, cipher=SECRETS_OF_SECOND),
        Admin(engine, clock, cipher=SECRETS_OF_SECOND),
    )
    await ingress.sync()
    assert await ingress.accept(OLD, NEW, THIRD) == [REJECTED, ACCEPTED, REJECTED]
    await refuses_both(admin)
    # The secret of the environment is the version that it was.
    assert [(view.version, view.status) for view in await admin.versions("mock") if view.in_environment] == [
        ("v1", SecretStatus.REVOKED)
    ]
    await admin.begin(order(THIRD), WHO)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW, THIRD) == [REJECTED, ACCEPTED, ACCEPTED]


async def refuses_both(admin: Admin) -> None:
    with pytest.raises(InvalidFieldError, match="this one was revoked"):
        await admin.begin(order(OLD), WHO)
    with pytest.raises(InvalidFieldError, match="another than those that are known"):
        await admin.begin(order(NEW), WHO)


async def test_a_secret_that_was_retired_under_another_key_is_revoked_with_its_new_version(engine: Engine) -> None:
    clock = FixedClock()
    await Ingress(engine, clock).sync()
    admin = Admin(engine, clock)
    await admin.begin(order(), WHO)
    await admin.complete("mock", "", WHO, force=True)
    admin = Admin(engine, clock, cipher=SECRETS_OF_BOTH)
    await admin.begin(order(OLD), WHO)
    ingress = Ingress(engine, clock, cipher=SECRETS_OF_BOTH)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, ACCEPTED]
    await admin.revoke("mock", "", "v1", "leaked", WHO)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    assert [view.status for view in await admin.versions("mock")] == ["revoked", "current", "revoked"]


async def test_versions_of_one_secret_under_two_keys_are_revoked_together_and_refused(engine: Engine) -> None:
    clock, of_first = FixedClock(), SecretCipher(FIRST)
    admin, ingress = Admin(engine, clock, cipher=SECRETS_OF_BOTH), Ingress(engine, clock, {}, SECRETS_OF_BOTH)
    secret, place = Secret(THIRD), {"provider": "mock", "field": "secret"}
    other, current = Secret(NEW), SecretStatus.CURRENT
    versions = [
        (1, SecretStatus.RETIRED, None, of_first.fingerprint(secret, **place)),
        (2, current, of_first.seal(secret, number=2, **place), SECRETS_OF_BOTH.fingerprint(secret, **place)),
        (3, current, of_first.seal(other, number=3, **place), of_first.fingerprint(other, **place)),
    ]
    async with transaction(engine) as connection:
        await lock_secrets(connection)
        for number, status, sealed, fingerprint in versions:
            row = SecretRow(
                number=number, status=status, from_environment=False, sealed=sealed, fingerprint=fingerprint,
                owner="", reason="", created_by="", created_at=START, provider="mock", field="secret",
            )  # fmt: skip
            await insert_version(connection, row)
    await ingress.sync()
    assert await ingress.accept(THIRD, NEW) == [ACCEPTED, ACCEPTED]
    # As if it had been revoked by somebody who knew the first key alone.
    async with transaction(engine) as connection:
        await lock_secrets(connection)
        await set_version_status(connection, "mock", 1, SecretStatus.REVOKED, START)
    await ingress.sync()
    assert await ingress.accept(THIRD, NEW) == [REJECTED, ACCEPTED]
    await admin.revoke("mock", "", "v1", "leaked", WHO)
    assert [view.status for view in await admin.versions("mock")] == ["revoked", "revoked", "current"]


async def test_a_secret_of_the_environment_that_is_known_under_two_keys_is_refused_when_one_is_revoked(
    engine: Engine,
) -> None:
    clock = FixedClock()
    for cipher in (SecretCipher(FIRST, [SECOND]), SECRETS_OF_BOTH):  # replicas while APP_KEY is rolled out
        await Ingress(engine, clock, cipher=cipher).sync()
    admin = Admin(engine, clock, cipher=SECRETS_OF_BOTH)
    await admin.begin(order(), WHO)
    await admin.revoke("mock", "", "v1", "leaked", WHO)
    for cipher in (SecretCipher(FIRST, [SECOND]), SECRETS_OF_BOTH):
        ingress = Ingress(engine, clock, cipher=cipher)
        await ingress.sync()
        assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    await admin.abort("mock", "", WHO, leave_none=True)
    with pytest.raises(InvalidFieldError, match="this one was revoked"):
        await admin.begin(order(OLD), WHO)


async def test_after_a_key_is_lost_nothing_is_rotated_in_although_no_run_has_kept_its_recogniser(
    engine: Engine,
) -> None:
    clock = FixedClock()
    await Ingress(engine, clock).sync()
    await Admin(engine, clock).begin(order(), WHO)
    await Admin(engine, clock).abort("mock", "", WHO)
    with pytest.raises(ConflictError) as caught:
        await Admin(engine, clock, cipher=SECRETS_OF_SECOND).begin(order(THIRD), WHO)
    assert caught.value.reason is Reason.PAYLOAD_SEALED


async def test_two_changes_of_the_key_later_a_refused_secret_is_still_refused(engine: Engine, admins: Engine) -> None:
    clock = FixedClock()
    await Ingress(engine, clock).sync()
    admin = Admin(engine, clock)
    await admin.begin(order(), WHO)
    await admin.complete("mock", "", WHO, force=True)
    third = bytes(range(64, 96))
    for new, old in ((SECOND, FIRST), (third, SECOND)):
        await run(
            Rewrap(
                engine=admins,
                payload_cipher=PayloadCipher(new, [old]),
                secret_cipher=SecretCipher(new, [old]),
                audit_keys=AuditKeys(new, [old]),
                clock=clock,
            )
        )
    ingress = Ingress(engine, clock, cipher=SecretCipher(third))
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    async with transaction(engine) as connection:
        report = await verify_chain(connection, AuditKeys(third))
    assert (report.verified, report.broken) == (6, None)


async def test_nothing_is_rotated_in_while_it_cannot_be_told_whether_it_was_refused(
    engine: Engine, rewrap: Rewrap
) -> None:
    clock = FixedClock()
    await Ingress(engine, clock).sync()
    await run(rewrap)
    with pytest.raises(ConflictError) as caught:
        await Admin(engine, clock, cipher=SecretCipher(bytes(32))).begin(order(), WHO)
    assert caught.value.reason is Reason.PAYLOAD_SEALED
