"""What ingress does while secrets are rotated: learns of them, counts, reports, and goes on when stores are down."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.admin.rotate import Rotations
from services.ingress.judge import Disposition
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.secret_news import publish_secret_news
from tenrusl.crypto import SecretCipher
from tenrusl.errors import ConflictError, UnavailableError
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.local.valkey import EmbeddedValkey
from tenrusl.providers import PROVIDERS
from tenrusl.rotation import Blocker
from tenrusl.store.engine import Engine, build_engine, transaction
from tests.builders import AUDIT_KEYS, FixedClock, rows
from tests.conftest import OWN_DATABASE
from tests.integration.admin.rotation_stack import (
    ACCEPTED,
    CIPHER,
    NEW,
    NOT_STORED,
    OLD,
    QUIET,
    REJECTED,
    WHO,
    Admin,
    Ingress,
    force_through,
    order,
    running,
    until,
    until_one_waits_for_a_lock,
)


async def test_a_version_that_an_ingress_cannot_open_is_not_safe(
    admin: Admin, ingress: Ingress, engine: Engine, clock: FixedClock
) -> None:
    await admin.begin(order(), WHO)
    await ingress.sync()
    await ingress.accept(NEW)
    other = Ingress(engine, clock, cipher=SecretCipher(bytes(32)))
    clock.advance(QUIET)
    await ingress.sync()
    await other.sync()
    assert await other.accept(NEW) == [REJECTED]
    assert (await admin.get("mock", "")).blockers == [Blocker.INGRESS_CANNOT_READ]
    with pytest.raises(ConflictError, match="cannot open the new version: is its APP_KEY that of admin"):
        await admin.complete("mock", "", WHO)


async def test_counts_outlive_a_flush_that_is_cancelled(admin: Admin, ingress: Ingress, engine: Engine) -> None:
    await ingress.accept(OLD, OLD, NEW)
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("LOCK TABLE signature_matches")
        flushing = asyncio.create_task(ingress.counts.flush())
        await until_one_waits_for_a_lock(engine)
        flushing.cancel()
        await asyncio.wait({flushing})
        assert flushing.cancelled()
    await ingress.counts.close()
    assert [view.matches for view in await admin.versions("mock")] == [2]
    assert await rows(engine, "SELECT sum(rejections) FROM signature_rejections") == [(1,)]


async def test_polling_alone_brings_a_new_secret_in_everywhere(
    admin: Admin, database_url: str, clock: FixedClock, own_valkey: Callable[[], EmbeddedValkey]
) -> None:
    valkey = own_valkey()
    valkey.kill()  # nobody hears any news
    engines = [build_engine(database_url, service=f"ingress-{n}", pool_size=2) for n in range(2)]
    both = [Ingress(engine, clock) for engine in engines]
    async with running(both[0], valkey.url), running(both[1], valkey.url):
        await until(lambda: all(ingress.secrets.known for ingress in both))
        for ingress in both:
            await ingress.counts.flush()
        await admin.begin(order(), WHO)
        await until(lambda: all(len(ingress.book["mock"].versions("secret")) == 2 for ingress in both))
        for ingress in both:
            assert await ingress.accept(OLD, NEW) == [ACCEPTED, ACCEPTED]
    for engine in engines:
        await engine.dispose()


async def test_nothing_is_judged_before_the_stored_secrets_are_known(engine: Engine, clock: FixedClock) -> None:
    starting = Ingress(engine, clock)
    assert await starting.accept(OLD, NEW) == [NOT_STORED, NOT_STORED]
    await starting.sync()
    assert await starting.accept(OLD, NEW) == [ACCEPTED, REJECTED]


async def test_under_load_from_two_ingress_processes_no_valid_webhook_is_rejected(
    engine: Engine, clock: FixedClock, valkey_url: str
) -> None:
    both = [Ingress(engine, clock), Ingress(engine, clock)]
    redis = build_redis(valkey_url)
    admin = Rotations(
        engine=engine,
        providers=PROVIDERS,
        cipher=CIPHER,
        audit_keys=AUDIT_KEYS,
        notify=lambda: publish_secret_news(redis),
        clock=clock,
        quiet=timedelta(0),
    )
    provider_signs_with, stopped = [OLD], asyncio.Event()
    seen: list[Disposition] = []

    async def load(ingress: Ingress) -> None:
        while not stopped.is_set():
            seen.extend(await ingress.accept(*provider_signs_with * 8))

    async def everywhere(revision: int) -> None:
        await until(lambda: all(ingress.secrets.revision >= revision for ingress in both))

    async with running(both[0], valkey_url), running(both[1], valkey_url):
        await everywhere(1)
        for ingress in both:
            await ingress.counts.flush()
        async with asyncio.TaskGroup() as group:
            for ingress in both:
                group.create_task(load(ingress))
            await until(lambda: len(seen) >= 100)
            await admin.begin(order(), WHO)
            await everywhere(2)
            provider_signs_with[0] = NEW
            before = len(seen)
            await until(lambda: len(seen) >= before + 200)
            for ingress in both:
                await ingress.counts.flush()
            assert (await admin.complete("mock", "", WHO)).new.version == "v2"
            await everywhere(3)
            before = len(seen)
            await until(lambda: len(seen) >= before + 100)
            stopped.set()
        assert set(seen) == {ACCEPTED}
        for ingress in both:
            assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
            await ingress.counts.flush()
    await redis.aclose()
    (new,) = [view for view in await admin.versions("mock") if view.version == "v2"]
    ((stored,),) = await rows(engine, "SELECT count(*) FROM webhook_events WHERE signature_version = 'v2'")
    assert new.matches == stored


async def test_it_goes_on_with_what_it_has_when_both_stores_are_down(
    own_postgres: Callable[[], EmbeddedPostgres], own_valkey: Callable[[], EmbeddedValkey], clock: FixedClock
) -> None:
    postgres, valkey = own_postgres(), own_valkey()
    engine = build_engine(postgres.url(OWN_DATABASE), service="test", pool_size=4)
    ingress = Ingress(engine, clock)
    await ingress.sync()
    await force_through(Admin(engine, clock), ingress)
    async with running(ingress, valkey.url):
        valkey.kill()
        postgres.kill()
        with pytest.raises(UnavailableError):
            await ingress.secrets.refresh()
        with pytest.raises(UnavailableError):
            await ingress.counts.flush()
        # Judged as before: what is right cannot be stored now and is to be sent again, what is wrong is rejected.
        assert await ingress.accept(OLD, NEW) == [REJECTED, NOT_STORED]
        postgres.start()
        valkey.start()
        assert await ingress.accept(OLD, NEW) == [REJECTED, ACCEPTED]
        await ingress.counts.flush()
    # Both were verified, the one that could not be stored too.
    (view,) = [view for view in await Admin(engine, clock).versions("mock") if view.version == "v2"]
    assert view.matches == 2
    await engine.dispose()
