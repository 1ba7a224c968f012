"""How long payloads are kept: a pure rule, by whole days of receipt (UTC)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tenrusl.setting_forms import integer

MAX_RETENTION_DAYS = 3650
# Outside, production warns: payloads are needed to look into disputes, and hold personal data.
USUAL_DAYS = range(7, 31)
_SETTING = "TENRUSL_PAYLOAD_RETENTION_DAYS"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Days, 1 or more, for which payloads are kept: of all providers, and of those with a retention of their own."""

    default_days: int = 14
    provider_days: Mapping[str, int] = field(default_factory=dict)

    def days(self, provider: str) -> int:
        """For how many days payloads of the provider are kept."""
        return self.provider_days.get(provider, self.default_days)

    def for_all(self, days: int) -> RetentionPolicy:
        """`days` for all, but for those of the providers that keep theirs for longer."""
        longer = {provider: own for provider, own in self.provider_days.items() if own > days}
        return RetentionPolicy(default_days=days, provider_days=longer)

    def first_kept(self, provider: str, now: datetime) -> date:
        """The first day of which payloads of the provider are kept: the one in which its retention begins."""
        return _first_kept(self.days(provider), now)

    def first_kept_by_default(self, now: datetime) -> date:
        """The same for providers without a retention of their own."""
        return _first_kept(self.default_days, now)

    def keepers(self, day: date, now: datetime) -> list[str]:
        """The providers that keep payloads of a day which is past the retention of the others."""
        return sorted(provider for provider in self.provider_days if day >= self.first_kept(provider, now))

    def forgetters(self, day: date, now: datetime) -> list[str]:
        """The providers that keep no payloads of a day which is within the retention of the others."""
        return sorted(provider for provider in self.provider_days if day < self.first_kept(provider, now))

    def unusual(self) -> list[str]:
        """The variables whose days lie outside of USUAL_DAYS."""
        found = {_SETTING: self.default_days} | {
            f"{_SETTING}_{provider.upper()}": days for provider, days in self.provider_days.items()
        }
        return [name for name, days in found.items() if days not in USUAL_DAYS]

    def unknown(self, providers: Collection[str]) -> list[str]:
        """The variables that name none of the providers."""
        return [f"{_SETTING}_{name.upper()}" for name in self.provider_days if name not in providers]


def read_overrides(env: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
    """Days by provider from TENRUSL_PAYLOAD_RETENTION_DAYS_<PROVIDER>, and what is wrong with them."""
    parse = integer(1, MAX_RETENTION_DAYS)
    overrides: dict[str, int] = {}
    problems: list[str] = []
    for name in override_variables(env):
        try:
            overrides[name.removeprefix(f"{_SETTING}_").lower()] = parse(env[name])
        except ValueError as exc:
            problems.append(f"{name}: {exc}")
    return overrides, problems


def override_variables(env: Mapping[str, str]) -> list[str]:
    """The variables of `env` that set the days of one provider."""
    return [name for name in sorted(env) if env[name] and name.startswith(f"{_SETTING}_")]


def _first_kept(days: int, now: datetime) -> date:
    return (now - timedelta(days=days)).date()
