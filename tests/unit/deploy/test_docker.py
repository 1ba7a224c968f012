"""The image and its compose file, as far as they can be judged without an engine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenrusl.docs.readers import readers
from tenrusl.settings import load
from tests.unit.deploy.command_line import parse
from tests.unit.deploy.known_names import KEY, SETTINGS, is_known
from tests.unit.deploy.manifests import ROOT, SERVICES, env_file

DOCKER = ROOT / "deploy/docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)((?: ;[^\\]*)?) \\$", re.MULTILINE)
APP_KEYS = ("APP_KEY", "APP_PREVIOUS_KEYS")
VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]+|-)\}")  # "-": may be empty


def pins(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """By package its version and hashes."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text(encoding="utf-8")):
        match = PIN.match(block)
        assert match, block[:80]
        found[match[1]] = (match[2], frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", block)))
        assert found[match[1]][1]
    return found


@pytest.mark.parametrize("lock", ["requirements-runtime.lock", "requirements-build.lock"])
def test_every_pin_of_the_image_is_that_of_the_tests(lock: str) -> None:
    everything = pins("requirements.lock")
    assert {name: everything.get(name) for name in pins(lock)} == pins(lock)


def test_the_image_holds_what_the_package_asks_for_and_nothing_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9._-]", item)[0].lower() for item in requirements}

    runtime = set(pins("requirements-runtime.lock"))
    assert names(project["project"]["dependencies"]) <= runtime
    extras = {name for items in project["project"]["optional-dependencies"].values() for name in names(items)}
    assert not (extras - names(project["project"]["dependencies"])) & runtime
    assert names(project["build-system"]["requires"]) <= set(pins("requirements-build.lock"))
    assert project["build-system"]["requires"] == _lines(DOCKER / "build.in")


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-runtime.lock", "requirements-build.lock"])
def test_a_lock_names_no_index(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [str(linter), "--failure-threshold", "style", str(DOCKER / "Dockerfile")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_installs_pinned_wheels_and_takes_only_the_environment_along() -> None:
    for line in re.findall(r"pip install [^\n]*-r [^\n]*", DOCKERFILE):
        assert "--require-hashes --no-deps" in line
    assert re.findall(r"^COPY .*", FINAL_STAGE, re.MULTILINE) == ["COPY --from=builder /opt/tenrusl /opt/tenrusl"]
    assert DOCKERFILE.count("FROM ${PYTHON_IMAGE}") == DOCKERFILE.count("\nFROM ") == 2
    assert "apt-get" not in DOCKERFILE


def test_the_image_is_labelled_and_tells_its_health() -> None:
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in FINAL_STAGE
    (command,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", FINAL_STAGE, re.MULTILINE)
    assert yaml.safe_load(command) == ["tenrusl", "health"]
    assert parse(["health", "dns:///127.0.0.1:1"]).command.name == "health"


def test_the_image_says_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"ARG VERSION={project['version']}\n" in FINAL_STAGE
    assert project["description"] in FINAL_STAGE


def test_nothing_of_a_working_folder_gets_into_the_image() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {
        "pyproject.toml", "README.md", "LICENSE", "requirements-runtime.lock", "requirements-build.lock",
        "libs", "services", "docs/openapi.yaml",
    }  # fmt: skip


COMPOSE: Mapping[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: item for name, item in COMPOSE["services"].items() if item["image"].startswith("tenrusl:")}


def test_compose_runs_every_service_and_the_migration() -> None:
    assert {name: item["command"] for name, item in OURS.items()} == {
        "migrate": ["tenrusl", "migrate"],
        **{name: ["python", "-m", f"services.{name}"] for name in SERVICES},
    }
    assert set(COMPOSE["services"]) - set(OURS) == {"postgresql", "redis"}
    assert len({item["image"] for item in OURS.values()}) == 1


def test_compose_confines_every_container() -> None:
    for name, item in COMPOSE["services"].items():
        assert (item["read_only"], item["cap_drop"], item["security_opt"]) == (
            True, ["ALL"], ["no-new-privileges:true"],
        ), name  # fmt: skip
        assert int(item["user"].partition(":")[0]) > 0, name
        assert item["mem_limit"], name
        assert "privileged" not in item, name


def test_compose_opens_the_gateway_alone_to_this_machine_alone() -> None:
    assert {name: item["ports"] for name, item in COMPOSE["services"].items() if "ports" in item} == {
        "gateway": ["127.0.0.1:8080:8080"]
    }
    assert COMPOSE["networks"]["inside"]["internal"] is True
    outside = {name for name, item in COMPOSE["services"].items() if "outside" in item["networks"]}
    assert outside == {"gateway", "ingress"}
    assert "inside" in COMPOSE["services"]["gateway"]["networks"]


def test_compose_starts_in_order() -> None:
    services = COMPOSE["services"]
    assert services["migrate"]["depends_on"] == {"postgresql": {"condition": "service_healthy"}}
    for name in ("ingress", "processor", "scheduler", "admin"):
        assert services[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "postgresql": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
        }
    assert services["gateway"]["depends_on"] == {"ingress": {"condition": "service_healthy"}}
    for item in services.values():
        for other, how in item.get("depends_on", {}).items():
            has_check = "test" in services[other].get("healthcheck", {})
            assert has_check or how["condition"] == "service_completed_successfully"


def test_compose_checks_each_service_where_it_listens() -> None:
    for name in SERVICES:
        item = OURS[name]
        assert parse([*item["healthcheck"]["test"][2:], item["environment"]["TENRUSL_HEALTH_TARGET"]])
        assert item["healthcheck"]["test"][:3] == ["CMD", "tenrusl", "health"]
        port = item["environment"][f"TENRUSL_{name.upper()}_LISTEN"].rpartition(":")[2]
        scheme = "http://" if name == "gateway" else "dns:///"
        assert item["environment"]["TENRUSL_HEALTH_TARGET"] == f"{scheme}127.0.0.1:{port}"
        for other in OURS.values():
            target = other["environment"].get(f"TENRUSL_{name.upper()}_TARGET", f"dns:///{name}:{port}")
            assert target == f"dns:///{name}:{port}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_service_takes_the_settings_of_compose(name: str) -> None:
    environment = OURS[name]["environment"]
    assert [variable for variable in environment if not is_known(variable)] == []
    filled = {
        variable: VARIABLE.sub(lambda match: KEY if match[1].endswith(APP_KEYS) else "s" * 40, value)
        for variable, value in environment.items()
    }
    settings = load(filled | {"TENRUSL_ALLOWED_PROVIDERS": "stripe"})
    assert settings.json_logs


@pytest.mark.parametrize("variable", [*APP_KEYS, "TENRUSL_ADMIN_KEY", "DB_PASSWORD", "REDIS_PASSWORD"])
def test_compose_gives_a_service_no_key_that_it_does_not_use(variable: str) -> None:
    asked = {name: VARIABLE.findall(item["environment"].get(variable, "")) for name, item in OURS.items()}
    given = {name for name, found in asked.items() if found == [variable]}
    # The migration shares the block of addresses with the others.
    assert given - {"migrate"} == set(readers()[SETTINGS[variable].name]) - {"migrate"}


def test_compose_asks_for_every_value_by_its_name_and_the_example_has_it() -> None:
    asked = set(VARIABLE.findall((DOCKER / "compose.yaml").read_text(encoding="utf-8")))
    assert asked == set(env_file(DOCKER / "secrets.env.example"))
    assert OURS["ingress"]["env_file"] == "providers.env"
    assert all(is_known(name) for name in env_file(DOCKER / "providers.env.example"))
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "deploy/docker/*.env" in ignored
