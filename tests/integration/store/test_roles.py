"""What each service's database role may not do, and that the migration makes the roles or says who must."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import create_engine, text

from tenrusl.local.postgres import SUPERUSER, EmbeddedPostgres
from tenrusl.store.migrate import upgrade
from tenrusl.store.roles import SERVICE_ROLES, MissingRolesError, ensure_roles

Login = Callable[[str], psycopg.Connection]
ALL = tuple(SERVICE_ROLES)
TABLES = [
    "audit_head", "audit_log", "audit_verifiers",
    "environment_secrets", "ingress_reports", "payment_transitions", "payments", "purged_days",
    "rejected_webhooks", "retained_payloads", "retention_holds", "secret_recognisers", "signature_matches",
    "signature_rejections", "signing_secret_revision", "signing_secrets", "throttles", "webhook_events",
    "webhook_payloads", "webhook_transmissions",
]  # fmt: skip
# Of whole tables, by service; all else is granted by column or not at all.
READ = {
    "ingress": {
        "environment_secrets", "ingress_reports", "rejected_webhooks", "secret_recognisers", "signature_matches",
        "signature_rejections", "signing_secret_revision", "signing_secrets", "throttles", "webhook_transmissions",
    },
    "processor": {"audit_head", "payment_transitions", "payments", "retained_payloads", "webhook_payloads"},
    "scheduler": {"audit_head", "purged_days", "retention_holds"},
    "admin": set(TABLES) - {"webhook_transmissions"},
}  # fmt: skip
REMOVE = {
    "ingress": {"environment_secrets", "ingress_reports", "rejected_webhooks", "signature_rejections"},
    "processor": set(),
    "scheduler": {"rejected_webhooks", "retained_payloads", "retention_holds", "webhook_transmissions"},
    "admin": {"throttles"},
}
DENIED = [
    # Nobody changes what is append-only, or removes events and payments.
    *((service, "UPDATE audit_log SET actor = 'somebody'") for service in ALL),
    *((service, "DELETE FROM audit_log") for service in ALL),
    *((service, "TRUNCATE audit_log") for service in ALL),
    *((service, "DELETE FROM payments") for service in ALL),
    *((service, "UPDATE payment_transitions SET to_status = 'succeeded'") for service in ALL),
    *((service, "ALTER TABLE audit_log DISABLE TRIGGER ALL") for service in ALL),
    *((service, "CREATE TABLE mine (id integer)") for service in ALL),
    *((service, f"SET ROLE {role}") for service in ALL for role in SERVICE_ROLES.values() if service not in role),
    *((service, "SET ROLE tenrusl") for service in ALL),
    *((service, "DELETE FROM audit_head") for service in ALL),
    # The audit log is read by admin, and written by whom operators ask.
    *((service, "SELECT actor, after FROM audit_log") for service in ("ingress", "processor", "scheduler")),
    *((service, "SELECT 1 FROM audit_verifiers") for service in ("ingress", "processor", "scheduler")),
    ("ingress", "INSERT INTO audit_log SELECT"),
    ("ingress", "SELECT 1 FROM audit_head"),
    ("ingress", "UPDATE audit_head SET number = 0"),
    # ingress has nothing to do with payments, and reads no payload back.
    ("ingress", "SELECT 1 FROM payments"),
    ("ingress", "UPDATE payments SET status = 'succeeded'"),
    ("ingress", "INSERT INTO payment_transitions SELECT"),
    ("ingress", "SELECT body FROM webhook_payloads"),
    ("ingress", "SELECT body FROM {day}"),
    ("ingress", "SELECT body FROM retained_payloads"),
    ("ingress", "UPDATE webhook_events SET status = 'processed'"),
    ("ingress", "UPDATE webhook_events SET amount_minor = 1"),
    ("ingress", "UPDATE signing_secrets SET status = 'current'"),
    ("ingress", "INSERT INTO signing_secrets SELECT"),
    ("ingress", "UPDATE throttles SET requests_per_second = 0"),
    ("ingress", "SELECT tenrusl_drop_payload_table('{day}')"),
    # The processor needs no secret and nothing of what was rejected.
    ("processor", "SELECT 1 FROM signing_secrets"),
    ("processor", "SELECT 1 FROM secret_recognisers"),
    ("processor", "SELECT 1 FROM rejected_webhooks"),
    ("processor", "SELECT headers FROM webhook_events"),
    ("processor", "INSERT INTO webhook_events SELECT"),
    ("processor", "UPDATE webhook_events SET amount_minor = 1"),
    ("processor", "DELETE FROM webhook_payloads"),
    ("processor", "SELECT tenrusl_retain_payloads('{day}', '{{}}')"),
    ("processor", "SELECT tenrusl_add_payload_day('2026-01-01')"),
    # The scheduler reads no payload, however it goes about it, and no secret.
    ("scheduler", "SELECT body FROM webhook_payloads"),
    ("scheduler", "SELECT body FROM {day}"),
    ("scheduler", "SELECT body FROM {day}_00"),
    ("scheduler", "SELECT * FROM retained_payloads"),
    ("scheduler", "SELECT body FROM retained_payloads"),
    ("scheduler", "DELETE FROM {day} RETURNING body"),
    ("scheduler", "COPY retained_payloads TO STDOUT"),
    ("scheduler", "UPDATE retained_payloads SET webhook_event_id = webhook_event_id"),
    ("scheduler", "INSERT INTO retained_payloads SELECT"),
    ("scheduler", "SELECT sealed FROM rejected_webhooks"),
    ("scheduler", "SELECT 1 FROM signing_secrets"),
    ("scheduler", "SELECT 1 FROM secret_recognisers"),
    ("scheduler", "SELECT headers FROM webhook_events"),
    ("scheduler", "UPDATE webhook_events SET status = 'processed'"),
    ("scheduler", "UPDATE payments SET status = 'succeeded'"),
    ("scheduler", "ALTER TABLE webhook_payloads DETACH PARTITION {day}"),
    ("scheduler", "DROP TABLE {day}"),
    ("scheduler", "GRANT SELECT ON webhook_payloads TO tenrusl_scheduler"),
    ("scheduler", "SELECT tenrusl_grant_payload_table('webhook_payloads')"),
    # admin changes no payment and no fact of an event.
    ("admin", "UPDATE payments SET status = 'succeeded'"),
    ("admin", "INSERT INTO payment_transitions SELECT"),
    ("admin", "UPDATE webhook_events SET amount_minor = 1"),
    ("admin", "DELETE FROM signing_secrets"),
    ("admin", "DELETE FROM webhook_payloads"),
    ("admin", "SELECT tenrusl_drop_payload_table('{day}')"),
]


@pytest.fixture
def login(postgres_server: EmbeddedPostgres, database_url: str) -> Iterator[Login]:
    """Connects as a service does."""
    opened = []

    def connect(service: str) -> psycopg.Connection:
        url = postgres_server.service_url(database_url.rpartition("/")[2], service)
        connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def today() -> str:
    return f"webhook_payloads_{datetime.now(UTC):%Y%m%d}"


def add_day(connection: psycopg.Connection, days: int) -> str:
    """Makes the partition of a day so many days from now."""
    day = datetime.now(UTC).date() + timedelta(days=days)
    connection.execute("SELECT tenrusl_add_payload_day(%s)", [day])
    return f"webhook_payloads_{day:%Y%m%d}"


@pytest.mark.parametrize(("service", "statement"), DENIED)
def test_a_service_cannot_do_what_is_not_its_work(login: Login, service: str, statement: str) -> None:
    day = add_day(login("ingress"), 0)
    with pytest.raises(errors.InsufficientPrivilege):
        login(service).execute(statement.format(day=day).encode())


@pytest.mark.parametrize("service", ALL)
def test_the_tables_that_a_service_may_read_and_remove_from_are_these(login: Login, service: str) -> None:
    sql = "SELECT name FROM unnest(%s::text[]) AS name WHERE has_table_privilege(name, %s)"
    for privilege, expected in (("SELECT", READ[service]), ("DELETE", REMOVE[service]), ("TRUNCATE", set())):
        found = {row[0] for row in login(service).execute(sql, [TABLES, privilege]).fetchall()}
        assert found == expected, privilege


def test_a_table_that_is_added_must_be_judged_here(login: Login) -> None:
    sql = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    names = {row[0] for row in login("admin").execute(sql).fetchall()}
    assert {name for name in names if "payloads_2" not in name} == {*TABLES, "alembic_version"}


def test_what_everybody_may_call_reaches_none_of_the_functions_of_the_owner(login: Login) -> None:
    sql = """
        SELECT proname, proacl::text, proconfig::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname ~ '^tenrusl_' AND prorettype <> 'trigger'::regtype
        """
    found = login("admin").execute(sql).fetchall()
    assert len(found) == 5
    for name, privileges, settings in found:
        assert "{=X" not in privileges, name
        assert ",=X" not in privileges, name
        assert "search_path=pg_catalog, public, pg_temp" in settings, name


def test_the_scheduler_can_remove_a_past_day_and_not_one_that_webhooks_come_for(login: Login) -> None:
    scheduler = login("scheduler")
    old, yesterday, now = (add_day(scheduler, days) for days in (-9, -1, 0))
    for day in (yesterday, now):
        with pytest.raises(errors.InvalidParameterValue, match="still coming"):
            scheduler.execute("SELECT tenrusl_detach_payload_day(to_date(right(%s, 8), 'YYYYMMDD'))", [day])
    for table in (old, f"{old}_07", now, f"{now}_07", "webhook_payloads", "payments", "webhook_payloads_2; --"):
        with pytest.raises(errors.InvalidParameterValue, match="in use"):
            scheduler.execute("SELECT tenrusl_drop_payload_table(%s)", [table])
    scheduler.execute("SELECT tenrusl_detach_payload_day(to_date(right(%s, 8), 'YYYYMMDD'))", [old])
    for table in (f"{old}_07", old):
        scheduler.execute("SELECT tenrusl_drop_payload_table(%s)", [table])
    sql = "SELECT count(*) FROM pg_class WHERE starts_with(relname, %s)"
    assert scheduler.execute(sql, [old]).fetchone() == (0,)


def test_payloads_are_copied_from_tables_of_payloads_only(login: Login) -> None:
    for source in ("signing_secrets", "webhook_payloads", "webhook_payloads_20260101x", "pg_authid"):
        with pytest.raises(errors.InvalidParameterValue, match="holds no payloads"):
            login("scheduler").execute("SELECT tenrusl_retain_payloads(%s, '{}')", [source])


def test_a_table_in_front_of_the_path_does_not_mislead_the_functions(login: Login) -> None:
    scheduler = login("scheduler")
    day = add_day(scheduler, 0)
    scheduler.execute("CREATE TEMP TABLE retained_payloads (id integer)")
    assert scheduler.execute("SELECT tenrusl_retain_payloads(%s, '{}')", [day]).fetchone() == (0,)


def test_a_role_without_rights_is_told_what_a_dba_must_run(own_postgres: Callable[[], EmbeddedPostgres]) -> None:
    server = own_postgres()
    administer(server, "DROP OWNED BY tenrusl_ingress; DROP ROLE local_ingress; DROP ROLE tenrusl_ingress", "tenrusl")
    server.create_database("later")
    with pytest.raises(MissingRolesError, match=r"  CREATE ROLE tenrusl_ingress NOLOGIN;$"):
        upgrade(server.url("later"))
    administer(server, "CREATE ROLE tenrusl_ingress NOLOGIN")
    assert upgrade(server.url("later")) == "0012"


def test_a_role_that_may_make_roles_makes_them(own_postgres: Callable[[], EmbeddedPostgres]) -> None:
    server = own_postgres()
    administer(server, "DROP OWNED BY tenrusl_ingress; DROP ROLE local_ingress; DROP ROLE tenrusl_ingress", "tenrusl")
    administer(server, "ALTER ROLE tenrusl CREATEROLE")
    server.create_database("later")
    assert upgrade(server.url("later")) == "0012"
    engine = create_engine(server.url("later"))
    with engine.begin() as connection:
        ensure_roles(connection)  # again is no error
        sql = "SELECT rolcanlogin OR rolsuper FROM pg_roles WHERE rolname = 'tenrusl_ingress'"
        assert connection.scalar(text(sql)) is False
    engine.dispose()


def administer(server: EmbeddedPostgres, statements: str, database: str = "postgres") -> None:
    url = server.url(database, user=SUPERUSER).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())
