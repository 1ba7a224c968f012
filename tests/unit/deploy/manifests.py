"""The Kubernetes manifests as objects: the base as it is written, and each overlay as kustomize builds it.

Without kubectl there is nothing that builds overlays, and the tests see the base alone; `make k8s-check` says so.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Manifest = Mapping[str, Any]

ROOT = Path(__file__).parents[3]
K8S = ROOT / "deploy/k8s"
SERVICES = ("gateway", "ingress", "processor", "scheduler", "admin")
KUBECTL = shutil.which("kubectl")
OVERLAYS = tuple(sorted(folder.name for folder in (K8S / "overlays").iterdir())) if KUBECTL else ()
# Every set of objects that the policies must hold for.
SETS = ("base", *OVERLAYS)
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
PHASE, BEFORE = "tenrusl/phase", "before-rollout"


@cache
def objects(which: str) -> tuple[Manifest, ...]:
    """The objects of "base", or of an overlay."""
    if which == "base":
        files = (K8S / "base" / name for name in kustomization(K8S / "base")["resources"])
        return tuple(item for file in files for item in documents(file))
    assert KUBECTL
    done = subprocess.run(
        [KUBECTL, "kustomize", str(K8S / "overlays" / which)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def kustomization(folder: Path) -> Manifest:
    """A folder's kustomization.yaml."""
    (found,) = documents(folder / "kustomization.yaml")
    return found


def documents(file: Path) -> tuple[Manifest, ...]:
    """The documents of a YAML file."""
    return tuple(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def of_kind(which: str, kind: str) -> Mapping[str, Manifest]:
    """Objects of a kind by name."""
    return {item["metadata"]["name"]: item for item in objects(which) if item["kind"] == kind}


def ours(items: Mapping[str, Manifest]) -> Mapping[str, Manifest]:
    """Without the servers of the overlay "local"."""
    return {name: item for name, item in items.items() if name.startswith("tenrusl-")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as a workload describes it."""

    owner: str
    kind: str
    labels: Mapping[str, str]
    spec: Manifest

    @property
    def containers(self) -> Sequence[Manifest]:
        return (*self.spec.get("initContainers", ()), *self.spec["containers"])

    @property
    def is_ours(self) -> bool:
        return self.labels.get(NAME) == "tenrusl"


def pods(which: str) -> Iterator[Pod]:
    """Of every workload."""
    for item in objects(which):
        if item["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = item["spec"]["template"]
        elif item["kind"] == "CronJob":
            template = item["spec"]["jobTemplate"]["spec"]["template"]
        else:
            continue
        yield Pod(
            owner=item["metadata"]["name"],
            kind=item["kind"],
            labels=template["metadata"]["labels"],
            spec=template["spec"],
        )


def matches(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches. It knows `matchLabels` and the operator In; others fail the test that asks."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def environment(which: str, container: Manifest) -> dict[str, str]:
    """A container's variables; a value from a Secret is "secret:NAME/KEY". Of overlays alone."""
    maps = of_kind(which, "ConfigMap")
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]].get("data", {})
    for entry in container.get("env", ()):
        if "value" in entry:
            found[entry["name"]] = entry["value"]
        else:
            reference = entry["valueFrom"]["secretKeyRef"]
            found[entry["name"]] = f"secret:{reference['name']}/{reference['key']}"
    return found


def env_file(file: Path) -> dict[str, str]:
    """NAME=VALUE lines."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def config_files() -> Sequence[Path]:
    """Every file that a ConfigMap is made from."""
    return sorted(K8S.rglob("*.env"))
