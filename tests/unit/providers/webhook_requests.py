"""Requests and credentials for the tests of providers."""

import json
from collections.abc import Mapping

from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret


def credentials_of(**fields: str) -> Credentials:
    """One current version of each field."""
    return Credentials({name: (SecretVersion("current", Secret(value)),) for name, value in fields.items()})


def request(
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/api/webhooks/x",
    query: str = "",
    source_ip: str = "203.0.113.9",
) -> Webhook:
    items = list((headers or {}).items())
    return Webhook(method=method, path=path, query=query, headers=Headers(items), body=body, source_ip=source_ip)


def json_request(document: object, headers: Mapping[str, str] | None = None) -> Webhook:
    return request(json.dumps(document).encode(), headers)
