"""Every object is one that Kubernetes takes: by the API's own schemas, of three versions, without unknown fields."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from tests.unit.deploy.manifests import SETS, objects

# The oldest that the manifests are for (docs/deploy.md names it), one between, and the newest that has a schema here.
VERSIONS = ("1.31", "1.34", "1.37")
# Of operators: their schemas are not Kubernetes'. test_components.py looks at these objects.
CUSTOM = {
    "cert-manager.io/v1",
    "external-secrets.io/v1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
}


def complaint(item: Any, version: str) -> str:
    """What is wrong with it, empty for nothing."""
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.ValidationError as exc:
        return f"{item['kind']} {item['metadata']['name']}: {'.'.join(map(str, exc.path))}: {exc.message}"
    return ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("which", SETS)
def test_every_object_is_as_the_schema_says(which: str, version: str) -> None:
    known = [item for item in objects(which) if item["apiVersion"] not in CUSTOM]
    assert len(known) > 40
    assert [text for item in known if (text := complaint(item, version))] == []


def test_a_field_that_is_misspelt_is_found() -> None:
    item = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"selectors": {"a": "b"}}}
    assert "selectors" in complaint(item, VERSIONS[0])
