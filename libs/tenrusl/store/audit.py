"""The audit log: appended to, never changed. See docs/decisions/0021-audit-log.md.

Each entry has a code under a key of APP_KEY, over itself and the code of the entry before; a head, with a code of its
own, says which entry is the last. tenrusl.store.audit_verification reads them again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.crypto import AuditKeys
from tenrusl.store.engine import fetch

# Of the chain before its first entry.
FIRST_HASH = bytes(32)
COLUMNS = "number, at, actor, role, action, target, request_id, before, after, previous_hash, hash, key_id"
# Held until the end of the transaction that appends: entries are numbered one after the other. This project's own
# number, chosen at random.
_ADVISORY_LOCK = 2_958_016_443
_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"
_HEAD = "SELECT number, hash, key_id, code FROM audit_head WHERE id = 1"
_LAST = "SELECT number, key_id FROM audit_log ORDER BY number DESC LIMIT 1"
_APPEND = f"""
    INSERT INTO audit_log ({COLUMNS})
    VALUES (%(number)s, %(at)s, %(actor)s, %(role)s, %(action)s, %(target)s, %(request_id)s,
        CAST(%(before)s AS jsonb), CAST(%(after)s AS jsonb), %(previous_hash)s, %(hash)s, %(key_id)s)
    """  # noqa: S608 - a constant
_SET_HEAD = """
    INSERT INTO audit_head (id, number, hash, key_id, code)
    VALUES (1, %(number)s, %(hash)s, %(key_id)s, %(code)s)
    ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, hash = EXCLUDED.hash, key_id = EXCLUDED.key_id,
        code = EXCLUDED.code
    """
_PAGE = f"""
    SELECT {COLUMNS} FROM audit_log
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
    SELECT {COLUMNS} FROM audit_log WHERE number IN (
        (SELECT number FROM audit_log WHERE target = %(target)s ORDER BY number DESC LIMIT %(limit)s)
        UNION ALL
        SELECT number FROM named
    )
    ORDER BY number DESC LIMIT %(limit)s
    """  # noqa: S608 - a constant
_NO_NUMBER = 2**62
# The target of an entry about several events, which it names in `after` as event_ids.
MANY_EVENTS = "events"
_ENTRY_PURPOSE, _HEAD_PURPOSE = b"entry", b"head"
_log = structlog.get_logger("audit")

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
    """An entry with its place in the chain. number: from 1, without gaps.

    hash: HMAC-SHA256 under the key `key_id`; SHA-256 for an entry from before there were keys, whose key_id is None.
    """

    number: int
    entry: AuditEntry
    previous_hash: bytes
    hash: bytes
    key_id: bytes | None

    def has_right_hash(self, keys: AuditKeys) -> bool:
        """Whether it is as it was written."""
        message = _message(self.number, self.entry, self.previous_hash)
        if self.key_id is None:
            return hashlib.sha256(message).digest() == self.hash
        return keys.is_right(self.hash, self.key_id, _ENTRY_PURPOSE, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Number and hash of the last entry. key_id and code are None until an entry is written under a key."""

    number: int
    hash: bytes
    key_id: bytes | None
    code: bytes | None

    def is_authentic(self, keys: AuditKeys, *, keyed: bool) -> bool:
        """Whether it is as it was written. keyed: whether there is an entry under a key."""
        if self.key_id is None or self.code is None:
            return not keyed
        return keys.is_right(self.code, self.key_id, _HEAD_PURPOSE, _head_message(self.number, self.hash))


def event_target(event_id: UUID) -> str:
    """The target of entries about one event."""
    return f"event/{event_id}"


def events_target(event_ids: Sequence[UUID]) -> str:
    """The target of an entry about these events; of several, their ids stand in `after`."""
    return event_target(event_ids[0]) if len(event_ids) == 1 else MANY_EVENTS


async def append_entry(connection: AsyncConnection, entry: AuditEntry, keys: AuditKeys) -> int:
    """Appends in the transaction of the change itself, so that neither is there without the other; its number.

    connection: in a transaction. Entries wait for each other from here to the end of their transactions: call it last.
    """
    await fetch(connection, _LOCK, {"key": _ADVISORY_LOCK})
    number, previous = await _next_place(connection, keys)
    code = keys.code(_ENTRY_PURPOSE, _message(number, entry, previous))
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
            "hash": code,
            "key_id": keys.key_id,
        },
    )
    head_code = keys.code(_HEAD_PURPOSE, _head_message(number, code))
    await fetch(connection, _SET_HEAD, {"number": number, "hash": code, "key_id": keys.key_id, "code": head_code})
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
    return [chained(row) for row in await fetch(connection, _PAGE, parameters)]


async def entries_of_event(connection: AsyncConnection, event_id: UUID, *, limit: int) -> list[ChainedEntry]:
    """At most `limit` entries about an event, alone or with others that the entry names; newest first."""
    parameters = {"target": event_target(event_id), "event_id": str(event_id), "limit": limit}
    return [chained(row) for row in await fetch(connection, _OF_EVENT, parameters)]


async def read_head(connection: AsyncConnection) -> Head | None:
    """The head, None when somebody has removed it."""
    found = await fetch(connection, _HEAD, {})
    if not found:
        return None
    number, hash_, key_id, code = found[0]
    return Head(number=number, hash=bytes(hash_), key_id=_bytes(key_id), code=_bytes(code))


def chained(row: Sequence[Any]) -> ChainedEntry:
    """The entry of a row of COLUMNS."""
    number, at, actor, role, action, target, request_id, before, after, previous_hash, hash_, key_id = row
    return ChainedEntry(
        number=number,
        entry=AuditEntry(
            at=at, actor=actor, role=role, action=action, target=target, request_id=request_id,
            before=before, after=after,
        ),
        previous_hash=bytes(previous_hash),
        hash=bytes(hash_),
        key_id=_bytes(key_id),
    )  # fmt: skip


async def _next_place(connection: AsyncConnection, keys: AuditKeys) -> tuple[int, bytes]:
    """The next number, and the hash before it: what the head says, not what the last row says, which may be gone.

    After a head that is not authentic a number is left out. So verification finds that something was done here, and the
    change that is to be noted is not kept from being made.
    """
    head, last = await read_head(connection), await fetch(connection, _LAST, {})
    last_number, last_key_id = last[0] if last else (0, None)
    head_number = head.number if head else 0
    previous = head.hash if head else FIRST_HASH
    authentic = head is not None and head.is_authentic(keys, keyed=last_key_id is not None)
    if not authentic:
        _log.error("the head of the audit log is not as it was written", head=head_number, last=last_number)
    return max(head_number, last_number) + (1 if authentic else 2), previous


def _message(number: int, entry: AuditEntry, previous_hash: bytes) -> bytes:
    """The hash before and the entry as JSON with sorted names: it reads in one way only."""
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
    return previous_hash + json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _head_message(number: int, last_hash: bytes) -> bytes:
    return number.to_bytes(8, signed=True) + last_hash


def _json(values: Values | None) -> str | None:
    return None if values is None else json.dumps(values)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
