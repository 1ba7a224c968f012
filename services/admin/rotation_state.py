"""How far a rotation is, and whether it is safe to complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from services.admin.secret_views import Known, SecretView
from tenrusl.errors import ConflictError, Reason
from tenrusl.rotation import (
    QUIET_BLOCKERS,
    Blocker,
    Evidence,
    SecretStatus,
    blockers,
    open_rotation,
    quiet_left,
    version_name,
)
from tenrusl.store.engine import Connection
from tenrusl.store.signature_counts import PERIOD, count_rejections, read_reports

HOUR = timedelta(hours=1)
_WHY = {
    Blocker.TOO_SOON: "it began too short a time ago",
    Blocker.OLD_STILL_MATCHES: "the old version has matched recently",
    Blocker.NEW_NEVER_MATCHED: "the new version has never matched",
    Blocker.REJECTIONS_ROSE: "more webhooks are rejected than before it began",
    Blocker.INGRESS_SILENT: "an ingress does not report, or none does",
    Blocker.INGRESS_BEHIND: "an ingress does not accept the new version yet",
    Blocker.INGRESS_CANNOT_READ: "an ingress cannot open the new version: is its APP_KEY that of admin?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationState:
    """An open rotation. rejections: webhooks of the provider an hour. quiet_left: see tenrusl.rotation."""

    new: SecretView
    old: Sequence[SecretView]
    blockers: Sequence[Blocker] = ()
    rejections_before: float = 0
    rejections_now: float = 0
    quiet_left: timedelta = timedelta(0)


async def judge(
    connection: Connection, known: Known, field: str, now: datetime, *, quiet: timedelta, revision: int
) -> RotationState:
    """The open rotation and what speaks against completing it. known: of one provider.

    quiet: how long old versions must not have matched. revision: of the secrets, which every ingress should have.
    Raises ConflictError(ROTATION_NOT_OPEN).
    """
    number = open_rotation(known.statuses(field))
    if number is None:
        raise ConflictError(Reason.ROTATION_NOT_OPEN, "no rotation of this secret is open")
    state = state_of(known, field, number)
    row = next(row for row in known.rows if row.number == number)
    # Periods that began before count whole: at the most one more than the time that is looked at.
    start = min(now, max(now - quiet, row.created_at)) - PERIOD  # another replica's clock may be ahead
    counted = await count_rejections(connection, row.provider, start, now)
    reports = await read_reports(connection)
    evidence = Evidence(
        began_at=row.created_at,
        old_matches=[view.last_match for view in state.old],
        new_match=state.new.last_match,
        rejections_before=row.rejections_before,
        rejections_now=counted * (HOUR / (now - start)),
        reports=[now - report.at for report in reports],
        behind=any(report.revision < revision for report in reports),
        unreadable=any((row.provider, version_name(number)) in report.unreadable for report in reports),
    )
    return RotationState(
        new=state.new,
        old=state.old,
        blockers=blockers(evidence, now, quiet=quiet),
        rejections_before=evidence.rejections_before,
        rejections_now=evidence.rejections_now,
        quiet_left=quiet_left(evidence, now, quiet=quiet),
    )


def check_safe(state: RotationState) -> None:
    """Raises ConflictError(ROTATION_NOT_SAFE), which tells everything that speaks against completing it."""
    if not state.blockers:
        return
    wait = f"{ceil(state.quiet_left.total_seconds())} s to go (TENRUSL_ROTATION_QUIET_SECONDS)"
    why = [f"{_WHY[blocker]}: {wait}" if blocker in QUIET_BLOCKERS else _WHY[blocker] for blocker in state.blockers]
    raise ConflictError(Reason.ROTATION_NOT_SAFE, f"not safe to complete: {'; '.join(why)}")


def state_of(known: Known, field: str, new: int) -> RotationState:
    """The rotation to version `new` as it stands, unjudged."""
    old = [known.view(row) for row in known.rows if row.field == field and row.status is SecretStatus.CURRENT]
    return RotationState(new=view_of(known, new), old=old + [known.view_unmet(secret) for secret in known.unmet(field)])


def view_of(known: Known, number: int) -> SecretView:
    """A version by its number."""
    return next(known.view(row) for row in known.rows if row.number == number)
