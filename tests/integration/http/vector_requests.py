"""A shared vector as what an operator would configure for it, and as the request that goes over the socket."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenrusl.providers import PROVIDERS
from tenrusl.providers.schemes import NOTIFICATION_PATH
from tenrusl.providers.types import Headers, Provider, Webhook
from tenrusl.settings import DEFAULT_FIELD, credential_variable
from tests.integration.http.http_stack import HttpRequest

Vector = Mapping[str, Any]
VECTORS: list[Vector] = json.loads((Path(__file__).parents[2] / "data" / "vectors.json").read_text())

# Names in the vectors' `secrets` of fields that accept several versions at once.
_VERSIONED = {
    "callback_tokens": "callback_token",
    "signing_secrets": "signing_secret",
    "secret_keys": "secret_key",
    "secrets": "secret",
    "public_keys": "public_key",
}
_VERSIONS = ("current", "next")
# How one variable holds several values of the other lists.
_SEPARATORS = {
    "allowed_ips": ", ",
    "trusted_proxies": ", ",
    "cert_url_allowed_hosts": ",",
    "intermediate_pems": "\n",
    "root_pems": "\n",
}
_DEFAULT_NOW = 1_785_000_000  # where time does not matter
# DOKU's tokens are made from the secret key, which these vectors leave out.
_TOKEN_SECRET = "for-the-token"


def vector_id(vector: Vector) -> str:
    return f"{vector['provider']}: {vector['name']}"


def now_of(vector: Vector) -> int:
    """Unix time at which the vector is received."""
    return _DEFAULT_NOW if vector["now"] is None else int(vector["now"])


def environ_of(vector: Vector, folder: Path) -> dict[str, str]:
    """The variables that configure the vector's credentials. What has several lines is mounted as a file in `folder`.

    Where a provider signs the path, `notification_path` is the one in the vector.
    """
    provider = PROVIDERS[vector["provider"]]
    environ: dict[str, str] = {}
    for name, value in vector["secrets"].items():
        if name in _VERSIONED:
            for version, text in zip(_VERSIONS, value, strict=False):
                environ[_variable(provider, _VERSIONED[name], version)] = text
            assert len(value) <= len(_VERSIONS)
        else:
            environ[_variable(provider, name, "current")] = _text(name, value)
    if NOTIFICATION_PATH in provider.credential_fields:
        environ[_variable(provider, NOTIFICATION_PATH, "current")] = vector["path"].partition("?")[0]
    if vector.get("scheme") == "snap_token_request":
        environ[_variable(provider, "secret_key", "current")] = _TOKEN_SECRET
    return dict(_mounted(name, text, folder) for name, text in environ.items())


def _variable(provider: Provider, field: str, version: str) -> str:
    return credential_variable(provider.name, DEFAULT_FIELD if field == provider.secret_field else field, version)


def _text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return _SEPARATORS[name].join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _mounted(name: str, text: str, folder: Path) -> tuple[str, str]:
    if "\n" not in text.strip():
        return name, text
    file = folder / name
    file.write_text(text)
    return f"{name}_FILE", str(file)


def request_of(vector: Vector) -> HttpRequest:
    """The vector's method, query, headers and body, to the provider's address.

    What stands behind the provider's name in the vector's path stands there, too. remote_addr: as a proxy of ours
    that takes the request from there writes it.
    """
    provider = PROVIDERS[vector["provider"]]
    path, mark, query = vector["path"].partition("?")
    _, slash, tail = path.partition(f"/{provider.name}/") if provider.takes_path_tail else ("", "", "")
    headers = dict(vector["headers"])
    if address := vector.get("remote_addr"):
        before = headers.pop("X-Forwarded-For", "")
        headers["X-Forwarded-For"] = f"{before}, {address}" if before else address
    return HttpRequest(
        method=vector["method"],
        target=f"/api/webhooks/{provider.name}{slash and '/'}{tail}{mark}{query}",
        headers=list(headers.items()),
        body=base64.b64decode(vector["body_b64"]),
    )


def webhook_of(request: HttpRequest, source_ip: str = "") -> Webhook:
    """The request as a provider's own code sees it."""
    path, _, query = request.target.partition("?")
    return Webhook(
        method=request.method,
        path=path,
        query=query,
        source_ip=source_ip,
        headers=Headers(list(request.headers)),
        body=request.body,
    )
