"""The audit log: complete, in order, and what was done to it is found."""

import asyncio
import hashlib
import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tenrusl.crypto import AuditKeys
from tenrusl.store import audit_verification
from tenrusl.store.audit import FIRST_HASH, AuditEntry, Head, append_entry, list_entries, read_head
from tenrusl.store.audit_verification import ChainBreak, ChainReport, verify_chain
from tenrusl.store.engine import Connection, Engine, autocommit, transaction
from tenrusl.store.kept_keys import KeptKeys, keep_key
from tests.builders import AUDIT_KEYS, START, rows

MISSING = "the entry is missing"
NO_HEAD = "the head of the log is missing, which says whether an entry follows"
HEAD_CHANGED = "the head of the log was changed, which says whether an entry follows"
UNCHECKED = "ALTER TABLE audit_log DROP CONSTRAINT audit_log_number_check, DROP CONSTRAINT audit_log_key_id_check;"
FORGED = """
    INSERT INTO audit_log SELECT {number}, at, 'mallory', role, action, target, request_id, before, after,
        previous_hash, hash, key_id FROM audit_log WHERE number = 1;
    """
# As whoever writes to the database and has no key would make the entries right, from the first that was changed.
HASHED_ANEW = """
    UPDATE audit_log SET hash = sha256(previous_hash || 'anything'::bytea), key_id = {key_id} WHERE number = 6;
    """
# Of six entries.
BROKEN = {
    UNCHECKED + FORGED.format(number=0): ChainBreak(1, "an entry with number 0 was put in before it"),
    UNCHECKED + FORGED.format(number=-5): ChainBreak(1, "an entry with number -5 was put in before it"),
    UNCHECKED + FORGED.format(number=-(2**63)): ChainBreak(1, f"an entry with number {-(2**63)} was put in before it"),
    FORGED.format(number=7): ChainBreak(7, "it does not follow the entry before"),
    "DELETE FROM audit_log WHERE number = 6": ChainBreak(6, MISSING),
    "DELETE FROM audit_log WHERE number > 2": ChainBreak(3, MISSING),
    "DELETE FROM audit_log": ChainBreak(1, MISSING),
    "DELETE FROM audit_log; DELETE FROM audit_head": ChainBreak(1, NO_HEAD),
    "DELETE FROM audit_log WHERE number = 6; DELETE FROM audit_head": ChainBreak(6, NO_HEAD),
    "DELETE FROM audit_log WHERE number = 6; UPDATE audit_head SET number = 5": ChainBreak(6, HEAD_CHANGED),
    "DELETE FROM audit_log WHERE number = 6; UPDATE audit_head SET number = 5, key_id = NULL, code = NULL,"
    " hash = (SELECT hash FROM audit_log WHERE number = 5)": ChainBreak(6, HEAD_CHANGED),
    HASHED_ANEW.format(key_id="key_id"): ChainBreak(6, "it was changed"),
    UNCHECKED + HASHED_ANEW.format(key_id="NULL"): ChainBreak(
        6, "it was put in: it is under no key, and the one before it is"
    ),
    HASHED_ANEW.format(key_id="'abcd'::bytea"): ChainBreak(6, "it is under a key that is not configured"),
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


async def append(engine: Engine, *entries: AuditEntry, keys: AuditKeys = AUDIT_KEYS) -> list[int]:
    numbers = []
    for item in entries:
        async with transaction(engine) as connection:
            numbers.append(await append_entry(connection, item, keys))
    return numbers


async def verified(engine: Engine, keys: AuditKeys = AUDIT_KEYS) -> tuple[int, ChainBreak | None]:
    async with transaction(engine) as connection:
        report = await verify_chain(connection, keys)
    return report.verified, report.broken


async def change(engine: Engine, statements: str) -> None:
    """What somebody does who can write to the database."""
    async with transaction(engine) as connection:
        for statement in filter(str.strip, statements.split(";")):
            await connection.execute(text(statement))


async def write_without_keys(engine: Engine, *entries: AuditEntry) -> None:
    """Entries from 1 on as they were written before there were keys."""
    await change(engine, "ALTER TABLE audit_log DROP CONSTRAINT IF EXISTS audit_log_key_id_check")
    previous = FIRST_HASH
    async with transaction(engine) as connection:
        for number, item in enumerate(entries, 1):
            previous = await _write_without_key(connection, number, item, previous)


async def make_first_head(engine: Engine) -> None:
    """As the migration makes it."""
    await change(
        engine,
        """
        UPDATE audit_head SET key_id = NULL, code = NULL, number = (SELECT max(number) FROM audit_log),
            hash = (SELECT hash FROM audit_log ORDER BY number DESC LIMIT 1)
        """,
    )


async def _write_without_key(connection: Connection, number: int, item: AuditEntry, previous: bytes) -> bytes:
    document = {**asdict(item), "number": number, "at": item.at.isoformat()}
    document_text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    row = {**asdict(item), "number": number, "previous": previous}
    row |= {name: json.dumps(row[name]) for name in ("before", "after")}
    row["hash"] = hashlib.sha256(previous + document_text.encode()).digest()
    await connection.execute(
        text(
            "INSERT INTO audit_log VALUES (:number, :at, :actor, :role, :action, :target, :request_id,"
            " CAST(:before AS jsonb), CAST(:after AS jsonb), :previous, :hash)"
        ),
        row,
    )
    return bytes(row["hash"])


async def test_entries_are_numbered_and_the_chain_holds(engine: Engine) -> None:
    assert await verified(engine) == (0, None)
    assert await append(engine, *(entry(n) for n in range(5)), entry(9, before=None, after=None)) == [1, 2, 3, 4, 5, 6]
    assert await verified(engine) == (6, None)


@pytest.mark.parametrize("statement", BROKEN)
async def test_what_was_done_to_an_entry_is_found(engine: Engine, statement: str) -> None:
    await append(engine, *(entry(n) for n in range(5)), entry(7))
    await change(engine, statement)
    found = BROKEN[statement]
    assert await verified(engine) == (found.number - 1, found)


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("DELETE FROM audit_log WHERE number = 3", 3),
        ("DELETE FROM audit_log", 1),
        ("DELETE FROM audit_log WHERE number = 3; DELETE FROM audit_head", 3),
        ("DELETE FROM audit_log; DELETE FROM audit_head", 1),
        ("DELETE FROM audit_log WHERE number = 3; UPDATE audit_head SET number = 2", 3),
        ("DELETE FROM audit_log WHERE number = 3; UPDATE audit_head SET number = 2, key_id = NULL, code = NULL", 3),
    ],
)
async def test_what_was_removed_is_found_after_further_entries_too(engine: Engine, statement: str, first: int) -> None:
    await append(engine, entry(1), entry(2), entry(3))
    await change(engine, statement)
    await append(engine, entry(4), entry(5))
    assert await verified(engine) == (first - 1, ChainBreak(first, MISSING))


async def test_an_entry_that_somebody_put_at_the_end_keeps_nothing_from_being_noted(engine: Engine) -> None:
    await append(engine, entry(1))
    await change(engine, FORGED.format(number=2))
    assert await append(engine, entry(2)) == [3]
    assert await verified(engine) == (1, ChainBreak(2, "it does not follow the entry before"))


async def test_no_entry_has_a_number_below_one(engine: Engine) -> None:
    await append(engine, entry(1))
    with pytest.raises(IntegrityError, match="audit_log_number_check"):
        await change(engine, FORGED.format(number=0))


async def test_entries_from_before_there_were_keys_stay_right(engine: Engine) -> None:
    await write_without_keys(engine, entry(1), entry(2))
    await make_first_head(engine)
    assert await verified(engine) == (2, None)
    assert await append(engine, entry(3), entry(4)) == [3, 4]
    assert await verified(engine) == (4, None)


async def test_entries_from_before_are_fixed_by_the_first_with_a_key(engine: Engine) -> None:
    await write_without_keys(engine, entry(1), entry(2))
    await make_first_head(engine)
    await append(engine, entry(3))
    await change(engine, "DELETE FROM audit_log WHERE number < 3")
    await write_without_keys(engine, entry(1), entry(2, actor="mallory"))
    assert await verified(engine) == (2, ChainBreak(3, "it does not follow the entry before"))


async def test_an_end_that_is_removed_before_there_are_keys_is_found(engine: Engine) -> None:
    await write_without_keys(engine, entry(1), entry(2))
    await make_first_head(engine)
    await change(engine, "DELETE FROM audit_log WHERE number = 2")
    assert await verified(engine) == (1, ChainBreak(2, MISSING))
    await append(engine, entry(3))
    assert await verified(engine) == (1, ChainBreak(2, MISSING))


async def test_an_earlier_key_still_counts_and_another_does_not(engine: Engine) -> None:
    await append(engine, entry(1), keys=AuditKeys(bytes(32)))
    newer = AuditKeys(bytes([1]) * 32, [bytes(32)])
    await append(engine, entry(2), keys=newer)
    assert await verified(engine, newer) == (2, None)
    broken = ChainBreak(1, "it is under a key that is not configured")
    assert await verified(engine, AuditKeys(bytes([1]) * 32)) == (0, broken)


async def test_entries_of_a_key_that_is_kept_count_and_a_head_of_it_does_not(engine: Engine) -> None:
    older, newer, alone = AuditKeys(bytes(32)), AuditKeys(bytes([1]) * 32, [bytes(32)]), AuditKeys(bytes([1]) * 32)
    await append(engine, entry(1), keys=older)
    async with transaction(engine) as connection:
        await keep_key(connection, KeptKeys.AUDIT, older.key_id, newer.seal(older.key_id))
    await change(engine, "CREATE TABLE earlier_head AS SELECT * FROM audit_head")
    await append(engine, entry(2), keys=newer)
    assert await verified(engine, alone) == (2, None)
    await change(engine, "DELETE FROM audit_log WHERE number = 2")
    await change(engine, "DELETE FROM audit_head")
    await change(engine, "INSERT INTO audit_head SELECT * FROM earlier_head")
    broken = ChainBreak(2, "the head of the log is under a key that is not configured")
    assert await verified(engine, alone) == (1, broken)


async def test_a_chain_over_several_pages_is_read_to_its_end(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verification, "_READ_AT_ONCE", 2)
    await append(engine, *(entry(n) for n in range(4)))
    assert await verified(engine) == (4, None)
    await change(engine, "DELETE FROM audit_log WHERE number = 3")
    assert await verified(engine) == (2, ChainBreak(3, MISSING))


async def test_what_is_appended_meanwhile_is_not_taken_for_a_break(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_head_late(connection: Connection) -> Head | None:
        await append(engine, entry(2))
        return await read_head(connection)

    await append(engine, entry(1))
    (first,) = await rows(engine, "SELECT hash FROM audit_log")
    monkeypatch.setattr(audit_verification, "read_head", read_head_late)
    async with transaction(engine) as connection:
        report = await verify_chain(connection, AUDIT_KEYS)
    assert report == ChainReport(verified=1, broken=None, last_hash=bytes(first[0]))


async def test_many_at_once_make_one_chain(engine: Engine) -> None:
    await asyncio.gather(*(append(engine, entry(n), entry(n + 100)) for n in range(8)))
    assert await verified(engine) == (16, None)


async def test_what_is_rolled_back_leaves_no_entry(engine: Engine) -> None:
    async def fail() -> None:
        async with transaction(engine) as connection:
            await append_entry(connection, entry(1), AUDIT_KEYS)
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
