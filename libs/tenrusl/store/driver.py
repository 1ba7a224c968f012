"""The driver's own connections out of SQLAlchemy's pools, without the objects that SQLAlchemy makes around each use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolResetState
from sqlalchemy.util.concurrency import greenlet_spawn

DriverConnection = psycopg.AsyncConnection[Any]


@asynccontextmanager
async def lent(pool: AsyncEngine) -> AsyncIterator[DriverConnection]:
    """A connection of a pool that is reset by `roll_back`. Raises SQLAlchemy's DBAPIError and TimeoutError."""
    try:
        pooled = await pool.raw_connection()
    except psycopg.Error as exc:
        raise dbapi_error(exc) from exc
    driver: Any = pooled.driver_connection
    try:
        yield driver
    finally:
        if _is_idle(driver):
            pooled.close()  # waits for nothing, so that nothing can cancel it
        else:  # lost, or left in the middle of something: whoever cancels us must not keep it from the pool
            await asyncio.shield(asyncio.create_task(greenlet_spawn(pooled.close)))


def roll_back(connection: Any, _record: object, state: PoolResetState) -> None:
    """Resets a connection that is given back, as a pool does by itself, and leaves one alone that is idle already."""
    if state.asyncio_safe and not _is_idle(connection.driver_connection):
        connection.rollback()


def dbapi_error(error: psycopg.Error, statement: str | None = None, *, lost: bool = False) -> BaseException:
    """The driver's error as SQLAlchemy's, without parameters. lost: the connection is of no more use."""
    return DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=lost)


def _is_idle(driver: DriverConnection) -> bool:
    return driver.pgconn.transaction_status == TransactionStatus.IDLE
