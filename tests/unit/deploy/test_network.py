"""Who may talk to whom: the arrows of docs/architecture.md, told from what each service reads of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tenrusl.docs.readers import readers
from tests.unit.deploy.manifests import (
    COMPONENT,
    NAME,
    OVERLAYS,
    SERVICES,
    SETS,
    Manifest,
    Pod,
    matches,
    of_kind,
    ours,
    pods,
)

# Calls that no setting tells: the command line of the CronJobs, and of operators in admin's pod.
BY_COMMAND_LINE = {("cron", "scheduler"), ("cron", "admin"), ("admin", "scheduler")}
POSTGRESQL, REDIS, DNS = 5432, 6379, 53
# The kubelet's own, which policies never stop.
ONLY_FOR_PROBES = {"health"}


def policies(which: str, direction: str) -> Iterator[tuple[Manifest, Manifest]]:
    """Each policy of a direction with each of its rules."""
    for policy in of_kind(which, "NetworkPolicy").values():
        spec = policy["spec"]
        rules = spec.get(direction.lower(), ())
        assert not rules or direction in spec["policyTypes"], policy["metadata"]["name"]
        for rule in rules:
            yield spec["podSelector"], rule


def allowed_calls(which: str, direction: str) -> set[tuple[str, str]]:
    """Pairs (caller, called) of our pods that the rules of one direction let through at the port of gRPC."""
    side = "to" if direction == "Egress" else "from"
    found = set()
    ours_by_component = {pod.labels[COMPONENT]: pod for pod in pods(which) if pod.is_ours}
    for selector, rule in policies(which, direction):
        if "grpc" not in {port["port"] for port in rule["ports"]}:
            continue
        selected = [name for name, pod in ours_by_component.items() if matches(selector, pod.labels)]
        peers = [
            name
            for name, pod in ours_by_component.items()
            for peer in rule[side]
            if "podSelector" in peer and "namespaceSelector" not in peer and matches(peer["podSelector"], pod.labels)
        ]
        pairs = ((one, other) for one in selected for other in peers)
        found |= {pair if direction == "Egress" else pair[::-1] for pair in pairs}
    return found


def calls_in_the_code() -> set[tuple[str, str]]:
    """Pairs (caller, called), by who reads TENRUSL_<CALLED>_TARGET."""
    return {
        (caller, called)
        for called in SERVICES
        for caller in readers().get(f"{called}_target", ())
        if caller in SERVICES
    }


def may_reach(which: str, port: int) -> set[str]:
    """Components of our pods that a rule lets out to a port."""
    return {
        pod.labels[COMPONENT]
        for selector, rule in policies(which, "Egress")
        for pod in pods(which)
        if pod.is_ours and matches(selector, pod.labels) and port in {entry["port"] for entry in rule["ports"]}
    }


def test_the_code_calls_what_the_picture_shows() -> None:
    assert calls_in_the_code() == {
        ("gateway", "ingress"),
        ("gateway", "processor"),
        ("gateway", "admin"),
        ("ingress", "processor"),
        ("scheduler", "processor"),
        ("admin", "ingress"),
        ("admin", "processor"),
    }


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_policies_let_through_the_calls_of_the_code_and_no_others(which: str, direction: str) -> None:
    assert allowed_calls(which, direction) == calls_in_the_code() | BY_COMMAND_LINE


@pytest.mark.parametrize("which", SETS)
def test_whatever_no_policy_names_is_refused(which: str) -> None:
    spec = of_kind(which, "NetworkPolicy")["default-deny"]["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("which", SETS)
def test_who_reads_the_addresses_of_the_database_and_of_redis_reaches_them_and_no_other(which: str) -> None:
    assert may_reach(which, POSTGRESQL) == set(readers()["db_host"])
    assert may_reach(which, REDIS) == set(readers()["redis_host"])


@pytest.mark.parametrize("which", OVERLAYS)
def test_overlays_say_where_the_database_and_redis_are(which: str) -> None:
    for selector, rule in policies(which, "Egress"):
        assert rule.get("to"), (selector, rule)


@pytest.mark.parametrize("which", SETS)
def test_every_pod_may_ask_for_names(which: str) -> None:
    assert may_reach(which, DNS) == {pod.labels[COMPONENT] for pod in pods(which) if pod.is_ours}


@pytest.mark.parametrize("which", SETS)
def test_only_ingress_reaches_the_internet_and_nothing_private_by_it(which: str) -> None:
    for selector, rule in policies(which, "Egress"):
        blocks = [peer["ipBlock"] for peer in rule.get("to", ()) if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
        for block in blocks:
            assert selector["matchLabels"] == {NAME: "tenrusl", COMPONENT: "ingress"}
            assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(block["except"])
            assert [port["port"] for port in rule["ports"]] == [443]
        assert not blocks or len(rule["to"]) == 1


def ports_of(pod: Pod) -> Mapping[str, int]:
    return {port["name"]: port["containerPort"] for container in pod.containers for port in container.get("ports", ())}


@pytest.mark.parametrize("which", SETS)
def test_every_port_is_named_by_a_service_and_let_through_by_a_policy(which: str) -> None:
    services = of_kind(which, "Service").values()
    for pod in pods(which):
        ports = ports_of(pod)
        served = {
            entry["targetPort"]
            for service in services
            if service["spec"]["selector"].items() <= pod.labels.items()
            for entry in service["spec"]["ports"]
        }
        open_ports = {
            entry["port"]
            for selector, rule in policies(which, "Ingress")
            if matches(selector, pod.labels)
            for entry in rule["ports"]
        }
        expected = set(ports) - ONLY_FOR_PROBES
        assert served == expected, pod.owner
        assert open_ports >= expected, pod.owner
        assert not open_ports & ONLY_FOR_PROBES, pod.owner


@pytest.mark.parametrize("which", SETS)
def test_every_service_selects_pods_and_is_headless_for_grpc(which: str) -> None:
    for name, service in of_kind(which, "Service").items():
        spec = service["spec"]
        selected = [pod for pod in pods(which) if spec["selector"].items() <= pod.labels.items()]
        assert len(selected) == 1, name
        has_grpc = any(port["name"] == "grpc" for port in spec["ports"])
        assert (spec.get("clusterIP") == "None") is has_grpc, name
        assert spec.get("type", "ClusterIP") == "ClusterIP", name
        # Clients of a headless service connect to the pod's own port.
        if has_grpc:
            assert all(port["port"] == ports_of(selected[0])[port["targetPort"]] for port in spec["ports"]), name


@pytest.mark.parametrize("which", SETS)
def test_every_policy_selects_pods_that_there_are(which: str) -> None:
    labels = [pod.labels for pod in pods(which)]
    for name, policy in of_kind(which, "NetworkPolicy").items():
        assert any(matches(policy["spec"]["podSelector"], one) for one in labels), name


@pytest.mark.parametrize("which", SETS)
def test_deployments_and_budgets_select_their_own_pods(which: str) -> None:
    for name, deployment in of_kind(which, "Deployment").items():
        template: Any = deployment["spec"]["template"]
        assert matches(deployment["spec"]["selector"], template["metadata"]["labels"]), name
    budgets = of_kind(which, "PodDisruptionBudget")
    assert set(budgets) == set(ours(of_kind(which, "Deployment")))
    for name, budget in budgets.items():
        selected = {pod.owner for pod in pods(which) if matches(budget["spec"]["selector"], pod.labels)}
        assert (selected, budget["spec"]["maxUnavailable"]) == ({name}, 1)


@pytest.mark.parametrize("which", SETS)
def test_the_payments_api_is_open_to_chosen_namespaces_only(which: str) -> None:
    for selector, rule in policies(which, "Ingress"):
        if any(entry["port"] == "http" for entry in rule["ports"]):
            assert selector["matchLabels"][COMPONENT] == "gateway"
            assert all(peer["namespaceSelector"]["matchLabels"] for peer in rule["from"])
