"""The audit log: appended to, never changed, each entry with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch

# Of the chain before its first entry.
FIRST_HASH = bytes(32)
# Held until the end of the transaction that appends: entries are numbered one after the other. This project's own
# number, chosen at random.
_ADVISORY_LOCK = 2_958_016_443
_COLUMNS = "number, at, actor, role, action, target, request_id, before, after, previous_hash, hash"
_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"
_LAST = "SELECT number, hash FROM audit_log ORDER BY number DESC LIMIT 1"
_APPEND = f"""
    INSERT INTO audit_log ({_COLUMNS})
    VALUES (%(number)s, %(at)s, %(actor)s, %(role)s, %(action)s, %(target)s, %(request_id)s,
        CAST(%(before)s AS jsonb), CAST(%(after)s AS jsonb), %(previous_hash)s, %(hash)s)
    """  # noqa: S608 - a constant
_PAGE = f"""
    SELECT {_COLUMNS} FROM audit_log
    WHERE number < %(before_number)s AND (%(actor)s = '' OR actor = %(actor)s)
        AND (%(target)s = '' OR target = %(target)s) AND (%(action)s = '' OR action = %(action)s)
    ORDER BY number DESC LIMIT %(limit)s
    """  # noqa: S608 - a constant
# By the index of targets, and by that of what entries about several events name. All of these few first: in the order
# of numbers each entry about events would be looked at.
_OF_EVENT = f"""
    WITH named AS MATERIALIZED (
        SELECT number FROM audit_log WHERE target = 'events' AND (after -> 'event_ids') ? %(event_id)s
    )
    SELECT {_COLUMNS} FROM audit_log WHERE number IN (
        (SELECT number FROM audit_log WHERE target = %(target)s ORDER BY number DESC LIMIT %(limit)s)
        UNION ALL
        SELECT number FROM named
    )
    ORDER BY number DESC LIMIT %(limit)s
    """  # noqa: S608 - a constant
_FROM = f"SELECT {_COLUMNS} FROM audit_log WHERE number > %(after)s ORDER BY number LIMIT %(limit)s"  # noqa: S608
_VERIFIED_AT_ONCE = 1000
_NO_NUMBER = 2**62
# The target of an entry about several events, which it names in `after` as event_ids.
MANY_EVENTS = "events"

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to whom. before, after: values without anything secret; None where there are none.

    action: a dotted word, e.g. "rotation.begin". target: what it was done to, e.g. "provider/stripe" or "event/<id>".
    """

    at: datetime
    actor: str
    role: str
    action: str
    target: str
    request_id: str
    before: Values | None = None
    after: Values | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedEntry:
    """An entry with its place in the chain. number: from 1, without gaps."""

    number: int
    entry: AuditEntry
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first entry that is not as it was written, and why."""

    number: int
    reason: str


def event_target(event_id: UUID) -> str:
    """The target of entries about one event."""
    return f"event/{event_id}"


def events_target(event_ids: Sequence[UUID]) -> str:
    """The target of an entry about these events; of several, their ids stand in `after`."""
    return event_target(event_ids[0]) if len(event_ids) == 1 else MANY_EVENTS


async def append_entry(connection: AsyncConnection, entry: AuditEntry) -> int:
    """Appends in the transaction of the change itself, so that neither is there without the other; its number.

    connection: in a transaction. Entries wait for each other from here to the end of their transactions: call it last.
    """
    await fetch(connection, _LOCK, {"key": _ADVISORY_LOCK})
    last = await fetch(connection, _LAST, {})
    number, previous = (last[0][0] + 1, bytes(last[0][1])) if last else (1, FIRST_HASH)
    await fetch(
        connection,
        _APPEND,
        {
            "number": number,
            "at": entry.at,
            "actor": entry.actor,
            "role": entry.role,
            "action": entry.action,
            "target": entry.target,
            "request_id": entry.request_id,
            "before": _json(entry.before),
            "after": _json(entry.after),
            "previous_hash": previous,
            "hash": chain_hash(number, entry, previous),
        },
    )
    return number


async def list_entries(
    connection: AsyncConnection,
    *,
    limit: int,
    before_number: int | None = None,
    actor: str = "",
    action: str = "",
    target: str = "",
) -> list[ChainedEntry]:
    """At most `limit` entries with numbers under `before_number`, newest first. Empty filters mean all."""
    parameters = {
        "limit": limit,
        "before_number": _NO_NUMBER if before_number is None else before_number,
        "actor": actor,
        "action": action,
        "target": target,
    }
    return [_chained(row) for row in await fetch(connection, _PAGE, parameters)]


async def entries_of_event(connection: AsyncConnection, event_id: UUID, *, limit: int) -> list[ChainedEntry]:
    """At most `limit` entries about an event, alone or with others that the entry names; newest first."""
    parameters = {"target": event_target(event_id), "event_id": str(event_id), "limit": limit}
    return [_chained(row) for row in await fetch(connection, _OF_EVENT, parameters)]


async def verify_chain(connection: AsyncConnection) -> tuple[int, ChainBreak | None]:
    """How many entries were found right, and the first that is not."""
    verified, previous = 0, FIRST_HASH
    while True:
        page = await fetch(connection, _FROM, {"after": verified, "limit": _VERIFIED_AT_ONCE})
        for row in page:
            item = _chained(row)
            reason = _fault(item, verified + 1, previous)
            if reason:
                return verified, ChainBreak(min(item.number, verified + 1), reason)
            verified, previous = item.number, item.hash
        if len(page) < _VERIFIED_AT_ONCE:
            return verified, None


def chain_hash(number: int, entry: AuditEntry, previous_hash: bytes) -> bytes:
    """SHA-256 over the hash before and the entry as JSON with sorted names: what is hashed reads in one way only."""
    document = {
        "number": number,
        "at": entry.at.astimezone(UTC).isoformat(),
        "actor": entry.actor,
        "role": entry.role,
        "action": entry.action,
        "target": entry.target,
        "request_id": entry.request_id,
        "before": entry.before,
        "after": entry.after,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(previous_hash + text.encode()).digest()


def _fault(item: ChainedEntry, expected: int, previous: bytes) -> str:
    if item.number != expected:
        return "the entry is missing"
    if item.previous_hash != previous:
        return "it does not follow the entry before"
    if chain_hash(item.number, item.entry, item.previous_hash) != item.hash:
        return "it was changed"
    return ""


def _json(values: Values | None) -> str | None:
    return None if values is None else json.dumps(values)


def _chained(row: Sequence[Any]) -> ChainedEntry:
    number, at, actor, role, action, target, request_id, before, after, previous_hash, hash_ = row
    return ChainedEntry(
        number=number,
        entry=AuditEntry(
            at=at, actor=actor, role=role, action=action, target=target, request_id=request_id,
            before=before, after=after,
        ),
        previous_hash=bytes(previous_hash),
        hash=bytes(hash_),
    )  # fmt: skip
