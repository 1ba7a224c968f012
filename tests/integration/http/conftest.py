"""One gateway and one ingress for the tests of a module, with nothing stored when a test begins."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.store.migrate import upgrade
from tests.integration.http.http_stack import HttpStack, http_stack

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def module_database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database of the module's own at the newest schema, dropped afterwards."""
    name = f"http_{next(_numbers)}"
    postgres_server.create_database(name)
    upgrade(postgres_server.url(name))
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_stack(module_database_url: str) -> AsyncIterator[HttpStack]:
    """Shared by the module's tests; take `stack`."""
    async with http_stack(module_database_url) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running_stack: HttpStack) -> HttpStack:
    """Nothing is stored, and nobody was called."""
    await running_stack.clear()
    return running_stack
