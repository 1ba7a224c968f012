"""What every pod must be: confined, bounded, probed, and given the time to drain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenrusl.rpc.server import READINESS
from tenrusl.settings import Settings
from tests.unit.deploy.manifests import (
    BEFORE,
    K8S,
    OVERLAYS,
    PHASE,
    ROOT,
    SERVICES,
    SETS,
    Manifest,
    Pod,
    env_file,
    objects,
    of_kind,
    ours,
    pods,
)

HEALTH_PORT = 50060
# The server's calls, then the batches that are under way: services/processor/__main__.py drains twice.
DRAINS = {"processor": 2}
SPARE_SECONDS = 5


def every_pod() -> Iterator[tuple[str, Pod]]:
    for which in SETS:
        for pod in pods(which):
            yield which, pod


def containers() -> list[Manifest]:
    return [container for _, pod in every_pod() for container in pod.containers]


def service_containers(which: str) -> dict[str, tuple[Pod, Manifest]]:
    found = {
        pod.labels["app.kubernetes.io/component"]: pod
        for pod in pods(which)
        if pod.is_ours and pod.kind == "Deployment"
    }
    assert sorted(found) == sorted(SERVICES)
    return {name: (pod, pod.containers[0]) for name, pod in found.items()}


def test_no_container_runs_as_root() -> None:
    for which, pod in every_pod():
        context = pod.spec["securityContext"]
        assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"}), (
            which,
            pod.owner,
        )
        assert context["runAsUser"] > 0
        assert not any(
            {"runAsUser", "runAsNonRoot", "seccompProfile"} & set(c["securityContext"]) for c in pod.containers
        )


def test_the_user_is_that_of_the_image() -> None:
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    for _, pod in every_pod():
        if pod.is_ours:
            context = pod.spec["securityContext"]
            assert f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile


def test_no_container_can_write_or_gain_privileges() -> None:
    for container in containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, container["name"]


def test_our_pods_have_nothing_to_write_to_and_no_host() -> None:
    for which, pod in every_pod():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)
        if pod.is_ours:
            for volume in pod.spec.get("volumes", ()):
                assert set(volume) == {"name", "secret"}, (which, pod.owner)
                assert volume["secret"]["defaultMode"] == 0o440
            assert all(mount["readOnly"] for c in pod.containers for mount in c.get("volumeMounts", ()))


def test_every_container_asks_for_and_is_limited_in_cpu_and_memory() -> None:
    for container in containers():
        assert set(container["resources"]["requests"]) == set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_no_pod_gets_a_token_for_the_cluster() -> None:
    for _, pod in every_pod():
        assert (pod.spec["automountServiceAccountToken"], pod.spec["enableServiceLinks"]) == (False, False), pod.owner


@pytest.mark.parametrize("which", SETS)
def test_every_pod_of_ours_has_an_account_without_a_token(which: str) -> None:
    accounts = of_kind(which, "ServiceAccount")
    used = {pod.spec["serviceAccountName"] for pod in pods(which) if pod.is_ours}
    assert used == set(accounts)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())


@pytest.mark.parametrize("which", SETS)
def test_services_share_no_account(which: str) -> None:
    accounts = [pod.spec["serviceAccountName"] for pod in pods(which) if pod.is_ours and pod.kind == "Deployment"]
    assert len(set(accounts)) == len(SERVICES)


@pytest.mark.parametrize("which", SETS)
def test_one_image_runs_everything(which: str) -> None:
    assert len({container["image"] for pod in pods(which) if pod.is_ours for container in pod.containers}) == 1


@pytest.mark.parametrize("which", OVERLAYS)
def test_no_image_is_without_a_tag_that_stays(which: str) -> None:
    images = {container["image"] for pod in pods(which) for container in pod.containers}
    assert all(":" in image and not image.endswith(":latest") for image in images)


@pytest.mark.parametrize("which", SETS)
def test_every_command_is_one_of_the_distribution(which: str) -> None:
    for pod in pods(which):
        if not pod.is_ours:
            continue
        (container,) = pod.containers
        if pod.kind == "Deployment":
            program, flag, module = container["command"]
            assert (program, flag) == ("python", "-m")
            assert (ROOT / Path(*module.split("."), "__main__.py")).is_file()
        else:
            assert container["command"][0] == "tenrusl"


@pytest.mark.parametrize("which", SETS)
def test_grpc_services_are_probed_natively_at_the_port_of_health(which: str) -> None:
    for name, (_, container) in service_containers(which).items():
        if name == "gateway":
            continue
        assert {port["name"]: port["containerPort"] for port in container["ports"]}["health"] == HEALTH_PORT
        asked = {kind: container[f"{kind}Probe"]["grpc"] for kind in ("startup", "readiness", "liveness")}
        assert asked == {
            "startup": {"port": HEALTH_PORT, "service": ""},
            "readiness": {"port": HEALTH_PORT, "service": READINESS},
            "liveness": {"port": HEALTH_PORT, "service": ""},
        }
    assert env_file(K8S / "base/config.env")["TENRUSL_HEALTH_LISTEN"] == f"0.0.0.0:{HEALTH_PORT}"


@pytest.mark.parametrize("which", SETS)
def test_the_gateway_is_probed_at_routes_that_it_has(which: str) -> None:
    _, container = service_containers(which)["gateway"]
    routes = _routes(ROOT / "services/gateway/health.py")
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {probe["port"] for probe in asked.values()} == {"http"}
    assert {kind: probe["path"] for kind, probe in asked.items()} == {
        "startup": "/up",
        "readiness": "/ready",
        "liveness": "/up",
    }
    assert {"/up", "/ready"} <= routes


def _routes(file: Path) -> set[str]:
    calls = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Route" and isinstance(call.args[0], ast.Constant)
    }


@pytest.mark.parametrize("which", SETS)
def test_a_liveness_probe_is_more_patient_than_a_readiness_probe(which: str) -> None:
    for _, container in service_containers(which).values():
        patience = {
            kind: container[f"{kind}Probe"]["periodSeconds"] * container[f"{kind}Probe"]["failureThreshold"]
            for kind in ("startup", "readiness", "liveness")
        }
        assert patience["readiness"] < patience["liveness"] <= patience["startup"]


@pytest.mark.parametrize("which", SETS)
def test_the_grace_is_enough_for_the_drain(which: str) -> None:
    assert "TENRUSL_DRAIN_TIMEOUT_SECONDS" in {
        field.metadata.get("env") for field in Settings.__dataclass_fields__.values()
    }
    drain = int(env_file(K8S / "base/config.env")["TENRUSL_DRAIN_TIMEOUT_SECONDS"])
    for name, (pod, container) in service_containers(which).items():
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert before >= 5
        assert pod.spec["terminationGracePeriodSeconds"] >= before + DRAINS.get(name, 1) * drain + SPARE_SECONDS, name


@pytest.mark.parametrize("which", SETS)
def test_the_replicas_of_a_service_are_spread_over_zones_and_nodes(which: str) -> None:
    for pod, _ in service_containers(which).values():
        constraints = {item["topologyKey"]: item for item in pod.spec["topologySpreadConstraints"]}
        assert set(constraints) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        for item in constraints.values():
            assert item["labelSelector"]["matchLabels"].items() <= pod.labels.items()


@pytest.mark.parametrize("which", SETS)
def test_a_rollout_never_has_fewer_pods_than_before(which: str) -> None:
    for deployment in ours(of_kind(which, "Deployment")).values():
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("which", SETS)
def test_what_the_migration_needs_is_applied_before_the_rollout_and_no_service_is(which: str) -> None:
    before = {
        (item["kind"], item["metadata"]["name"])
        for item in objects(which)
        if item["metadata"].get("labels", {}).get(PHASE) == BEFORE
    }
    assert {("Namespace", "tenrusl"), ("Job", "tenrusl-migrate"), ("ServiceAccount", "tenrusl-migrate")} <= before
    assert {
        item for item in before if item[0] in ("Deployment", "CronJob", "Service") and "tenrusl" in item[1]
    } == set()
    unlabelled = {item["kind"] for item in objects(which) if item["metadata"].get("labels", {}).get(PHASE) != BEFORE}
    assert not unlabelled & {"NetworkPolicy", "ServiceAccount", "ConfigMap", "ExternalSecret", "Certificate", "Job"}


@pytest.mark.parametrize("which", OVERLAYS)
def test_everything_is_in_one_namespace_that_refuses_other_pods(which: str) -> None:
    assert {item["metadata"].get("namespace", "tenrusl") for item in objects(which)} == {"tenrusl"}
    (namespace,) = of_kind(which, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
