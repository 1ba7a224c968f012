"""Secrets that are refused: retired, revoked, leaked, and never the last one by accident."""

from datetime import timedelta

import pytest

from tenrusl.errors import ConflictError, InvalidFieldError, NotFoundError, Reason
from tenrusl.rotation import SecretStatus
from tenrusl.secret import Secret
from tenrusl.store.audit import list_entries
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.signature_counts import SEEN
from tests.builders import FixedClock, rows
from tests.integration.admin.rotation_stack import (
    ACCEPTED,
    CIPHER,
    MOCK,
    NEW,
    OLD,
    REJECTED,
    THIRD,
    WHO,
    Admin,
    Ingress,
    force_through,
    order,
)


async def test_a_retired_secret_is_refused_and_forgotten(admin: Admin, ingress: Ingress, engine: Engine) -> None:
    await force_through(admin, ingress)
    await force_through(admin, ingress, THIRD)
    assert await ingress.accept(OLD, NEW, THIRD) == [REJECTED, REJECTED, ACCEPTED]
    kept = await rows(engine, "SELECT number, sealed IS NOT NULL FROM signing_secrets ORDER BY number")
    assert [tuple(row) for row in kept] == [(1, False), (2, False), (3, True)]


async def test_a_secret_that_was_retired_by_mistake_may_be_rotated_in_again(
    admin: Admin, ingress: Ingress, engine: Engine
) -> None:
    await force_through(admin, ingress)
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    assert (await admin.begin(order(OLD), WHO)).new.version == "v3"
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, ACCEPTED]
    async with transaction(engine) as connection:
        (newest,) = await list_entries(connection, limit=1)
    assert (newest.entry.after or {})["same_as"] == ["v1"]
    assert [view.version for view in (await admin.complete("mock", "", WHO, force=True)).old] == ["v2"]
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, REJECTED]
    await admin.begin(order(NEW), WHO)
    await admin.abort("mock", "", WHO)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, REJECTED]


async def test_a_revoked_secret_is_never_taken_again(admin: Admin, ingress: Ingress) -> None:
    await force_through(admin, ingress)
    await admin.revoke("mock", "", "v1", "leaked", WHO)
    with pytest.raises(InvalidFieldError, match="was revoked") as caught:
        await admin.begin(order(OLD), WHO)
    assert [violation.field for violation in caught.value.violations] == ["secret"]


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_leaked_secret_is_revoked_under_all_its_numbers(admin: Admin, ingress: Ingress, version: str) -> None:
    await admin.begin(order(), WHO)
    await admin.abort("mock", "", WHO)
    await admin.begin(order(), WHO)
    await ingress.sync()
    revoked = await admin.revoke("mock", "", version, "leaked", WHO)
    assert (revoked.version, revoked.status) == (version, SecretStatus.REVOKED)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [ACCEPTED, REJECTED]
    assert (await admin.revoke("mock", "", version, "leaked", WHO)).status is SecretStatus.REVOKED


async def test_a_leaked_secret_is_refused_in_the_environment_too(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    await admin.begin(order(), WHO)
    await admin.abort("mock", "", WHO)
    other = Ingress(engine, clock, {"TENRUSL_WEBHOOK_SECRET_MOCK_NEXT": NEW, **MOCK})
    await other.sync()
    assert await other.accept(OLD, NEW) == [ACCEPTED, ACCEPTED]
    await admin.revoke("mock", "", "v2", "leaked", WHO)
    await other.sync()
    assert await other.accept(OLD, NEW) == [ACCEPTED, REJECTED]


async def test_of_two_secrets_under_one_name_none_is_revoked_by_it(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    replaced = Ingress(engine, clock, {"TENRUSL_WEBHOOK_SECRET_MOCK": NEW})
    await replaced.sync()
    names = [view.version for view in await admin.versions("mock")]
    assert len(set(names)) == 2
    with pytest.raises(ConflictError, match=f"name one: {', '.join(names)}") as caught:
        await admin.revoke("mock", "", "current", "leaked", WHO)
    assert caught.value.reason is Reason.SECRET_AMBIGUOUS
    old = "current-" + CIPHER.fingerprint(Secret(OLD), provider="mock", field="secret").hex()[:8]
    assert old in names
    await admin.revoke("mock", "", old, "leaked", WHO)
    await replaced.sync()
    assert await replaced.accept(OLD, NEW) == [REJECTED, ACCEPTED]


async def test_a_secret_that_left_the_environment_is_not_left_over(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    await admin.begin(order(), WHO)
    clock.advance(SEEN + timedelta(seconds=1))  # the ingress that had OLD is gone
    without = Ingress(engine, clock, {})
    await without.sync()
    for end in (admin.abort("mock", "", WHO), admin.revoke("mock", "", "v2", "leaked", WHO)):
        with pytest.raises(ConflictError, match="v2 is the only accepted version") as caught:
            await end
        assert caught.value.reason is Reason.LAST_SECRET
    replaced = Ingress(engine, clock, {"TENRUSL_WEBHOOK_SECRET_MOCK": THIRD})
    await replaced.sync()
    await admin.abort("mock", "", WHO)
    await replaced.sync()
    assert await replaced.accept(OLD, NEW, THIRD) == [REJECTED, REJECTED, ACCEPTED]


async def test_a_leaked_secret_of_the_environment_is_refused_at_once(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    with pytest.raises(ConflictError) as caught:
        await admin.revoke("mock", "", "current", "leaked", WHO)
    assert caught.value.reason is Reason.LAST_SECRET
    await admin.begin(order(), WHO)
    assert (await admin.revoke("mock", "", "v1", "leaked", WHO)).status is SecretStatus.REVOKED
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    again = Ingress(engine, clock)
    await again.sync()
    assert await again.accept(OLD, NEW) == [REJECTED, ACCEPTED]
    with pytest.raises(NotFoundError):
        await admin.revoke("mock", "", "v9", "leaked", WHO)


async def test_where_the_last_one_is_revoked_nothing_is_accepted(admin: Admin, ingress: Ingress) -> None:
    assert (await admin.revoke("mock", "", "current", "leaked", WHO, leave_none=True)).version == "v1"
    await ingress.sync()
    assert await ingress.accept(OLD, "") == [REJECTED, REJECTED]
    await admin.begin(order(), WHO)
    await ingress.sync()
    assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
