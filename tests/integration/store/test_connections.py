"""Connections on which each statement is its own transaction, with SQLAlchemy's objects around them and without."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tenrusl.errors import UnavailableError
from tenrusl.store.driver import DriverConnection
from tenrusl.store.engine import Connection, Engine, autocommit, build_engine, driver_autocommit, fetch
from tests.builders import rows

Use = Callable[[Engine, str], AbstractAsyncContextManager[Connection | DriverConnection]]
OWN_PID = "SELECT pg_backend_pid()"
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state <> 'idle'"

pytestmark = pytest.mark.parametrize("use", [autocommit, driver_autocommit])


@pytest.fixture
async def one(database_url: str) -> AsyncIterator[Engine]:
    """With a single connection in each pool: one that is not given back is missed."""
    engine = build_engine(database_url, service="test", pool_size=1)
    yield engine
    await engine.dispose()


async def pid_of(engine: Engine, use: Use) -> int:
    async with use(engine, "test") as connection:
        ((pid,),) = await fetch(connection, OWN_PID, {})
    return int(pid)


async def end_session(engine: Engine, pid: int) -> None:
    """From another connection; it is gone when this returns."""
    assert await rows(engine, f"SELECT pg_terminate_backend({pid}, 5000)") == [(True,)]


async def test_a_statement_is_committed_by_itself_and_the_connection_is_kept(
    use: Use, one: Engine, engine: Engine
) -> None:
    async with use(one, "test") as connection:
        assert await fetch(connection, "CREATE TABLE made (number int)", {}) == []
        assert await fetch(connection, "INSERT INTO made VALUES (%(n)s) RETURNING number", {"n": 7}) == [(7,)]
        assert await rows(engine, "SELECT number FROM made") == [(7,)]
    assert await pid_of(one, use) == await pid_of(one, use)


async def test_a_connection_that_the_server_has_closed_is_replaced_before_use(
    use: Use, one: Engine, engine: Engine
) -> None:
    first = await pid_of(one, use)
    await end_session(engine, first)
    assert await pid_of(one, use) != first


async def test_one_that_is_lost_in_use_fails_this_use_only(use: Use, one: Engine, engine: Engine) -> None:
    pid = await pid_of(one, use)

    async def lose() -> None:
        async with use(one, "test") as connection:
            await end_session(engine, pid)
            await fetch(connection, "SELECT 1", {})

    with pytest.raises(UnavailableError):
        await lose()
    assert await pid_of(one, use) != pid


async def test_a_transaction_that_is_left_open_is_rolled_back(use: Use, one: Engine, engine: Engine) -> None:
    async with use(one, "test") as connection:
        await fetch(connection, "CREATE TABLE made (number int)", {})
        await fetch(connection, "BEGIN", {})
        await fetch(connection, "INSERT INTO made VALUES (1)", {})
    async with use(one, "test") as connection:
        assert await fetch(connection, "SELECT count(*) FROM made", {}) == [(0,)]
        await fetch(connection, "INSERT INTO made VALUES (2)", {})
    assert await rows(engine, "SELECT number FROM made") == [(2,)]


async def test_a_statement_that_is_cancelled_ends_and_its_connection_is_given_back(
    use: Use, one: Engine, engine: Engine
) -> None:
    pid = await pid_of(one, use)

    async def wait_long() -> None:
        async with use(one, "test") as connection:
            await fetch(connection, "SELECT pg_sleep(60)", {})

    task = asyncio.create_task(wait_long())
    async with asyncio.timeout(10):
        while await rows(engine, RUNNING.format(pid=pid)) == [(0,)]:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await pid_of(one, use)
        assert await rows(engine, RUNNING.format(pid=pid)) == [(0,)]


async def test_the_error_of_a_statement_leaves_the_connection_as_it_was(use: Use, one: Engine) -> None:
    pid = await pid_of(one, use)
    with pytest.raises(Exception, match="division by zero"):
        async with use(one, "test") as connection:
            await fetch(connection, "SELECT 1 / 0", {})
    assert await pid_of(one, use) == pid


async def test_without_a_server_it_is_unavailable(use: Use) -> None:
    nowhere = build_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", service="test", pool_size=1)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            async with use(nowhere, "test"):
                pass
    await nowhere.dispose()
