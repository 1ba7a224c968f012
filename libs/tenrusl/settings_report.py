"""What is set, where from, and what is wrong with it: for people, before anything starts."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tenrusl.credential_settings import credential_variables
from tenrusl.retention import override_variables
from tenrusl.secret import Secret
from tenrusl.settings import AppEnv, Settings, SettingsError, load

_PREFIX = "TENRUSL_"
# Ours too, and no settings of a service: the command line and the simulator read them.
_OF_OTHERS = (
    "ADMIN_DEMO_KEY",
    "TENRUSL_ADMIN_KEY_FILE",
    "TENRUSL_SCHEDULER_TARGET",
    "TENRUSL_HEALTH_TARGET",
)
_SIMULATOR = "TENRUSL_SIMULATOR_"
_MASK = "***"


class Source(StrEnum):
    """Where a value comes from."""

    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingReport:
    """One variable. value: as text, *** for a secret, empty when there is none. problem: empty when it is right."""

    name: str
    value: str
    source: Source
    doc: str
    problem: str = ""


def report_settings(environ: Mapping[str, str] | None = None, *, production: bool = False) -> list[SettingReport]:
    """Every setting, then providers' credentials, then variables that nobody reads.

    environ: by default that of the process. production: judged as with APP_ENV=production.
    """
    env = dict(os.environ if environ is None else environ)
    if production:
        env["APP_ENV"] = AppEnv.PRODUCTION.value
    problems = _problems(env)
    fields = [item for item in dataclasses.fields(Settings) if "env" in item.metadata]
    reports = [_of_field(item, env, problems) for item in fields]
    reports += [_of_credential(name, env, problems) for name in credential_variables(env)]
    reports += [_of_days(name, env, problems) for name in override_variables(env)]
    known = {report.name for report in reports}
    reports += [_unknown(name, known) for name in sorted(env) if _is_stray(name, known)]
    told = {report.name for report in reports}
    reports += [
        SettingReport(name=name, value="", source=Source.MISSING, doc="", problem=problem)
        for name, problem in problems.items()
        if name not in told
    ]
    return reports


def _problems(env: Mapping[str, str]) -> dict[str, str]:
    """By variable. Rules that look at several settings are judged only when each by itself is right."""
    try:
        load(env)
    except SettingsError as exc:
        return _by_name(exc.problems)
    return {}


def _by_name(problems: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in problems:
        name, _, text = line.partition(": ")
        found[name] = f"{found[name]}; {text}" if name in found else text
    return found


def _of_field(item: dataclasses.Field[object], env: Mapping[str, str], problems: Mapping[str, str]) -> SettingReport:
    name, doc = item.metadata["env"], item.metadata["doc"]
    text, problem = env.get(name, ""), problems.get(name, "")
    if text:
        secret = item.metadata["form"].is_secret
        return SettingReport(
            name=name, value=_MASK if secret else text, source=Source.ENVIRONMENT, doc=doc, problem=problem
        )
    missing = item.default is dataclasses.MISSING
    source = Source.MISSING if missing else Source.DEFAULT
    return SettingReport(
        name=name, value="" if missing else _text(item.default), source=source, doc=doc, problem=problem
    )


def _of_credential(name: str, env: Mapping[str, str], problems: Mapping[str, str]) -> SettingReport:
    in_file = name.endswith("_FILE")
    return SettingReport(
        name=name,
        value=env[name] if in_file else _MASK,
        source=Source.FILE if in_file else Source.ENVIRONMENT,
        doc="a credential of a provider (docs/providers.md)",
        problem=problems.get(name, ""),
    )


def _of_days(name: str, env: Mapping[str, str], problems: Mapping[str, str]) -> SettingReport:
    return SettingReport(
        name=name,
        value=env[name],
        source=Source.ENVIRONMENT,
        doc="days that payloads of one are kept",
        problem=problems.get(name, ""),
    )


def _is_stray(name: str, known: set[str]) -> bool:
    return name.startswith(_PREFIX) and name not in known and name not in _OF_OTHERS and not name.startswith(_SIMULATOR)


def _unknown(name: str, known: set[str]) -> SettingReport:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    # Not its value: it may well be a secret under a name that is misspelt.
    return SettingReport(
        name=name, value=_MASK, source=Source.ENVIRONMENT, doc="", problem=f"no setting has this name{hint}"
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, Secret):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    seconds = getattr(value, "total_seconds", None)
    return f"{seconds():g}" if seconds else str(value)
