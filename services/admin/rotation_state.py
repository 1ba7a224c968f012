"""How far a rotation is, and whether it is safe to complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.admin.secret_views import Known, SecretView
from tenrusl.errors import ConflictError, Reason
from tenrusl.rotation import Blocker, Evidence, SecretStatus, blockers, open_rotation
from tenrusl.store.engine import Connection
from tenrusl.store.signature_counts import PERIOD, count_rejections, read_reports
from tenrusl.store.signing_secrets import read_revision

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationState:
    """An open rotation. rejections: webhooks of the provider an hour."""

    new: SecretView
    old: Sequence[SecretView]
    blockers: Sequence[Blocker] = ()
    rejections_before: float = 0
    rejections_now: float = 0


async def judge(connection: Connection, known: Known, field: str, now: datetime, *, quiet: timedelta) -> RotationState:
    """The open rotation and what speaks against completing it. known: of one provider.

    quiet: how long old versions must not have matched. Raises ConflictError(ROTATION_NOT_OPEN).
    """
    number = open_rotation(known.statuses(field))
    if number is None:
        raise ConflictError(Reason.ROTATION_NOT_OPEN, "no rotation of this secret is open")
    state = state_of(known, field, number)
    row = next(row for row in known.rows if row.number == number)
    # Periods that began before count whole: at the most one more than the time that is looked at.
    start = min(now, max(now - quiet, row.created_at)) - PERIOD  # another replica's clock may be ahead
    counted = await count_rejections(connection, row.provider, start, now)
    revision, reports = await read_revision(connection), await read_reports(connection)
    evidence = Evidence(
        began_at=row.created_at,
        old_matches=[view.last_match for view in state.old],
        new_match=state.new.last_match,
        rejections_before=row.rejections_before,
        rejections_now=counted * (HOUR / (now - start)),
        reports=[now - report.at for report in reports],
        behind=any(report.revision < revision for report in reports),
    )
    return RotationState(
        new=state.new,
        old=state.old,
        blockers=blockers(evidence, now, quiet=quiet),
        rejections_before=evidence.rejections_before,
        rejections_now=evidence.rejections_now,
    )


def state_of(known: Known, field: str, new: int) -> RotationState:
    """The rotation to version `new` as it stands, unjudged."""
    old = [known.view(row) for row in known.rows if row.field == field and row.status is SecretStatus.CURRENT]
    return RotationState(new=view_of(known, new), old=old + [known.view_unmet(secret) for secret in known.unmet(field)])


def view_of(known: Known, number: int) -> SecretView:
    """A version by its number."""
    return next(known.view(row) for row in known.rows if row.number == number)
