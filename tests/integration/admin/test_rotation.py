"""Rotating secrets against a real PostgreSQL, with ingress beside it in this process."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tenrusl.errors import ConflictError, InvalidFieldError, NotFoundError, Reason
from tenrusl.rotation import Blocker, SecretStatus
from tenrusl.secret import Secret
from tenrusl.store.audit import list_entries
from tenrusl.store.audit_verification import verify_chain
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.signing_secrets import insert_version, lock_secrets, read_versions, set_status
from tests.builders import AUDIT_KEYS, FixedClock
from tests.integration.admin.rotation_stack import (
    ACCEPTED,
    CIPHER,
    NEW,
    OLD,
    QUIET,
    REJECTED,
    THIRD,
    WHO,
    Admin,
    Ingress,
    force_through,
    order,
    until_one_waits_for_a_lock,
)


async def test_both_are_accepted_until_the_rotation_is_completed(
    admin: Admin, ingress: Ingress, clock: FixedClock
) -> None:
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, REJECTED]
    state = await admin.begin(order(), WHO)
    assert (state.new.version, [view.version for view in state.old]) == ("v2", ["v1"])
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, ACCEPTED]
    await ingress.sync()
    clock.advance(QUIET)
    await ingress.sync()
    done = await admin.complete("mock", "secret", WHO)
    assert done.new.status is SecretStatus.CURRENT
    assert [(view.version, view.status, view.in_environment) for view in done.old] == [
        ("v1", SecretStatus.RETIRED, True)
    ]
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    assert admin.told == 2


async def test_completing_is_refused_with_every_reason_until_it_is_safe(
    admin: Admin, ingress: Ingress, clock: FixedClock
) -> None:
    await admin.begin(order(), WHO)
    assert (await admin.get("mock", "")).blockers == [
        Blocker.TOO_SOON,
        Blocker.NEW_NEVER_MATCHED,
        Blocker.INGRESS_BEHIND,
    ]
    await ingress.sync()
    clock.advance(QUIET)
    await ingress.accept(OLD, NEW)
    await ingress.sync()
    state = await admin.get("mock", "")
    assert (state.blockers, state.new.matches, state.new.last_match) == (
        [Blocker.OLD_STILL_MATCHES],
        1,
        clock.now(),
    )
    with pytest.raises(
        ConflictError, match=r"has matched recently: 600 s to go \(TENRUSL_ROTATION_QUIET_SECONDS\)"
    ) as caught:
        await admin.complete("mock", "", WHO)
    assert caught.value.reason is Reason.ROTATION_NOT_SAFE
    clock.advance(QUIET)
    assert (await admin.get("mock", "")).blockers == [Blocker.INGRESS_SILENT]
    await ingress.accept(*[THIRD] * 30)
    await ingress.sync()
    state = await admin.get("mock", "")
    assert (state.blockers, state.rejections_before) == ([Blocker.REJECTIONS_ROSE], 0)
    clock.advance(2 * QUIET)
    await ingress.sync()
    assert (await admin.get("mock", "")).blockers == []


async def test_what_was_rejected_before_is_told_beside_what_is_now(
    admin: Admin, ingress: Ingress, clock: FixedClock
) -> None:
    await ingress.accept(*[THIRD] * 5)
    await ingress.sync()
    clock.advance(timedelta(minutes=20))
    await ingress.sync()
    await admin.begin(order(), WHO)
    assert (await admin.get("mock", "")).rejections_before == 5


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"secret": ""}, "secret"),
        ({"secret": " \n"}, "secret"),
        ({"secret": "short"}, "secret"),
        ({"secret": NEW + " "}, "secret"),
        ({"secret": OLD}, "secret"),
        ({"provider": "nosuch"}, "provider"),
        ({"field": "nosuch"}, "field"),
        ({"owner": ""}, "owner"),
        ({"reason": "\x07"}, "reason"),
        ({"provider": "standardwebhooks", "secret": "not-the-right-form"}, "secret"),
    ],
)
async def test_a_wrong_order_is_refused_by_the_name_of_its_field(
    changes: dict[str, str], field: str, admin: Admin, ingress: Ingress
) -> None:
    given = {"secret": NEW, **changes}
    with pytest.raises(InvalidFieldError) as caught:
        await admin.begin(order(**given), WHO)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert not given["secret"].strip() or given["secret"] not in str(caught.value)
    assert [view.version for view in await admin.versions("mock")] == ["current"]


async def test_a_second_rotation_is_refused_while_one_is_open(admin: Admin, ingress: Ingress) -> None:
    await admin.begin(order(), WHO)
    with pytest.raises(ConflictError) as caught:
        await admin.begin(order(THIRD), WHO)
    assert caught.value.reason is Reason.ROTATION_OPEN


async def test_of_two_that_begin_at_once_one_is_refused(admin: Admin, ingress: Ingress) -> None:
    found = await asyncio.gather(*(admin.begin(order(secret), WHO) for secret in (NEW, THIRD)), return_exceptions=True)
    assert sorted(type(item).__name__ for item in found) == ["ConflictError", "RotationState"]


async def test_a_secret_that_no_ingress_has_cannot_be_rotated(admin: Admin, ingress: Ingress) -> None:
    with pytest.raises(NotFoundError) as caught:
        await admin.begin(order(provider="stripe"), WHO)
    assert caught.value.reason is Reason.SECRET_NOT_FOUND


async def test_an_aborted_secret_is_refused_and_may_come_again(admin: Admin, ingress: Ingress) -> None:
    await admin.begin(order(), WHO)
    assert (await admin.abort("mock", "", WHO)).status is SecretStatus.ABORTED
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, REJECTED]
    assert (await admin.begin(order(), WHO)).new.version == "v3"
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, ACCEPTED]


async def test_just_the_rotation_that_was_judged_is_completed(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    await admin.begin(order(), WHO)
    await ingress.sync()
    await ingress.accept(NEW)
    clock.advance(QUIET)
    await ingress.sync()
    assert (await admin.get("mock", "")).blockers == []
    async with transaction(engine) as connection:
        await lock_secrets(connection)
        completing = asyncio.create_task(admin.complete("mock", "", WHO))
        await until_one_waits_for_a_lock(engine)
        # Another admin aborts it and begins another one.
        rows_before = await read_versions(connection, "mock")
        await set_status(connection, "mock", 2, SecretStatus.ABORTED, clock.now())
        sealed = CIPHER.seal(Secret(THIRD), provider="mock", field="secret", number=3)
        print_ = CIPHER.fingerprint(Secret(THIRD), provider="mock", field="secret")
        third = replace(rows_before[1], number=3, sealed=sealed, fingerprint=print_, created_at=clock.now())
        await insert_version(connection, third)
    with pytest.raises(ConflictError) as caught:
        await completing
    assert caught.value.reason is Reason.ROTATION_NOT_SAFE
    assert (await admin.get("mock", "")).new.version == "v3"


async def test_a_field_by_which_nothing_is_counted_is_left_to_the_environment(engine: Engine, admin: Admin) -> None:
    environment = {
        "TENRUSL_WEBHOOK_SECRET_DOKU": "doku-secret-key",
        "TENRUSL_PROVIDER_DOKU__CLIENT_ID": "BRN-0201-1785000000000",
    }
    await Ingress(engine, FixedClock(), environment).sync()
    with pytest.raises(InvalidFieldError, match="TENRUSL_PROVIDER_DOKU__CLIENT_ID_NEXT") as caught:
        await admin.begin(order("BRN-0201-1785000000001", provider="doku", field="client_id"), WHO)
    assert [violation.field for violation in caught.value.violations] == ["field"]
    assert (await admin.begin(order("new-secret-key", provider="doku"), WHO)).new.version == "v2"


async def test_the_new_secret_may_be_put_into_the_environment(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    await force_through(admin, ingress)
    other = Ingress(engine, clock, {"TENRUSL_WEBHOOK_SECRET_MOCK": NEW})
    await other.sync()
    assert await other.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    assert [(view.version, view.in_environment) for view in await admin.versions()] == [("v1", True), ("v2", True)]


async def test_a_secret_that_came_into_the_environment_meanwhile_is_retired_too(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    await admin.begin(order(), WHO)
    other = Ingress(engine, clock, {"TENRUSL_WEBHOOK_SECRET_MOCK": THIRD})
    await other.sync()
    assert [view.version for view in (await admin.get("mock", "")).old] == ["v1", "current"]
    await admin.complete("mock", "", WHO, force=True)
    await other.sync()
    assert await other.accept(OLD, NEW, THIRD) == [REJECTED, ACCEPTED, REJECTED]


async def test_every_change_is_in_the_audit_log_without_a_secret(
    admin: Admin, ingress: Ingress, engine: Engine
) -> None:
    await force_through(admin, ingress)
    await admin.begin(order(THIRD), WHO)
    await admin.abort("mock", "", WHO)
    await admin.revoke("mock", "", "v1", "leaked", WHO)
    async with transaction(engine) as connection:
        entries = [item.entry for item in await list_entries(connection, limit=10)]
    async with transaction(engine) as connection:
        report = await verify_chain(connection, AUDIT_KEYS)
    assert (report.verified, report.broken) == (5, None)
    assert [entry.action for entry in reversed(entries)] == [
        "rotation.begin",
        "rotation.complete",
        "rotation.begin",
        "rotation.abort",
        "secret.revoke",
    ]
    assert {(entry.actor, entry.target, entry.request_id) for entry in entries} == {
        ("ada", "secret/mock/secret", "request-1")
    }
    assert entries[-1].before == {"accepted": ["v1"]}
    assert (entries[-1].after or {})["accepted"] == ["v1", "v2"]
    assert not any(secret in repr(entries) for secret in (OLD, NEW, THIRD))


async def test_the_fields_of_a_provider_are_rotated_each_by_itself(engine: Engine, admin: Admin) -> None:
    environment = {
        "TENRUSL_WEBHOOK_SECRET_MIDTRANS": "server-key",
        "TENRUSL_PROVIDER_MIDTRANS__IRIS_MERCHANT_KEY": "merchant-key",
    }
    ingress = Ingress(engine, FixedClock(), environment)
    await ingress.sync()
    iris = order("new-merchant-key", provider="midtrans", field="iris_merchant_key")
    assert [view.version for view in (await admin.begin(iris, WHO)).old] == ["v1"]
    main = order("new-server-key", provider="midtrans")
    assert [view.version for view in (await admin.begin(main, WHO)).old] == ["v3"]
    await ingress.sync()
    fields = ingress.book["midtrans"].fields
    assert [version.version for version in fields["iris_merchant_key"]] == ["v1", "v2"]
    assert [version.version for version in fields["server_key"]] == ["v3", "v4"]
    await admin.complete("midtrans", "iris_merchant_key", WHO, force=True)
    await ingress.sync()
    fields = ingress.book["midtrans"].fields
    assert [version.version for version in fields["iris_merchant_key"]] == ["v2"]
    assert [version.version for version in fields["server_key"]] == ["v3", "v4"]
