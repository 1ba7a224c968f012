"""Who may operate TenRusl: keys with a name and a role. Only hashes of keys are kept in memory.

A key is a long random text, so SHA-256 without salt or stretching is enough to keep it secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tenrusl.file_stamps import Stamp, stamp_of
from tenrusl.secret import Secret

MAX_KEYS = 1000
# Of the keys in the settings. A file may not use them: the audit log tells operators by their names.
ADMIN_NAME, DEMO_NAME = "admin", "demo"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Role(StrEnum):
    """What somebody may do; each may all that the ones before may.

    viewer: look, without payloads. operator: retry, replay, throttle, handle dead letters and confirmations. admin:
    secrets, payloads, purges.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether it may what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody whose key was right."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key by its SHA-256, 32 bytes."""

    operator: Operator
    sha256: bytes = field(repr=False)


def key_of(name: str, role: Role, key: Secret) -> OperatorKey:
    """The entry of a key that is configured as it is."""
    return OperatorKey(Operator(name, role), hashlib.sha256(key.reveal().encode()).digest())


def read_keys(text: str) -> list[OperatorKey]:
    """The keys of a file: a JSON list of {"name": …, "role": …, "sha256": 64 hexadecimal digits}.

    Raises ValueError, which names the entry that is wrong and shows nothing of it but its name.
    """
    try:
        entries: Any = json.loads(text)
    except ValueError:
        raise ValueError("must be a JSON list") from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError(f"must be a JSON list of at most {MAX_KEYS} keys")
    keys = [_read_key(number, entry) for number, entry in enumerate(entries)]
    names = [key.operator.name for key in keys]
    if len(set(names)) != len(names):
        raise ValueError("a name stands twice")
    return keys


def _read_key(number: int, entry: Any) -> OperatorKey:
    if not isinstance(entry, dict) or set(entry) != {"name", "role", "sha256"}:
        raise ValueError(f"entry {number} must have name, role and sha256, and nothing else")
    name, role, sha256 = entry["name"], entry["role"], entry["sha256"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"entry {number}: name must be 1 to 64 letters, digits and . _ @ -")
    if name in (ADMIN_NAME, DEMO_NAME):
        raise ValueError(f"entry {number} ({name}): this name is that of a key in the settings")
    if role not in list(Role):
        raise ValueError(f"entry {number} ({name}): role must be one of {', '.join(Role)}")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"entry {number} ({name}): sha256 must be 64 lower-case hexadecimal digits")
    return OperatorKey(Operator(name, Role(role)), bytes.fromhex(sha256))


class OperatorKeys:
    """The accepted keys: those of the settings, and those of a file, which is read again when it changes.

    file: None for none. Raises ValueError, OSError at the start; later a file that cannot be read leaves the keys as
    they were.
    """

    def __init__(self, fixed: Sequence[OperatorKey], file: Path | None = None) -> None:
        self._fixed = tuple(fixed)
        self._file = file
        self._stamp: Stamp | None = None
        self._keys = self._fixed
        if file is not None:
            self.refresh()

    def refresh(self) -> bool:
        """Reads the file again if it changed; whether it did. Raises ValueError, OSError, and keeps what it has."""
        if self._file is None:
            return False
        stamp = stamp_of(self._file)
        if stamp is not None and stamp == self._stamp:
            return False
        self._keys = (*self._fixed, *read_keys(self._file.read_text(encoding="utf-8")))
        self._stamp = stamp
        return True

    def find(self, key: str) -> Operator | None:
        """Whose key it is. Compares with every one, whichever matches, in constant time."""
        given = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        found: Operator | None = None
        for entry in self._keys:
            if hmac.compare_digest(entry.sha256, given) and found is None:
                found = entry.operator
        return found
