"""What ingress counts by the version of a secret, and what it says about itself.

signature_matches, signature_rejections, environment_secrets, ingress_reports.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store import arrays
from tenrusl.store.engine import fetch

# Rejections are counted by periods, and kept for a day.
PERIOD = timedelta(minutes=5)
KEPT = timedelta(days=1)
# An ingress that does not report for this long is taken for gone for good.
REPORT_KEPT = timedelta(minutes=10)
# A secret that no environment has reported for this long is not there any more.
SEEN = timedelta(minutes=1)
_ADD_MATCHES = """
    INSERT INTO signature_matches (provider, version, matches, last_match_at)
    SELECT * FROM unnest(%(provider)s, %(version)s, %(matches)s, %(last)s)
    ON CONFLICT (provider, version) DO UPDATE SET
        matches = signature_matches.matches + excluded.matches,
        last_match_at = greatest(signature_matches.last_match_at, excluded.last_match_at)
    """
_ADD_REJECTIONS = """
    INSERT INTO signature_rejections (provider, period_start, reason, rejections)
    SELECT * FROM unnest(%(provider)s, %(period)s, %(reason)s, %(rejections)s)
    ON CONFLICT (provider, period_start, reason) DO UPDATE SET
        rejections = signature_rejections.rejections + excluded.rejections
    """
_FORGET_REJECTIONS = """
    DELETE FROM signature_rejections WHERE provider = ANY(%(providers)s) AND period_start < %(before)s
    """
_SEE_SECRETS = """
    INSERT INTO environment_secrets (provider, field, fingerprint, version, seen_at)
    SELECT provider, field, fingerprint, version, %(now)s
    FROM unnest(%(provider)s, %(field)s, %(fingerprint)s, %(version)s) AS seen (provider, field, fingerprint, version)
    ON CONFLICT (provider, field, fingerprint) DO UPDATE SET
        seen_at = greatest(environment_secrets.seen_at, excluded.seen_at), version = excluded.version
    """
_FORGET_SECRETS = "DELETE FROM environment_secrets WHERE provider = ANY(%(providers)s) AND seen_at < %(before)s"
_REPORT = """
    INSERT INTO ingress_reports (instance, reported_at, revision, unreadable)
    VALUES (%(instance)s, %(now)s, %(revision)s, %(unreadable)s)
    ON CONFLICT (instance) DO UPDATE SET
        reported_at = excluded.reported_at, revision = excluded.revision, unreadable = excluded.unreadable
    """
_LEAVE = "DELETE FROM ingress_reports WHERE instance = %(instance)s"
_FORGET_REPORTS = "DELETE FROM ingress_reports WHERE reported_at < %(before)s"  # as many rows as processes
_MATCHES = "SELECT provider, version, matches, last_match_at FROM signature_matches WHERE provider = ANY(%(providers)s)"
_REJECTIONS = """
    SELECT coalesce(sum(rejections), 0)::bigint FROM signature_rejections
    WHERE provider = %(provider)s AND period_start >= %(start)s AND period_start <= %(end)s
    """
_SECRETS = """
    SELECT provider, field, fingerprint, version FROM environment_secrets
    WHERE provider = ANY(%(providers)s) AND seen_at >= %(since)s ORDER BY provider, field, version
    """
_REPORTS = "SELECT reported_at, revision, unreadable FROM ingress_reports"


@dataclass(frozen=True, slots=True)
class Matches:
    """How often a version matched, and when last."""

    number: int
    last: datetime


@dataclass(frozen=True, slots=True)
class EnvironmentSecret:
    """A secret in the environment of ingress. version: "current" or "next"."""

    provider: str
    field: str
    version: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """An ingress process: when it reported last, and which revision of the secrets it goes by.

    unreadable: accepted versions that it cannot open, each as (provider, version).
    """

    at: datetime
    revision: int
    unreadable: Collection[tuple[str, str]] = ()


async def add_matches(connection: AsyncConnection, matches: Mapping[tuple[str, str], Matches]) -> None:
    """Adds matches by (provider, version)."""
    keys = sorted(matches)  # the order in which all processes lock
    parameters = {
        "provider": arrays.texts([provider for provider, _ in keys]),
        "version": arrays.texts([version for _, version in keys]),
        "matches": arrays.bigints([matches[key].number for key in keys]),
        "last": arrays.timestamps([matches[key].last for key in keys]),
    }
    await fetch(connection, _ADD_MATCHES, parameters)


async def add_rejections(connection: AsyncConnection, rejections: Mapping[tuple[str, datetime, str], int]) -> None:
    """Adds rejections by (provider, start of the period, reason)."""
    keys = sorted(rejections)
    parameters = {
        "provider": arrays.texts([provider for provider, _, _ in keys]),
        "period": arrays.timestamps([period for _, period, _ in keys]),
        "reason": arrays.texts([reason for _, _, reason in keys]),
        "rejections": arrays.bigints([rejections[key] for key in keys]),
    }
    await fetch(connection, _ADD_REJECTIONS, parameters)


async def report(
    connection: AsyncConnection,
    instance: str,
    secrets: Sequence[EnvironmentSecret],
    *,
    revision: int,
    now: datetime,
    unreadable: Collection[tuple[str, str]] = (),
) -> None:
    """Says that an ingress process lives, what it goes by, and which secrets its environment has.

    unreadable: accepted versions that it cannot open, each as (provider, version).
    """
    ordered = sorted(secrets, key=lambda item: (item.provider, item.field, item.fingerprint))
    parameters = {
        "provider": arrays.texts([item.provider for item in ordered]),
        "field": arrays.texts([item.field for item in ordered]),
        "fingerprint": arrays.byteas([item.fingerprint for item in ordered]),
        "version": arrays.texts([item.version for item in ordered]),
        "now": now,
    }
    await fetch(connection, _SEE_SECRETS, parameters)
    names = arrays.texts([f"{provider}/{version}" for provider, version in sorted(unreadable)])
    await fetch(connection, _REPORT, {"instance": instance, "now": now, "revision": revision, "unreadable": names})


async def leave(connection: AsyncConnection, instance: str) -> None:
    """Says that an ingress process ends."""
    await fetch(connection, _LEAVE, {"instance": instance})


async def forget(connection: AsyncConnection, providers: Sequence[str], now: datetime) -> None:
    """Removes what is over: periods of more than a day ago, secrets and processes not seen for long."""
    names = arrays.texts(list(providers))
    await fetch(connection, _FORGET_REJECTIONS, {"providers": names, "before": now - KEPT})
    await fetch(connection, _FORGET_SECRETS, {"providers": names, "before": now - KEPT})
    await fetch(connection, _FORGET_REPORTS, {"before": now - REPORT_KEPT})


async def read_matches(connection: AsyncConnection, providers: Sequence[str]) -> dict[tuple[str, str], Matches]:
    """By (provider, version)."""
    rows = await fetch(connection, _MATCHES, {"providers": arrays.texts(list(providers))})
    return {(provider, version): Matches(number, last) for provider, version, number, last in rows}


async def count_rejections(connection: AsyncConnection, provider: str, start: datetime, end: datetime) -> int:
    """Rejections in the periods that began from `start` up to `end`."""
    ((number,),) = await fetch(connection, _REJECTIONS, {"provider": provider, "start": start, "end": end})
    return int(number)


async def read_environment(
    connection: AsyncConnection, providers: Sequence[str], now: datetime
) -> list[EnvironmentSecret]:
    """The secrets that the environments of ingress have now."""
    rows = await fetch(connection, _SECRETS, {"providers": arrays.texts(list(providers)), "since": now - SEEN})
    return [EnvironmentSecret(provider, field, version, bytes(print_)) for provider, field, print_, version in rows]


async def read_reports(connection: AsyncConnection) -> list[Report]:
    """One of each ingress process of the last minutes."""
    return [
        Report(at, revision, {_pair_of(name) for name in unreadable})
        for at, revision, unreadable in await fetch(connection, _REPORTS, {})
    ]


def _pair_of(name: str) -> tuple[str, str]:
    provider, _, version = name.partition("/")
    return provider, version
