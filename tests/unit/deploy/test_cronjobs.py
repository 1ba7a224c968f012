"""The CronJobs' command lines are ones that `tenrusl` takes, with a key whose role is just enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from services.admin.roles import ROLES as ADMIN_ROLES
from services.scheduler.roles import ROLES as SCHEDULER_ROLES
from tests.unit.deploy.command_line import UsageError, parse
from tests.unit.deploy.manifests import SETS, Manifest, of_kind, pods

# By CronJob: the method that its command calls, in services/*/roles.py, and the schedule.
JOBS = {
    "tenrusl-retry": ("/tenrusl.api.scheduler.v1.SchedulerService/RetryDueEvents", "* * * * *"),
    "tenrusl-purge": ("/tenrusl.api.scheduler.v1.SchedulerService/PurgePayloads", "17 3 * * *"),
    "tenrusl-maintenance": ("/tenrusl.api.scheduler.v1.SchedulerService/RunMaintenance", "37 * * * *"),
    "tenrusl-report": ("/tenrusl.api.admin.v1.ReportService/GetDailyReport", "0 6 * * *"),
}
ROLES = {**ADMIN_ROLES, **SCHEDULER_ROLES}


def command_of(cronjob: Manifest) -> Sequence[str]:
    (container,) = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    found: Sequence[str] = container["command"]
    return found


def test_a_wrong_command_line_does_not_parse() -> None:
    with pytest.raises(UsageError, match="--limits"):
        parse(["webhooks", "retry", "--limits=5"])
    with pytest.raises(UsageError, match="payload"):
        parse(["payload", "purge"])


@pytest.mark.parametrize("which", SETS)
def test_command_lines_parse(which: str) -> None:
    jobs = of_kind(which, "CronJob")
    assert set(jobs) == set(JOBS)
    for job in jobs.values():
        program, *arguments = command_of(job)
        assert program == "tenrusl"
        assert parse(arguments).params["json"] is True
    assert parse(command_of(jobs["tenrusl-retry"])[1:]).params["limit"] == 5000


@pytest.mark.parametrize("which", SETS)
def test_the_migration_parses(which: str) -> None:
    (container,) = of_kind(which, "Job")["tenrusl-migrate"]["spec"]["template"]["spec"]["containers"]
    assert parse(container["command"][1:]).command.name == "migrate"


@pytest.mark.parametrize("which", SETS)
def test_each_job_has_a_key_of_just_the_role_that_its_method_asks_for(which: str) -> None:
    for pod in pods(which):
        if pod.kind != "CronJob":
            continue
        (container,) = pod.containers
        mounts: Mapping[str, str] = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        (key,) = [volume for volume in pod.spec["volumes"] if volume["name"] == "key"]
        (item,) = key["secret"]["items"]
        told = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert told["TENRUSL_ADMIN_KEY_FILE"] == f"{mounts['key']}/{item['path']}"
        role = ROLES[JOBS[pod.owner][0]]
        assert role is not None
        assert (key["secret"]["secretName"], item["key"]) == ("tenrusl-cron-keys", role.value)


@pytest.mark.parametrize("which", SETS)
def test_jobs_never_overlap_and_end(which: str) -> None:
    for name, job in of_kind(which, "CronJob").items():
        spec = job["spec"]
        assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Etc/UTC")
        assert spec["schedule"] == JOBS[name][1]
        assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 3600
        assert spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    migration = of_kind(which, "Job")["tenrusl-migrate"]["spec"]
    assert migration["activeDeadlineSeconds"] <= 3600
