"""Every signature vector of the providers that exist: `valid` and `invalid` exactly as the vector says."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret

_DATA = Path(__file__).parents[2] / "data"
VECTORS = [v for v in json.loads((_DATA / "vectors.json").read_text()) if v["provider"] in PROVIDERS]
# Names in the vectors' `secrets` that are plural because several are accepted at once.
_FIELDS = {
    "callback_tokens": "callback_token",
    "signing_secrets": "signing_secret",
    "secret_keys": "secret_key",
    "secrets": "secret",
    "public_keys": "public_key",
}


def _credentials(secrets: dict[str, Any]) -> Credentials:
    fields = {}
    for name, values in secrets.items():
        values = json.dumps(values) if isinstance(values, dict) else values
        listed = values if isinstance(values, list) else [values]
        fields[_FIELDS.get(name, name)] = tuple(SecretVersion(str(n), Secret(value)) for n, value in enumerate(listed))
    return Credentials(fields)


def _webhook(vector: dict[str, Any]) -> Webhook:
    path, _, query = vector["path"].partition("?")
    return Webhook(
        method=vector["method"],
        path=path,
        query=query,
        source_ip=vector.get("remote_addr", ""),
        headers=Headers(list(vector["headers"].items())),
        body=base64.b64decode(vector["body_b64"]),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['provider']}: {v['name']}")
def test_a_vector_is_judged_as_it_says(vector: dict[str, Any]) -> None:
    # `now` is null where time does not matter.
    now = 1_785_000_000 if vector["now"] is None else vector["now"]
    provider = PROVIDERS[vector["provider"]]
    verdict = provider.verify(_webhook(vector), _credentials(vector["secrets"]), now)
    assert verdict.valid == (vector["expect"] == "valid"), (vector["reason"], verdict)


def test_the_vectors_of_all_providers_are_there() -> None:
    assert {vector["provider"] for vector in VECTORS} == set(PROVIDERS)
    assert {vector["expect"] for vector in VECTORS} == {"valid", "invalid"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['provider']}: {v['name']}")
def test_without_credentials_nothing_is_valid(vector: dict[str, Any]) -> None:
    verdict = PROVIDERS[vector["provider"]].verify(_webhook(vector), Credentials(), vector["now"] or 0)
    assert verdict.reason is Reason.CREDENTIALS_MISSING
