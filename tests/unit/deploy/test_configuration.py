"""What the pods are told: only settings that there are, values that settings take, and no secret in a file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenrusl.docs.readers import readers
from tenrusl.operators import Role, read_keys
from tenrusl.settings import Settings, load
from tests.unit.deploy.known_names import KEY, SETTINGS, is_known
from tests.unit.deploy.manifests import (
    COMPONENT,
    K8S,
    OVERLAYS,
    SERVICES,
    SETS,
    Manifest,
    config_files,
    documents,
    env_file,
    environment,
    of_kind,
    pods,
)

MADE_BY_CERT_MANAGER = {"tls.crt", "tls.key", "ca.crt"}


def names_in_pods(which: str) -> set[str]:
    return {entry["name"] for pod in pods(which) if pod.is_ours for c in pod.containers for entry in c.get("env", ())}


def test_a_name_that_is_misspelt_is_not_known() -> None:
    assert not is_known("TENRUSL_DRAIN_TIMEOUT")
    assert not is_known("TENRUSL_WEBHOOK_SECRET_STRYPE_FILE")
    assert is_known("TENRUSL_WEBHOOK_SECRET_STRIPE_FILE")


@pytest.mark.parametrize("which", SETS)
def test_every_variable_of_a_pod_is_known(which: str) -> None:
    assert [name for name in sorted(names_in_pods(which)) if not is_known(name)] == []


@pytest.mark.parametrize("file", config_files(), ids=lambda file: str(file.relative_to(K8S)))
def test_every_variable_of_a_file_is_known_and_none_is_a_secret(file: Path) -> None:
    for name, value in env_file(file).items():
        assert is_known(name), name
        assert name.endswith("_FILE") or name not in SETTINGS or not SETTINGS[name].metadata["form"].is_secret, name
        assert value, name


@pytest.mark.parametrize("which", OVERLAYS)
def test_every_variable_of_a_config_map_is_known(which: str) -> None:
    names = {name for item in of_kind(which, "ConfigMap").values() for name in item.get("data", {})}
    assert [name for name in sorted(names) if not is_known(name)] == []


def started(which: str, component: str, folder: Path) -> Settings:
    """The settings of a service as its pod gets them, with something in the place of every secret."""
    (pod,) = [pod for pod in pods(which) if pod.is_ours and pod.labels[COMPONENT] == component]
    (container,) = pod.containers
    found = {}
    for name, value in environment(which, container).items():
        if value.startswith("secret:"):
            value = KEY if name in ("APP_KEY", "APP_PREVIOUS_KEYS") else "s" * 40
        elif name.startswith(("TENRUSL_WEBHOOK_SECRET_", "TENRUSL_PROVIDER_")):
            assert any(Path(mount["mountPath"]) in Path(value).parents for mount in container["volumeMounts"]), value
            file = folder / Path(value).name
            file.write_text("whsec_something")
            value = str(file)
        found[name] = value
    return load(found)


@pytest.mark.parametrize("which", OVERLAYS)
@pytest.mark.parametrize("component", [*SERVICES, "migrate"])
def test_every_service_takes_its_settings(which: str, component: str, tmp_path: Path) -> None:
    settings = started(which, component, tmp_path)
    assert settings.db_host
    assert settings.app_env == ("production" if which == "production" else "local")
    expected = set(settings.allowed_providers) if component == "ingress" else set()
    assert set(settings.credentials) == expected


@pytest.mark.parametrize("which", OVERLAYS)
def test_every_service_listens_where_its_ports_and_the_others_targets_say(which: str, tmp_path: Path) -> None:
    services = of_kind(which, "Service")
    for pod in pods(which):
        if not pod.is_ours or pod.kind != "Deployment":
            continue
        component = pod.labels[COMPONENT]
        (container,) = pod.containers
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        settings = started(which, component, tmp_path)
        listen = getattr(settings, f"{component}_listen")
        assert ip_address(listen.host).is_unspecified
        assert listen.port == ports["http" if component == "gateway" else "grpc"]
        assert getattr(settings, f"{component}_metrics").port == ports["metrics"]
        told = environment(which, container).get(f"TENRUSL_{component.upper()}_TARGET")
        if component != "gateway":
            assert f"tenrusl-{component}" in services
            assert told == f"dns:///tenrusl-{component}:{ports['grpc']}"


@pytest.mark.parametrize("which", OVERLAYS)
def test_a_service_gets_no_key_that_it_does_not_use(which: str) -> None:
    """By who reads each; the values that nobody reads come from the Secret tenrusl-unused."""
    secrets: dict[str, dict[str, str]] = {}
    for pod in pods(which):
        if pod.is_ours and pod.kind != "CronJob":
            values = environment(which, pod.containers[0])
            secrets[pod.labels[COMPONENT]] = {
                name: value for name, value in values.items() if value.startswith("secret:")
            }
    for variable in ("APP_KEY", "APP_PREVIOUS_KEYS", "TENRUSL_ADMIN_KEY", "DB_PASSWORD", "REDIS_PASSWORD"):
        reading = readers()[SETTINGS[variable].name]
        for component, given in secrets.items():
            value = given.get(variable, "")
            is_real = bool(value) and not value.startswith("secret:tenrusl-unused/")
            assert is_real == (component in reading), (variable, component, value)


def test_in_production_each_service_is_a_database_role_of_its_own() -> None:
    if "production" not in OVERLAYS:
        component: Manifest
        (component,) = documents(K8S / "components/database-roles/kustomization.yaml")
        assert len(component["patches"]) == 4
        return
    roles = {}
    for pod in pods("production"):
        if pod.is_ours and pod.kind != "CronJob" and pod.labels[COMPONENT] != "gateway":
            values = environment("production", pod.containers[0])
            roles[pod.labels[COMPONENT]] = (values["DB_USERNAME"], values["DB_PASSWORD"])
    assert roles == {
        "migrate": ("tenrusl", "secret:tenrusl-database/owner-password"),
        **{
            name: (f"tenrusl_{name}", f"secret:tenrusl-database/{name}-password")
            for name in ("ingress", "processor", "scheduler", "admin")
        },
    }


def template_keys() -> Mapping[str, set[str]]:
    """By Secret the keys that the template has."""
    return {
        item["metadata"]["name"]: set(item.get("stringData", {})) for item in documents(K8S / "secrets.template.yaml")
    }


@pytest.mark.parametrize("which", SETS)
def test_every_secret_that_a_pod_uses_is_in_the_template_or_made_by_cert_manager(which: str) -> None:
    template = dict(template_keys())
    for certificate in of_kind(which, "Certificate").values():
        template[certificate["spec"]["secretName"]] = MADE_BY_CERT_MANAGER
    for pod in pods(which):
        for container in pod.containers:
            for entry in container.get("env", ()):
                if "valueFrom" in entry:
                    reference = entry["valueFrom"]["secretKeyRef"]
                    assert reference["key"] in template[reference["name"]], (pod.owner, reference)
        for volume in pod.spec.get("volumes", ()):
            if "secret" in volume:
                keys = template[volume["secret"]["secretName"]]
                assert {item["key"] for item in volume["secret"].get("items", ())} <= keys


def test_external_secrets_fetch_what_the_template_has() -> None:
    fetched = {}
    for item in documents(K8S / "components/external-secrets/external-secrets.yaml"):
        assert item["spec"]["target"]["name"] == item["metadata"]["name"]
        fetched[item["metadata"]["name"]] = {entry["secretKey"] for entry in item["spec"].get("data", ())}
        assert "data" in item["spec"] or "dataFrom" in item["spec"]
    assert fetched == template_keys()


def test_no_file_holds_a_secret() -> None:
    for file in sorted(K8S.rglob("*.yaml")):
        for item in documents(file):
            if isinstance(item, dict) and item["kind"] == "Secret":  # JSON patches are lists
                assert file.name == "secrets.template.yaml", file
                assert not item.get("data")
                values = item.get("stringData", {}).values()
                assert all("${" in value for value in values), item["metadata"]["name"]
    texts = "".join(file.read_text(encoding="utf-8") for file in sorted(K8S.rglob("*")) if file.is_file())
    assert not re.search(r"base64:[A-Za-z0-9+/]{20}|BEGIN [A-Z ]*PRIVATE KEY|whsec_[A-Za-z0-9]{8}", texts)


def made_secrets(**environ: str) -> Mapping[str, Mapping[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(K8S / "make_secrets.py")],
        env=environ, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return {item["metadata"]["name"]: item for item in yaml.safe_load_all(done.stdout)}


def test_made_secrets_are_new_random_and_taken() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"
    first, second = made_secrets(TENRUSL_WEBHOOK_SECRET_DANA=pem, HOME="/"), made_secrets()
    assert {name: set(item.get("stringData", {})) for name, item in first.items()} == template_keys()
    values, others = (
        [
            value
            for item in made.values()
            for key, value in item.get("stringData", {}).items()
            if "json" not in key and key != "APP_PREVIOUS_KEYS"  # of a first installation there are none
        ]
        for made in (first, second)
    )
    assert first["tenrusl-app-key"]["stringData"]["APP_PREVIOUS_KEYS"] == ""
    assert len({*values, *others}) == len(values) + len(others)
    load(
        {
            "APP_ENV": "production",
            "APP_KEY": first["tenrusl-app-key"]["stringData"]["APP_KEY"],
            "TENRUSL_ADMIN_KEY": first["tenrusl-admin-key"]["stringData"]["TENRUSL_ADMIN_KEY"],
            "TENRUSL_ALLOWED_PROVIDERS": "stripe",
            "TENRUSL_GRPC_INSECURE": "true",
        }
    )
    assert base64.b64decode(first["tenrusl-providers"]["data"]["TENRUSL_WEBHOOK_SECRET_DANA"]).decode() == pem
    assert not second["tenrusl-providers"]["data"]


def test_the_keys_of_the_cron_jobs_are_known_by_their_hashes() -> None:
    secrets = made_secrets()
    keys = read_keys(secrets["tenrusl-operators"]["stringData"]["operators.json"])
    by_hash = {key.sha256: key.operator.role for key in keys}
    roles = {
        name: by_hash[hashlib.sha256(value.encode()).digest()]
        for name, value in secrets["tenrusl-cron-keys"]["stringData"].items()
    }
    assert roles == {role.value: role for role in Role}
    assert json.loads(secrets["tenrusl-operators"]["stringData"]["operators.json"])[0]["name"] == "cron-viewer"
