"""Rotating a secret without rejecting anything: what may follow what, and when the old one is safe to drop. Pure.

A field of a provider's credentials has versions. next: accepted, brought in by the open rotation. current: accepted.
retired: was current until a rotation was completed. aborted: was next. revoked: refused at once, whatever it was.
A secret whose version is retired or aborted may be brought in again, as another version; a revoked one never.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tenrusl.errors import ConflictError, NotFoundError, Reason
from tenrusl.providers.types import SecretVersion
from tenrusl.secret import Secret

# Ingress reports every few seconds; one that is silent this long is hanging, cut off or gone.
MAX_REPORT_AGE = timedelta(seconds=30)
# Rejections of the last minutes against those of the hour before the rotation: what counts as more than before.
REJECTION_FACTOR = 2.0
REJECTION_MARGIN = 10


class SecretStatus(StrEnum):
    """Where a version stands; see the module."""

    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"
    ABORTED = "aborted"
    REVOKED = "revoked"


ACCEPTED = frozenset({SecretStatus.NEXT, SecretStatus.CURRENT})
Statuses = Mapping[int, SecretStatus]


def check_begin(statuses: Statuses) -> None:
    """Whether a rotation may begin. statuses: of a field's versions by number. Raises ConflictError(ROTATION_OPEN)."""
    open_one = open_rotation(statuses)
    if open_one is not None:
        raise ConflictError(
            Reason.ROTATION_OPEN, f"a rotation to {version_name(open_one)} is open; complete or abort it first"
        )


def complete(statuses: Statuses) -> dict[int, SecretStatus]:
    """What changes when the open rotation is completed. Raises ConflictError(ROTATION_NOT_OPEN)."""
    new = _require_open(statuses)
    retired = {n: SecretStatus.RETIRED for n, status in statuses.items() if status is SecretStatus.CURRENT}
    return {**retired, new: SecretStatus.CURRENT}


def abort(statuses: Statuses, *, gone: Collection[int] = (), leave_none: bool = False) -> dict[int, SecretStatus]:
    """What changes when the open rotation is aborted. Raises ConflictError: ROTATION_NOT_OPEN, LAST_SECRET.

    gone: versions of the environment that it does not hold any more; nothing is verified with them.
    """
    new = _require_open(statuses)
    _check_rest(statuses, (new,), gone, leave_none=leave_none)
    return {new: SecretStatus.ABORTED}


def revoke(
    statuses: Statuses, numbers: Collection[int], *, gone: Collection[int] = (), leave_none: bool = False
) -> dict[int, SecretStatus]:
    """What changes when a secret is revoked; nothing when it is revoked already.

    numbers: of all versions with this secret. gone: as for `abort`. leave_none: also when nothing would be accepted
    any more. Raises NotFoundError(SECRET_NOT_FOUND), ConflictError(LAST_SECRET).
    """
    for number in numbers:
        if number not in statuses:
            raise NotFoundError(Reason.SECRET_NOT_FOUND, f"there is no version {version_name(number)} of this secret")
    if any(statuses[number] in ACCEPTED for number in numbers):
        _check_rest(statuses, numbers, gone, leave_none=leave_none)
    return {number: SecretStatus.REVOKED for number in numbers if statuses[number] is not SecretStatus.REVOKED}


def open_rotation(statuses: Statuses) -> int | None:
    """The number of the version that an open rotation brings in."""
    return next((number for number, status in statuses.items() if status is SecretStatus.NEXT), None)


def version_name(number: int) -> str:
    """As versions are shown, and stored with each event that one verified: "v3"."""
    return f"v{number}"


class Blocker(StrEnum):
    """Why a rotation is not safe to complete."""

    TOO_SOON = "too_soon"
    OLD_STILL_MATCHES = "old_still_matches"
    NEW_NEVER_MATCHED = "new_never_matched"
    REJECTIONS_ROSE = "rejections_rose"
    INGRESS_SILENT = "ingress_silent"
    INGRESS_BEHIND = "ingress_behind"
    INGRESS_CANNOT_READ = "ingress_cannot_read"


# Those that go away by waiting; see `quiet_left`.
QUIET_BLOCKERS = frozenset({Blocker.TOO_SOON, Blocker.OLD_STILL_MATCHES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about an open rotation.

    old_matches: last match of each version that would be retired, None for never. new_match: of the new one.
    rejections_before, rejections_now: webhooks an hour, in the hour before it began and in the last minutes.
    reports: by ingress process, how long ago it reported. behind: whether one of them does not accept the new version
    yet. unreadable: whether one of them cannot open the new version, and never will accept it.
    """

    began_at: datetime
    old_matches: Sequence[datetime | None]
    new_match: datetime | None
    rejections_before: float = 0
    rejections_now: float = 0
    reports: Sequence[timedelta] = ()
    behind: bool = False
    unreadable: bool = False


def quiet_left(evidence: Evidence, now: datetime, *, quiet: timedelta) -> timedelta:
    """How much longer the old versions must not match; zero when they were silent for `quiet`, or there are none."""
    if not evidence.old_matches:
        return timedelta(0)
    since = max([evidence.began_at, *(match for match in evidence.old_matches if match is not None)])
    return max(quiet - (now - since), timedelta(0))


def blockers(evidence: Evidence, now: datetime, *, quiet: timedelta) -> list[Blocker]:
    """Why the rotation is not safe to complete; empty when it is. quiet: how long the old version must not match."""
    found = []
    if quiet_left(evidence, now, quiet=quiet):
        matched = any(match is not None and now - match < quiet for match in evidence.old_matches)
        found.append(Blocker.OLD_STILL_MATCHES if matched else Blocker.TOO_SOON)
    if evidence.new_match is None:
        found.append(Blocker.NEW_NEVER_MATCHED)
    before = evidence.rejections_before
    if evidence.rejections_now > max(before * REJECTION_FACTOR, before + REJECTION_MARGIN):
        found.append(Blocker.REJECTIONS_ROSE)
    if not evidence.reports or max(evidence.reports) > MAX_REPORT_AGE:
        found.append(Blocker.INGRESS_SILENT)
    if evidence.behind:
        found.append(Blocker.INGRESS_BEHIND)
    if evidence.unreadable:
        found.append(Blocker.INGRESS_CANNOT_READ)
    return found


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """An accepted version. secret: None for one that is in the environment, which `fingerprint` recognises."""

    number: int
    fingerprint: bytes
    secret: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredField:
    """What the store knows of one field. denied: fingerprints of versions that are refused wherever they come from."""

    accepted: Sequence[StoredVersion] = ()
    denied: Collection[bytes] = field(default_factory=frozenset)


# What stands where every version is refused. An empty secret has the verifier refuse everything, while a missing one
# could make it turn to a weaker scheme.
NONE_ACCEPTED = (SecretVersion("none", Secret("")),)


def accepted_versions(
    environment: Sequence[tuple[SecretVersion, bytes]], stored: StoredField
) -> tuple[SecretVersion, ...]:
    """The versions of a field to verify with, newest last: those of the environment, then those of the store.

    environment: with their fingerprints. One that the store knows has the store's name, and is left out when denied.
    """
    known = {version.fingerprint: version for version in stored.accepted}
    kept = []
    for version, fingerprint in environment:
        if fingerprint in stored.denied:
            continue
        same = known.get(fingerprint)
        if same is None:
            kept.append(version)
        elif same.secret is None:
            kept.append(SecretVersion(version_name(same.number), version.secret))
    kept += [
        SecretVersion(version_name(version.number), version.secret)
        for version in sorted(stored.accepted, key=lambda version: version.number)
        if version.secret is not None
    ]
    return tuple(kept) or NONE_ACCEPTED


def _require_open(statuses: Statuses) -> int:
    number = open_rotation(statuses)
    if number is None:
        raise ConflictError(Reason.ROTATION_NOT_OPEN, "no rotation of this secret is open")
    return number


def _check_rest(statuses: Statuses, without: Collection[int], gone: Collection[int], *, leave_none: bool) -> None:
    accepted = {number for number, status in statuses.items() if status in ACCEPTED}
    if accepted.difference(without, gone) or leave_none:
        return
    last = " and ".join(version_name(number) for number in sorted(accepted.intersection(without)))
    message = f"{last} is the only accepted version; every webhook would be rejected"
    if not accepted.issubset(without):
        rest = " and ".join(version_name(number) for number in sorted(accepted.difference(without)))
        message += f" ({rest} is in no ingress's environment any more)"
    raise ConflictError(Reason.LAST_SECRET, message)
