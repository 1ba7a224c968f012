"""The audit log: complete, in order, and what was done to it is found."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from tenrusl.store.audit import AuditEntry, ChainBreak, append_entry, list_entries, verify_chain
from tenrusl.store.engine import Engine, autocommit, transaction
from tests.builders import START, rows

BROKEN = {
    "UPDATE audit_log SET actor = 'mallory' WHERE number = 3": ChainBreak(3, "it was changed"),
    "UPDATE audit_log SET after = '{\"limit\": 1}' WHERE number = 4": ChainBreak(4, "it was changed"),
    "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE number = 1": ChainBreak(1, "it was changed"),
    "DELETE FROM audit_log WHERE number = 2": ChainBreak(2, "the entry is missing"),
    "DELETE FROM audit_log WHERE number = 1": ChainBreak(1, "the entry is missing"),
    "UPDATE audit_log SET number = number + 10 WHERE number = 5": ChainBreak(5, "the entry is missing"),
    "UPDATE audit_log SET previous_hash = hash WHERE number = 2": ChainBreak(2, "it does not follow the entry before"),
}


def entry(number: int, **changes: object) -> AuditEntry:
    values: dict[str, object] = {
        "at": START + timedelta(seconds=number),
        "actor": "alice",
        "role": "operator",
        "action": "throttle.set",
        "target": "provider/stripe",
        "request_id": f"r-{number}",
        "before": {"limit": None},
        "after": {"limit": number, "note": "é ✓"},
    }
    return AuditEntry(**(values | changes))  # type: ignore[arg-type]  # values of the tests


async def append(engine: Engine, *entries: AuditEntry) -> list[int]:
    numbers = []
    for item in entries:
        async with transaction(engine) as connection:
            numbers.append(await append_entry(connection, item))
    return numbers


async def verified(engine: Engine) -> tuple[int, ChainBreak | None]:
    async with autocommit(engine) as connection:
        return await verify_chain(connection)


async def test_entries_are_numbered_and_the_chain_holds(engine: Engine) -> None:
    assert await verified(engine) == (0, None)
    assert await append(engine, *(entry(n) for n in range(5)), entry(9, before=None, after=None)) == [1, 2, 3, 4, 5, 6]
    assert await verified(engine) == (6, None)


@pytest.mark.parametrize("statement", BROKEN)
async def test_what_was_done_to_an_entry_is_found(engine: Engine, statement: str) -> None:
    await append(engine, *(entry(n) for n in range(5)), entry(7))
    async with transaction(engine) as connection:
        await connection.execute(text(statement))
    found = BROKEN[statement]
    assert await verified(engine) == (found.number - 1, found)


async def test_many_at_once_make_one_chain(engine: Engine) -> None:
    await asyncio.gather(*(append(engine, entry(n), entry(n + 100)) for n in range(8)))
    assert await verified(engine) == (16, None)


async def test_what_is_rolled_back_leaves_no_entry(engine: Engine) -> None:
    async def fail() -> None:
        async with transaction(engine) as connection:
            await append_entry(connection, entry(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await rows(engine, "SELECT count(*) FROM audit_log") == [(0,)]
    assert await append(engine, entry(2)) == [1]


async def test_entries_are_listed_newest_first(engine: Engine) -> None:
    await append(engine, *(entry(n, actor="bob" if n % 2 else "alice") for n in range(6)))
    async with autocommit(engine) as connection:
        first = await list_entries(connection, limit=2)
        second = await list_entries(connection, limit=10, before_number=first[-1].number)
        bobs = await list_entries(connection, limit=10, actor="bob", target="provider/stripe")
        nobodys = await list_entries(connection, limit=10, action="rotation.begin")
    assert [item.number for item in first] == [6, 5]
    assert [item.number for item in second] == [4, 3, 2, 1]
    assert {item.entry.actor for item in bobs} == {"bob"}
    assert first[0].entry == entry(5, actor="bob")
    assert nobodys == []
