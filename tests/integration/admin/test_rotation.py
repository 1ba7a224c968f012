"""Rotating secrets against a real PostgreSQL, with ingress beside it in this process."""

import asyncio
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.admin.caller import Caller
from services.admin.rotate import BeginOrder, Rotations
from services.admin.rotation_state import RotationState
from services.ingress.accept import Acceptor
from services.ingress.credentials import CredentialBook
from services.ingress.judge import Delivery, Disposition, Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.signature_counts import SignatureCounts
from services.ingress.stored_secrets import StoredSecrets
from tenrusl.clock import Clock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.secret_news import listen_for_secret_news, publish_secret_news
from tenrusl.crypto import PayloadCipher, SecretCipher
from tenrusl.errors import ConflictError, InvalidFieldError, NotFoundError, Reason, UnavailableError
from tenrusl.keysources.source import KeySource
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.local.valkey import EmbeddedValkey
from tenrusl.operators import Operator, Role
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Headers, Webhook
from tenrusl.rotation import QUIET, Blocker, SecretStatus
from tenrusl.secret import Secret
from tenrusl.settings import load_credentials
from tenrusl.store.audit import list_entries, verify_chain
from tenrusl.store.engine import Engine, build_engine, transaction
from tenrusl.store.event_store import EventStore
from tests.builders import FixedClock, rows
from tests.conftest import OWN_DATABASE

APP_KEY = bytes(range(32))
CIPHER = SecretCipher(APP_KEY)
OLD, NEW, THIRD = "old-mock-secret", "new-mock-secret", "third-mock-secret"
WHO = Caller(Operator("ada", Role.ADMIN), "request-1")
Environment = Mapping[str, str]
MOCK: Environment = {"TENRUSL_WEBHOOK_SECRET_MOCK": OLD}
_numbers = itertools.count(1)


async def no_network(*_: object, **__: object) -> bytes:
    raise AssertionError("mock needs no network")


class Ingress:
    """An ingress process without gRPC. environment: its variables of secrets."""

    def __init__(
        self, engine: Engine, clock: Clock, environment: Environment = MOCK, cipher: SecretCipher = CIPHER
    ) -> None:
        self.book = CredentialBook(PROVIDERS, load_credentials(environment), cipher=cipher)
        self.secrets = StoredSecrets(engine, self.book, cipher)
        self.counts = SignatureCounts(
            engine,
            self.book,
            clock,
            instance=f"ingress-{next(_numbers)}",
            revision=lambda: self.secrets.revision,
        )
        self.acceptor = Acceptor(
            judge=Judge(providers=PROVIDERS, allowed=(), credentials=self.book, cipher=PayloadCipher(APP_KEY)),
            keys=KeySource(no_network, clock),
            postback=Postback(no_network, clock),
            store=EventStore(engine, partition_days=2),
            hand_off=lambda _: None,
            handoff_delay=timedelta(seconds=10),
            clock=clock,
            metrics=IngressMetrics(CollectorRegistry(), PROVIDERS),
            secrets_known=lambda: self.secrets.known,
            count_signatures=self.counts.count,
        )

    async def sync(self) -> None:
        """What happens every two seconds."""
        await self.secrets.refresh()
        await self.counts.flush()

    async def accept(self, *secrets: str) -> list[Disposition]:
        """What becomes of a batch of new webhooks, signed with these."""
        return [outcome.disposition for outcome in await self.acceptor.accept([delivery(s) for s in secrets])]


def delivery(secret: str) -> Delivery:
    body = json.dumps({"id": f"evt-{next(_numbers)}"}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = Headers([("x-mock-signature", signature), ("content-type", "application/json")])
    webhook = Webhook(method="POST", path="/api/webhooks/mock", headers=headers, body=body)
    return Delivery(provider="mock", webhook=webhook, request_id="request-1")


def order(secret: str = NEW, **changes: str) -> BeginOrder:
    values = {"provider": "mock", "field": "", "owner": "payments team", "reason": "yearly", **changes}
    return BeginOrder(secret=Secret(secret), **values)


ACCEPTED, REJECTED, NOT_STORED = Disposition.ACCEPTED, Disposition.REJECTED, Disposition.NOT_STORED


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


class Admin(Rotations):
    """Rotations that note how often they told ingress."""

    told = 0

    def __init__(self, engine: Engine, clock: Clock, quiet: timedelta = QUIET, cipher: SecretCipher = CIPHER) -> None:
        async def notify() -> None:
            self.told += 1

        super().__init__(engine=engine, providers=PROVIDERS, cipher=cipher, notify=notify, clock=clock, quiet=quiet)


@pytest.fixture
def admin(engine: Engine, clock: FixedClock) -> Admin:
    return Admin(engine, clock)


@pytest.fixture
async def ingress(engine: Engine, clock: FixedClock) -> Ingress:
    ingress = Ingress(engine, clock)
    await ingress.sync()
    return ingress


async def force_through(admin: Admin, ingress: Ingress, secret: str = NEW) -> RotationState:
    """A rotation from beginning to end."""
    await admin.begin(order(secret), WHO)
    state = await admin.complete("mock", "", WHO, force=True)
    await ingress.sync()
    return state


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
    with pytest.raises(ConflictError, match="has matched recently") as caught:
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


async def test_a_retired_secret_is_never_taken_again(admin: Admin, ingress: Ingress, engine: Engine) -> None:
    await force_through(admin, ingress)
    await force_through(admin, ingress, THIRD)
    assert await ingress.accept(OLD, NEW, THIRD) == [REJECTED, REJECTED, ACCEPTED]
    for secret in (OLD, NEW):
        with pytest.raises(InvalidFieldError):
            await admin.begin(order(secret), WHO)
    kept = await rows(engine, "SELECT number, sealed IS NOT NULL FROM signing_secrets ORDER BY number")
    assert [tuple(row) for row in kept] == [(1, False), (2, False), (3, True)]


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
        assert await verify_chain(connection) == (5, None)
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


async def test_nothing_is_judged_before_the_stored_secrets_are_known(engine: Engine, clock: FixedClock) -> None:
    starting = Ingress(engine, clock)
    assert await starting.accept(OLD, NEW) == [NOT_STORED, NOT_STORED]
    await starting.sync()
    assert await starting.accept(OLD, NEW) == [ACCEPTED, REJECTED]


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


@asynccontextmanager
async def running(ingress: Ingress, valkey_url: str) -> AsyncIterator[None]:
    """Its background tasks."""
    redis = build_redis(valkey_url)
    tasks = [
        asyncio.create_task(work)
        for work in (ingress.secrets.keep(), ingress.counts.keep(), listen_for_secret_news(redis, ingress.secrets.wake))
    ]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await redis.aclose()


async def until(reached: Callable[[], bool]) -> None:
    """Waits, at most 20 seconds."""
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.01)


async def test_under_load_from_two_ingress_processes_no_valid_webhook_is_rejected(
    engine: Engine, clock: FixedClock, valkey_url: str
) -> None:
    both = [Ingress(engine, clock), Ingress(engine, clock)]
    redis = build_redis(valkey_url)
    admin = Rotations(
        engine=engine,
        providers=PROVIDERS,
        cipher=CIPHER,
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
