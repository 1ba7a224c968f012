"""Connections to PostgreSQL, and what a lost one is called."""

import select
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from tenrusl.errors import Reason, UnavailableError
from tenrusl.observability import traces
from tenrusl.store.driver import DriverConnection, dbapi_error, lent, roll_back

# The name by which other packages pass it on; SQL itself stays in tenrusl.store.
Connection = AsyncConnection

CONNECT_TIMEOUT_SECONDS = 3
POOL_TIMEOUT_SECONDS = 5
# Longer than any statement here takes; shorter than the deadline of the calls that wait for it.
STATEMENT_TIMEOUT_MS = 8_000
LOCK_TIMEOUT_MS = 4_000
# Of statements over a whole day of payloads, for which nobody waits but the run itself.
PATIENT_STATEMENT_TIMEOUT_MS = 600_000
PATIENT_LOCK_TIMEOUT_MS = 30_000
_SESSION = {
    "timezone": "UTC",
    "statement_timeout": STATEMENT_TIMEOUT_MS,
    "lock_timeout": LOCK_TIMEOUT_MS,
    # Every statement here finds its rows by an index, whatever the statistics of a table that was empty a minute
    # ago say. So one plan fits always, and is not made anew for each batch. See docs/decisions/0008-plans.md.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Before PostgreSQL 18 a plan that has to use what is off counts as dear enough to be compiled, for 100 ms and more.
    "jit": "off",
}
_PATIENT_SESSION = _SESSION | {
    "statement_timeout": PATIENT_STATEMENT_TIMEOUT_MS,
    "lock_timeout": PATIENT_LOCK_TIMEOUT_MS,
    "max_parallel_workers_per_gather": 0,  # the other cores are for those who wait
}
# The server is taken for gone when it leaves sent data unacknowledged this long.
TCP_USER_TIMEOUT_MS = 10_000


_SQL = {"db.system.name": "postgresql"}
_Opened = TypeVar("_Opened")


class Engine:
    """The way to PostgreSQL: two pools, one whose connections commit each statement by themselves.

    Switching a connection to and fro would cost more than many a statement. Connects when first used.
    patient: makes connections for statements that may take minutes; none is kept.
    observe_use: called after each use of a pool with its name, the seconds until a connection was there, and those
    until it was given back (None: there was none).
    """

    observe_use: Callable[[str, float, float | None], None]

    def __init__(self, *, autocommitting: AsyncEngine, transactional: AsyncEngine, patient: AsyncEngine) -> None:
        self.autocommitting = autocommitting
        self.transactional = transactional
        self.patient = patient
        self.observe_use = lambda pool, waited_seconds, used_seconds: None

    async def dispose(self) -> None:
        """Closes all connections."""
        await self.autocommitting.dispose()
        await self.transactional.dispose()
        await self.patient.dispose()


def build_engine(database_url: str, *, service: str, pool_size: int) -> Engine:
    """An engine with at most `pool_size` connections in each of its two pools, kept open.

    database_url: postgresql+psycopg://… A connection that the server has closed is replaced before use; one that
    is lost in other ways fails one call with UnavailableError.
    """
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "hide_parameters": True,  # errors are logged
        "connect_args": _connect_args(service, _SESSION),
    }
    engine = Engine(
        autocommitting=create_async_engine(
            database_url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **options
        ),
        transactional=create_async_engine(database_url, **options),
        patient=create_async_engine(
            database_url,
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=_connect_args(service, _PATIENT_SESSION),
        ),
    )
    for pool in (engine.autocommitting, engine.transactional):
        event.listen(pool.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.autocommitting.sync_engine, "reset", roll_back)
    return engine


def _connect_args(service: str, session: Mapping[str, object]) -> dict[str, object]:
    return {
        "application_name": f"tenrusl-{service}",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
    }


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Has the pool replaced when the server has closed a connection in it: an idle one has nothing to read.

    Asks the kernel only, so it costs no round trip.
    """
    driver = connection.driver_connection
    poll = select.poll()
    if not driver.closed:
        poll.register(driver.fileno(), select.POLLIN)
    if driver.closed or poll.poll(0):
        raise InvalidatePoolError("the server has closed the connection")


class ContentionError(UnavailableError):
    """A deadlock, or a lock, a statement or a free connection that took too long. The database is there."""


class NoConnectionError(ContentionError):
    """No connection was free for too long: all are busy, or hang on a database that is gone."""


@asynccontextmanager
async def autocommit(engine: Engine, purpose: str = "query") -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement is its own transaction. Raises UnavailableError.

    purpose: names the span of what is done on it, the wait for it included.
    """
    with _sql_span(purpose):
        opening = _timed(engine, "autocommit", engine.autocommitting.connect())
        async with database_errors(engine.autocommitting), opening as connection:
            yield connection


@asynccontextmanager
async def driver_autocommit(engine: Engine, purpose: str) -> AsyncIterator[DriverConnection]:
    """The same for `fetch` alone, from the same pool: without SQLAlchemy's objects, which take 100 µs each time."""
    with _sql_span(purpose):
        opening = _timed(engine, "autocommit", lent(engine.autocommitting))
        async with database_errors(engine.autocommitting), opening as driver:
            yield driver


@asynccontextmanager
async def transaction(engine: Engine, purpose: str = "transaction") -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction, committed at the end. Raises UnavailableError. purpose: as of `autocommit`."""
    with _sql_span(purpose):
        opening = _timed(engine, "transaction", engine.transactional.begin())
        async with database_errors(engine.transactional), opening as connection:
            yield connection


def _sql_span(purpose: str) -> traces.Span:
    return (
        traces.span_within(f"SQL {purpose}", kind=traces.Kind.CLIENT, attributes=_SQL)
        if traces.enabled()
        else traces.NO_SPAN
    )


@asynccontextmanager
async def patient(engine: Engine) -> AsyncIterator[AsyncConnection]:
    """A new connection with long timeouts on which each statement is its own transaction. Raises UnavailableError.

    What the session holds, advisory locks too, ends with it. For several statements in one transaction: `block`.
    """
    async with database_errors(engine.patient), engine.patient.connect() as connection:
        yield connection


@asynccontextmanager
async def _timed(engine: Engine, pool: str, opening: AbstractAsyncContextManager[_Opened]) -> AsyncIterator[_Opened]:
    asked_at, got_at = time.perf_counter(), None
    try:
        async with opening as connection:
            got_at = time.perf_counter()
            yield connection
    finally:
        ended_at = time.perf_counter()
        engine.observe_use(pool, (got_at or ended_at) - asked_at, None if got_at is None else ended_at - got_at)


@asynccontextmanager
async def block(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction on a connection of `patient`. After an exception the connection is of no more use."""
    await fetch(connection, "BEGIN", {})
    yield
    await fetch(connection, "COMMIT", {})


async def fetch(
    connection: AsyncConnection | DriverConnection, statement: str, parameters: Mapping[str, object]
) -> list[tuple[Any, ...]]:
    """The rows of a statement with %(name)s parameters, run by the driver itself; empty when it returns none.

    For the statements of the hot path: SQLAlchemy's execution takes 200 µs more, as much as ten webhooks take.
    Raises SQLAlchemy's DBAPIError and its subclasses all the same, without the parameters.
    """
    driver: Any = connection
    if isinstance(connection, AsyncConnection):
        sync = connection.sync_connection
        # Only one that was lost needs the greenlet that `get_raw_connection` costs: it is replaced then.
        pooled = sync.connection if sync and not sync.invalidated else await connection.get_raw_connection()
        driver = pooled.driver_connection
    try:
        cursor = await driver.execute(statement.encode(), parameters)
        # Not `cursor.description`, which is made of all columns each time.
        return await cursor.fetchall() if cursor.pgresult.nfields else []
    except psycopg.Error as exc:
        raise dbapi_error(exc, statement, lost=driver.closed) from exc


@asynccontextmanager
async def database_errors(pool: AsyncEngine) -> AsyncIterator[None]:
    """Turns a database that does not answer into UnavailableError; other errors pass.

    When a connection was lost, the others in the pool are likely to be too: they are replaced when next used.
    """
    try:
        yield
    except DBAPIError as exc:
        if sqlstate(exc) in _CONTENTION:
            raise ContentionError(Reason.DATABASE_UNAVAILABLE, "the database is busy") from exc
        if isinstance(exc, OperationalError | InterfaceError) or exc.connection_invalidated or _is_outage(exc):
            if exc.connection_invalidated:
                await pool.dispose()
            raise UnavailableError(Reason.DATABASE_UNAVAILABLE, "the database does not answer") from exc
        raise
    except PoolTimeoutError as exc:
        raise NoConnectionError(Reason.DATABASE_UNAVAILABLE, "no connection to the database is free") from exc


async def is_ready(engine: Engine) -> bool:
    """Whether the database answers and has been migrated. Asks beside the pool of the hot path: busy is ready."""
    try:
        async with transaction(engine) as connection:
            found = await connection.scalar(text("SELECT to_regclass('webhook_events') IS NOT NULL"))
    except ContentionError:
        return True
    except UnavailableError:
        return False
    return bool(found)


def sqlstate(exc: DBAPIError) -> str:
    """The SQLSTATE (PostgreSQL manual, appendix A), empty when there is none."""
    return getattr(exc.orig, "sqlstate", None) or ""


# serialization_failure, deadlock_detected, lock_not_available, query_canceled
_CONTENTION = frozenset({"40001", "40P01", "55P03", "57014"})


def _is_outage(exc: DBAPIError) -> bool:
    # Class 57P: the server is stopping or starting. 53: no connection, memory or disk left. 58: its disk fails.
    # 25006: it is read only.
    state = sqlstate(exc)
    return state.startswith(("57P", "53", "58")) or state == "25006"
