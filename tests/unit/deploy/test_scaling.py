"""How many pods there are, and what decides it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from services.scheduler import scaler
from services.scheduler.backlog import Work
from services.scheduler.scaler import ScalerServicer
from tenrusl.api.externalscaler.v1 import externalscaler_pb2
from tests.unit.deploy.manifests import K8S, OVERLAYS, ROOT, SETS, documents, env_file, environment, of_kind, ours, pods

# Metadata of KEDA itself, which it passes on with the rest.
OF_KEDA = {"scalerAddress"}
OF_THE_SCALER = {scaler._PROVIDER, scaler._BACKLOG_TARGET, scaler._OLDEST_TARGET}


def scaled_object() -> Any:
    (found,) = documents(K8S / "components/keda/scaledobject.yaml")
    return found


def external_trigger() -> Any:
    (found,) = [trigger for trigger in scaled_object()["spec"]["triggers"] if trigger["type"] == "external"]
    return found


@pytest.mark.parametrize("which", SETS)
def test_a_deployment_has_one_that_decides_its_replicas(which: str) -> None:
    """Replicas in the manifest would undo the autoscaler's at every apply."""
    scaled = [item["spec"]["scaleTargetRef"]["name"] for item in of_kind(which, "HorizontalPodAutoscaler").values()]
    scaled += [item["spec"]["scaleTargetRef"]["name"] for item in of_kind(which, "ScaledObject").values()]
    assert len(set(scaled)) == len(scaled)
    deployments = ours(of_kind(which, "Deployment"))
    assert set(scaled) <= set(deployments)
    for name, deployment in deployments.items():
        assert not (name in scaled and "replicas" in deployment["spec"]), name


@pytest.mark.parametrize("which", SETS)
def test_what_scales_by_cpu_asks_for_cpu(which: str) -> None:
    for item in of_kind(which, "HorizontalPodAutoscaler").values():
        assert item["spec"]["minReplicas"] >= 2
        (metric,) = item["spec"]["metrics"]
        assert metric["resource"]["name"] == "cpu"
        (pod,) = [pod for pod in pods(which) if pod.owner == item["spec"]["scaleTargetRef"]["name"]]
        assert all("cpu" in container["resources"]["requests"] for container in pod.containers)


@pytest.mark.parametrize("which", OVERLAYS)
def test_the_gateways_share_their_limits_by_the_fewest_that_there_are(which: str) -> None:
    scalers = of_kind(which, "HorizontalPodAutoscaler")
    fewest = scalers["tenrusl-gateway"]["spec"]["minReplicas"] if scalers else 1
    (pod,) = [pod for pod in pods(which) if pod.owner == "tenrusl-gateway"]
    assert environment(which, pod.containers[0])["TENRUSL_GATEWAY_REPLICAS"] == str(fewest)


def test_keda_tells_the_scaler_nothing_but_what_it_reads() -> None:
    assert set(external_trigger()["metadata"]) - OF_KEDA <= OF_THE_SCALER
    assert all(isinstance(value, str) for value in external_trigger()["metadata"].values())


async def test_the_scaler_takes_the_metadata_and_names_two_metrics() -> None:
    class NoBacklog:
        async def of(self, provider: str) -> Work:
            raise AssertionError("the targets need no backlog")

    servicer = ScalerServicer(NoBacklog(), {"stripe"}, asyncio.Event())  # type: ignore[arg-type]
    context: Any = None
    answer = await servicer.GetMetricSpec(
        externalscaler_pb2.ScaledObjectRef(name="x", scalerMetadata=external_trigger()["metadata"]), context
    )
    assert {spec.metricName: spec.targetSizeFloat for spec in answer.metricSpecs} == {
        scaler.BACKLOG: 500,
        scaler.OLDEST: 120,
    }


def test_keda_asks_at_the_scheduler_s_port() -> None:
    port = env_file(K8S / "base/config.env")["TENRUSL_SCHEDULER_LISTEN"].rpartition(":")[2]
    assert external_trigger()["metadata"]["scalerAddress"] == f"tenrusl-scheduler.tenrusl:{port}"


def test_keda_never_scales_processors_to_none() -> None:
    """Events are handed over at once; with no processor each would wait until it is due."""
    assert scaled_object()["spec"]["minReplicaCount"] >= 2


@pytest.mark.parametrize("which", SETS)
def test_one_disruption_at_a_time_leaves_somebody(which: str) -> None:
    for name, budget in of_kind(which, "PodDisruptionBudget").items():
        assert budget["spec"]["maxUnavailable"] == 1, name


def test_docs_name_what_the_production_overlay_asks_for() -> None:
    """docs/deploy.md sums up the requests by service: pods, CPU and memory."""
    if "production" not in OVERLAYS:
        return
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+)m \| (\d+)Mi \|", page, re.MULTILINE)
    told = {name: (int(count), int(cpu), int(memory)) for name, count, cpu, memory in rows}
    fewest = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"].get("minReplicas") or item["spec"]["minReplicaCount"]
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for item in of_kind("production", kind).values()
    }
    asked = {}
    for name, deployment in of_kind("production", "Deployment").items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        requests = container["resources"]["requests"]
        count = fewest.get(name) or deployment["spec"]["replicas"]
        asked[name.removeprefix("tenrusl-")] = (
            count,
            count * int(requests["cpu"].removesuffix("m")),
            count * int(requests["memory"].removesuffix("Mi")),
        )
    total = tuple(sum(values) for values in zip(*asked.values(), strict=True))
    assert told == {**asked, "together": total}
