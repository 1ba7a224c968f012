"""What PostgreSQL reads of the arrays that a batch is sent in."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tenrusl.store import arrays
from tenrusl.store.engine import Engine, driver_autocommit, fetch

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS: dict[str, tuple[Callable[[Sequence[Any]], bytes], Sequence[Any]]] = {
    "texts": (arrays.texts, ["a", "", "é😀", '"{,}\\']),
    "texts with NULL": (arrays.texts, ["a", None]),
    "uuids": (arrays.uuids, [UUID(int=1), UUID(int=2**127)]),
    "byteas": (arrays.byteas, [b"", b"\x00\xff"]),
    "booleans": (arrays.booleans, [True, False]),
    "integers": (arrays.integers, [1, -(2**31)]),
    "bigints": (arrays.bigints, [2**62, None, -1]),
    "timestamps": (arrays.timestamps, [NOON, None, NOON - timedelta(days=20_000, microseconds=1)]),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_batch_comes_as_it_is_whether_its_values_differ_or_not(engine: Engine, kind: str) -> None:
    encode, values = KINDS[kind]
    columns = [list(values), [], *([value] * number for value in values for number in (1, 3))]
    async with driver_autocommit(engine, "test") as connection:
        for column in columns:
            assert await fetch(connection, "SELECT %(column)s", {"column": encode(column)}) == [(column,)]
