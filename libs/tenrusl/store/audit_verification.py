"""Whether the audit log is as it was written."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.crypto import AuditKeys
from tenrusl.store.audit import COLUMNS, FIRST_HASH, ChainedEntry, Head, chained, read_head
from tenrusl.store.engine import fetch
from tenrusl.store.kept_keys import KeptKeys, read_kept

# All that follows sees the log as it is at one moment.
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_FROM = f"SELECT {COLUMNS} FROM audit_log WHERE number >= %(first)s ORDER BY number LIMIT %(limit)s"  # noqa: S608
_READ_AT_ONCE = 1000
_LOWEST = -(2**63)  # of a bigint: nothing stands before what is read first
_MISSING = "the entry is missing"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first entry that is not as it was written, by its number (1 or more), and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """verified: entries that are right before the first that is not. last_hash: of the last entry; empty with a
    break or without entries."""

    verified: int
    broken: ChainBreak | None
    last_hash: bytes


async def verify_chain(connection: AsyncConnection, keys: AuditKeys) -> ChainReport:
    """Reads the whole log. connection: in a transaction that has done nothing yet."""
    await fetch(connection, _SNAPSHOT, {})
    known, _ = keys.with_kept(await read_kept(connection, KeptKeys.AUDIT))
    walk, first = _Walk(known), _LOWEST
    while True:
        page = await fetch(connection, _FROM, {"first": first, "limit": _READ_AT_ONCE})
        for row in page:
            if broken := walk.step(chained(row)):
                return ChainReport(verified=walk.verified, broken=broken, last_hash=b"")
        if len(page) < _READ_AT_ONCE:
            break
        first = walk.verified + 1
    broken = walk.end(await read_head(connection), keys)
    last_hash = walk.last_hash if walk.verified and not broken else b""
    return ChainReport(verified=walk.verified, broken=broken, last_hash=last_hash)


class _Walk:
    """Goes from entry to entry."""

    def __init__(self, keys: AuditKeys) -> None:
        self.verified = 0
        self.last_hash = FIRST_HASH
        self._keys = keys
        self._keyed = False

    def step(self, item: ChainedEntry) -> ChainBreak | None:
        """What is wrong with the next entry."""
        expected = self.verified + 1
        if reason := self._fault(item, expected):
            return ChainBreak(expected, reason)
        self.verified, self.last_hash = item.number, item.hash
        self._keyed = item.key_id is not None
        return None

    def end(self, head: Head | None, keys: AuditKeys) -> ChainBreak | None:
        """What is wrong with the end, once all entries are right.

        keys: those that are configured. Of the others somebody may have got hold: one cannot end the log.
        """
        following = ChainBreak(self.verified + 1, _MISSING)
        if head is None:
            return ChainBreak(following.number, "the head of the log is missing, which says whether an entry follows")
        if head.key_id is not None and not keys.knows(head.key_id):
            return ChainBreak(following.number, "the head of the log is under a key that is not configured")
        if not head.is_authentic(keys, keyed=self._keyed):
            return ChainBreak(following.number, "the head of the log was changed, which says whether an entry follows")
        if head.number > self.verified:
            return following
        if head.number < self.verified:
            return ChainBreak(max(head.number, 0) + 1, "it stands after the last that was written")
        return (
            None if head.hash == self.last_hash else ChainBreak(max(self.verified, 1), "it is not the last as written")
        )

    def _fault(self, item: ChainedEntry, expected: int) -> str:
        if item.number > expected:
            return _MISSING
        if item.number < expected:
            return f"an entry with number {item.number} was put in before it"
        if item.previous_hash != self.last_hash:
            return "it does not follow the entry before"
        if item.key_id is None and self._keyed:
            return "it was put in: it is under no key, and the one before it is"
        if item.key_id is not None and not self._keys.knows(item.key_id):
            return "it is under a key that is not configured"
        return "" if item.has_right_hash(self._keys) else "it was changed"
