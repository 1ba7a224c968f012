"""The embedded servers and the fixtures that the other tests stand on, on the real programs."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tenrusl.local.ports import PortReservations, holder
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.local.process import StartError
from tenrusl.local.valkey import EmbeddedValkey


def ask(url: str, question: str) -> object:
    with psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    return None if row is None else row[0]


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2, autocommit=True) as connection:
        connection.execute(statement.encode())


def ended(pid: int) -> bool:
    """Gone, or a zombie that its new parent has not waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


@pytest.fixture
def fresh_postgres(server_folder: Path, ports: PortReservations) -> Iterator[EmbeddedPostgres]:
    port = ports.take()
    server = EmbeddedPostgres(folder=server_folder / f"fresh_{port}", port=port, durable=False)
    yield server
    server.kill()


class TestFixtures:
    def test_a_database_is_migrated_and_belongs_to_the_unprivileged_role(self, database_url: str) -> None:
        assert ask(database_url, "SELECT count(*) FROM webhook_events") == 0
        assert ask(database_url, "SELECT current_user") == "tenrusl"
        assert ask(database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False

    @pytest.mark.parametrize("turn", [1, 2])
    def test_no_test_sees_the_tables_of_another(self, database_url: str, turn: int) -> None:
        tell(database_url, "CREATE TABLE mine (id int)")

    @pytest.mark.parametrize("turn", [1, 2])
    def test_no_test_sees_the_keys_of_another(self, valkey_url: str, turn: int) -> None:
        with redis.Redis.from_url(valkey_url) as client:
            assert client.dbsize() == 0
            client.set("key", turn)

    def test_an_own_postgres_keeps_port_and_data_over_a_crash(
        self, own_postgres: Callable[[], EmbeddedPostgres]
    ) -> None:
        server = own_postgres()
        url = server.url("tenrusl")
        tell(url, "CREATE TABLE kept (id int)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            ask(url, "SELECT 1")
        server.start()
        assert ask(url, "SELECT count(*) FROM kept") == 0

    def test_an_own_valkey_can_be_suspended_killed_and_started_again(
        self, own_valkey: Callable[[], EmbeddedValkey]
    ) -> None:
        server = own_valkey()
        server.process.signal(signal.SIGSTOP)
        with redis.Redis.from_url(server.url, socket_timeout=0.1) as client, pytest.raises(redis.TimeoutError):
            client.ping()
        server.stop()
        with redis.Redis.from_url(server.url) as client, pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()


class TestPostgres:
    def test_nobody_gets_in_without_the_password(self, postgres_server: EmbeddedPostgres) -> None:
        for user in ("postgres", "tenrusl"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                ask(f"postgresql://{user}@127.0.0.1:{postgres_server.port}/postgres", "SELECT 1")

    def test_its_files_are_for_its_owner_only(self, fresh_postgres: EmbeddedPostgres) -> None:
        fresh_postgres.start()
        folder = fresh_postgres.process.log.parent
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700

    def test_it_does_not_run_as_root(self, postgres_server: EmbeddedPostgres) -> None:
        owner = Path(f"/proc/{postgres_server.process.pid}").stat().st_uid
        assert owner == (65534 if os.geteuid() == 0 else os.geteuid())

    def test_the_password_is_in_no_argument_and_no_log(self, postgres_server: EmbeddedPostgres) -> None:
        password = (postgres_server.process.log.parent / "password").read_text().strip()
        assert password not in Path(f"/proc/{postgres_server.process.pid}/cmdline").read_text()
        assert password not in Path(f"/proc/{postgres_server.process.pid}/environ").read_text()
        assert password not in postgres_server.process.log.read_text()

    def test_root_without_setpriv_is_told_what_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(shutil, "which", lambda _: None)
        with pytest.raises(StartError, match="setpriv"):
            EmbeddedPostgres(folder=tmp_path, port=1)

    def test_a_stale_lock_file_of_a_crash_is_no_obstacle(self, fresh_postgres: EmbeddedPostgres) -> None:
        fresh_postgres.start()
        fresh_postgres.process.kill()  # SIGKILL: the lock file stays
        lock_file = fresh_postgres.process.log.parent / "data" / "postmaster.pid"
        stale = lock_file.read_text().split("\n")
        lock_file.write_text("\n".join([str(os.getpid()), *stale[1:]]))  # the number now belongs to another
        fresh_postgres.start()
        assert ask(fresh_postgres.url("postgres"), "SELECT 1") == 1

    def test_a_server_that_was_left_on_the_data_is_ended_first(self, fresh_postgres: EmbeddedPostgres) -> None:
        fresh_postgres.start()
        left_over = fresh_postgres.process.pid
        again = EmbeddedPostgres(folder=fresh_postgres.process.log.parent, port=fresh_postgres.port, durable=False)
        try:
            again.start()
            assert ask(again.url("postgres"), "SELECT 1") == 1
            assert ended(left_over)
        finally:
            again.kill()

    def test_a_cut_off_initdb_leaves_nothing_that_harms(self, fresh_postgres: EmbeddedPostgres) -> None:
        half = fresh_postgres.process.log.parent / "data.new"
        half.mkdir()
        (half / "PG_VERSION").write_text("18\n")
        fresh_postgres.start()
        assert ask(fresh_postgres.url("postgres"), "SELECT 1") == 1

    def test_a_taken_port_is_told_with_the_last_log_lines(self, postgres_server: EmbeddedPostgres) -> None:
        second = EmbeddedPostgres(
            folder=postgres_server.process.log.parent.parent / "second", port=postgres_server.port, durable=False
        )
        with pytest.raises(StartError, match=r"(?s)PostgreSQL ended with exit code 1.*Address already in use"):
            second.start()


class TestValkey:
    def test_nobody_gets_in_without_the_password(self, valkey_server: EmbeddedValkey) -> None:
        no_retry = Retry(NoBackoff(), 0)
        client = redis.Redis(port=valkey_server.port, retry=no_retry)
        with client, pytest.raises(redis.AuthenticationError):
            client.ping()

    def test_the_password_is_in_no_argument(self, valkey_server: EmbeddedValkey) -> None:
        password = valkey_server.url.split(":")[2].partition("@")[0]
        assert password not in Path(f"/proc/{valkey_server.process.pid}/cmdline").read_text()
        assert password not in Path(f"/proc/{valkey_server.process.pid}/environ").read_text()

    def test_a_persistent_one_keeps_its_keys(self, server_folder: Path, ports: PortReservations) -> None:
        for wrote in (False, True):
            server = EmbeddedValkey(folder=server_folder / "persistent", port=ports.take(), persistent=True)
            server.start()
            with redis.Redis.from_url(server.url) as client:
                assert client.exists("key") == wrote
                client.set("key", "value")
            server.stop()


_STARTS_BOTH_AND_WAITS = """
import sys, time
from pathlib import Path
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.local.valkey import EmbeddedValkey
folder, ports = Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]
servers = [EmbeddedPostgres(folder=folder / "p", port=ports[0]), EmbeddedValkey(folder=folder / "v", port=ports[1])]
for server in servers:
    server.start()
print(*(server.process.pid for server in servers), flush=True)
time.sleep(600)
"""


def test_servers_end_when_their_supervisor_is_killed(server_folder: Path, ports: PortReservations) -> None:
    taken = [ports.take(), ports.take()]
    command = [sys.executable, "-c", _STARTS_BOTH_AND_WAITS, str(server_folder / "orphans"), *map(str, taken)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        supervisor.kill()
    assert len(pids) == 2
    for pid in pids:
        wait_until(lambda pid=pid: ended(pid), f"process {pid} has ended")  # type: ignore[misc]  # lambda default
    assert [holder(port) for port in taken] == ["", ""]
