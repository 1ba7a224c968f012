"""The components of Kubernetes' operators, whose schemas are not at hand: what of theirs must fit ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.gateway.exchange import PATH_PREFIXES
from tests.unit.deploy.manifests import (
    COMPONENT,
    K8S,
    NAME,
    OVERLAYS,
    SERVICES,
    Manifest,
    documents,
    env_file,
    environment,
    kustomization,
    of_kind,
    ours,
    pods,
)

COMPONENTS = sorted(folder.name for folder in (K8S / "components").iterdir())
TLS_FOLDER = "/run/secrets/tenrusl/tls"


FOLDERS = sorted(file.parent for file in K8S.rglob("kustomization.yaml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(K8S)))
def test_a_kustomization_names_every_file_beside_it_and_no_other(folder: Path) -> None:
    found = kustomization(folder)
    named = {entry for entry in found.get("resources", ()) if not entry.startswith("..")}
    named |= {patch["path"] for patch in found.get("patches", ()) if "path" in patch}
    named |= {name for entry in found.get("configMapGenerator", ()) for name in entry.get("envs", ())}
    assert named == {file.name for file in folder.iterdir()} - {"kustomization.yaml"}
    assert found["kind"] == ("Component" if folder.parent.name == "components" else "Kustomization")
    for entry in (*found.get("resources", ()), *found.get("components", ())):
        assert (folder / entry).exists(), entry


def test_production_uses_the_components_and_local_none() -> None:
    used = kustomization(K8S / "overlays/production")["components"]
    assert [Path(entry).name for entry in used] == [
        "database-roles", "external-secrets", "keda", "cert-manager", "keda-tls", "ingress-nginx", "monitoring",
    ]  # fmt: skip
    assert set(COMPONENTS) - {Path(entry).name for entry in used} == {"tracing"}
    assert "components" not in kustomization(K8S / "overlays/local")


def certificates() -> Mapping[str, Any]:
    files = ("cert-manager/certificates.yaml", "cert-manager/issuers.yaml", "keda-tls/keda-tls.yaml")
    items = (item for name in files for item in documents(K8S / "components" / name))
    return {item["metadata"]["name"]: item["spec"] for item in items if item["kind"] == "Certificate"}


def test_a_server_s_certificate_holds_the_names_that_callers_use() -> None:
    targets = env_file(K8S / "base/config.env")
    for service in SERVICES[1:]:
        host = targets[f"TENRUSL_{service.upper()}_TARGET"].removeprefix("dns:///").partition(":")[0]
        assert {host, f"{host}.tenrusl"} <= set(certificates()[f"tenrusl-{service}"]["dnsNames"])


def test_only_servers_may_prove_to_be_one_and_all_may_call() -> None:
    usages = {name: set(spec["usages"]) for name, spec in certificates().items() if not spec.get("isCA")}
    servers = {name for name, found in usages.items() if "server auth" in found}
    assert servers == {f"tenrusl-{service}" for service in SERVICES[1:]}
    assert all("client auth" in found for found in usages.values())


def test_certificates_are_renewed_long_before_their_end_with_new_keys() -> None:
    for name, spec in certificates().items():
        hours = {key: int(spec[key].removesuffix("h")) for key in ("duration", "renewBefore")}
        assert hours["duration"] >= 2 * hours["renewBefore"] >= 48, name
        assert spec["privateKey"]["rotationPolicy"] == ("Never" if spec.get("isCA") else "Always")


def test_all_but_the_authority_come_from_it() -> None:
    issuers = {
        item["metadata"]["name"]: item["spec"]
        for item in documents(K8S / "components/cert-manager/issuers.yaml")
        if item["kind"] == "Issuer"
    }
    for name, spec in certificates().items():
        issuer = issuers[spec["issuerRef"]["name"]]
        assert issuer == (
            {"selfSigned": {}}
            if spec.get("isCA")
            else {"ca": {"secretName": certificates()["tenrusl-authority"]["secretName"]}}
        ), name


@pytest.mark.parametrize("which", sorted(set(OVERLAYS) & {"production"}))
def test_in_production_whoever_calls_or_serves_has_his_own_certificate(which: str) -> None:
    for pod in pods(which):
        (container,) = pod.containers
        values = environment(which, container)
        files = {values[f"TENRUSL_GRPC_TLS_{part}_FILE"] for part in ("CERT", "KEY", "CA")}
        assert files == {f"{TLS_FOLDER}/{name}" for name in ("tls.crt", "tls.key", "ca.crt")}
        if pod.kind == "Job":  # the migration calls nobody
            continue
        (volume,) = [volume for volume in pod.spec["volumes"] if volume["name"] == "tls"]
        assert volume["secret"]["secretName"] == certificates()[f"tenrusl-{pod.labels[COMPONENT]}"]["secretName"]
        assert {"name": "tls", "mountPath": TLS_FOLDER, "readOnly": True} in container["volumeMounts"]


def test_keda_shows_the_scheduler_a_certificate() -> None:
    (_, authentication) = documents(K8S / "components/keda-tls/keda-tls.yaml")
    told = {item["parameter"]: (item["name"], item["key"]) for item in authentication["spec"]["secretTargetRef"]}
    secret = certificates()["tenrusl-keda"]["secretName"]
    assert told == {
        "caCert": (secret, "ca.crt"),
        "tlsClientCert": (secret, "tls.crt"),
        "tlsClientKey": (secret, "tls.key"),
    }
    (patch,) = kustomization(K8S / "components/keda-tls")["patches"]
    assert authentication["metadata"]["name"] in patch["patch"]


def ingress() -> Manifest:
    (found,) = documents(K8S / "components/ingress-nginx/ingress.yaml")
    return found


def test_the_internet_reaches_webhooks_only() -> None:
    for rule in ingress()["spec"]["rules"]:
        paths = rule["http"]["paths"]
        assert {path["path"] for path in paths} == set(PATH_PREFIXES)
        assert {path["pathType"] for path in paths} == {"Prefix"}
        assert {(p["backend"]["service"]["name"], p["backend"]["service"]["port"]["name"]) for p in paths} == {
            ("tenrusl-gateway", "http")
        }


def test_the_internet_comes_by_tls() -> None:
    hosts = [rule["host"] for rule in ingress()["spec"]["rules"]]
    assert [host for entry in ingress()["spec"]["tls"] for host in entry["hosts"]] == hosts
    assert ingress()["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"


def test_nginx_takes_bodies_as_large_as_the_gateway_and_limits_each_source() -> None:
    annotations = ingress()["metadata"]["annotations"]
    limit = env_file(K8S / "base/config.env")["TENRUSL_MAX_BODY_BYTES"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == limit
    assert int(annotations["nginx.ingress.kubernetes.io/limit-rps"]) > 0
    assert all(isinstance(value, str) for value in annotations.values())


def test_prometheus_scrapes_every_service_at_the_port_of_its_metrics() -> None:
    (monitor,) = documents(K8S / "components/monitoring/servicemonitor.yaml")
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == ["metrics"]
    assert monitor["spec"]["selector"] == {"matchLabels": {NAME: "tenrusl"}}
    services = ours(of_kind("base", "Service"))
    assert set(services) == {f"tenrusl-{name}" for name in SERVICES}
    for service in services.values():
        assert service["metadata"]["labels"][NAME] == "tenrusl"
        assert "metrics" in {port["name"] for port in service["spec"]["ports"]}


def test_custom_objects_are_of_versions_that_their_operators_serve() -> None:
    served = {
        "Certificate": "cert-manager.io/v1",
        "Issuer": "cert-manager.io/v1",
        "ExternalSecret": "external-secrets.io/v1",
        "ScaledObject": "keda.sh/v1alpha1",
        "TriggerAuthentication": "keda.sh/v1alpha1",
        "ServiceMonitor": "monitoring.coreos.com/v1",
        "PrometheusRule": "monitoring.coreos.com/v1",
    }
    files = [file for file in (K8S / "components").rglob("*.yaml") if file.name != "kustomization.yaml"]
    found = {item["kind"]: item["apiVersion"] for file in files for item in documents(file)}
    assert {kind: version for kind, version in found.items() if kind in served} == served
    assert set(found) - set(served) == {"Ingress", "NetworkPolicy"}
