"""Whatever comes in, these providers answer: a verdict, an event, or one of the two errors that are documented."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.providers import PROVIDERS
from tenrusl.providers.generic import GenericSpec, GenericSpecError, build_generic, parse_specs
from tenrusl.providers.types import Headers, Provider, SignatureScheme, Webhook
from tenrusl.simulator import sign_webhook
from tests.unit.providers.hostile_input import (
    ANY,
    NOW,
    PATH,
    PROPERTY,
    TEXTS,
    TIMES,
    bodies,
    call_everything,
    changed,
    credentials_by_name,
    credentials_like,
    extract_any,
    paths_in,
    samples_of,
    webhooks,
    with_one_odd_field,
)

GENERIC_SPEC: dict[str, Any] = {
    "signature": {"header": "X-Signature", "prefix": "v1=", "separator": ",", "signed": "{timestamp}.{body}"},
    "timestamp": {"header": "X-Timestamp"},
    "event": {
        "id": ["/id", "/data/state"],
        "type": "/type",
        "status": "/data/state",
        "provider_ref": "/data/id",
        "merchant_ref": "/data/order",
        "amount": "/data/amount",
        "currency": "/data/currency",
        "occurred_at": "/at",
    },
    "statuses": {"ok": "succeeded"},
    "content_types": ["application/json"],
    "reply": {"status": 202, "body": "ok", "content_type": "text/plain"},
}
_NAMES = ("xendit", "midtrans", "tripay", "doku", "dana", "oy", "payoneer", "skrill")
OURS: Mapping[str, Provider] = {name: PROVIDERS[name] for name in _NAMES} | {
    "generic": build_generic(parse_specs(json.dumps({"providers": {"generic": GENERIC_SPEC}}))[0])
}
CREDENTIALS = credentials_by_name(OURS)
SAMPLES = samples_of(OURS)
SAMPLES.append(
    {
        "provider": "generic",
        "name": "paid",
        "body": json.dumps(
            {
                "id": 1,
                "type": "t",
                "at": "2026-01-01",
                "data": {"state": "ok", "id": "p", "order": 2, "amount": 5, "currency": "EUR"},
            }
        ),
    }
)
every_provider = pytest.mark.parametrize("provider", OURS.values(), ids=OURS)
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['provider']}: {sample['name']}")

# All headers that a scheme, an extractor or a reply of these providers reads.
_HEADERS = (
    *("x-callback-token", "webhook-id", "Iris-Signature", "X-Signature", "X-Timestamp", "X-Callback-Signature"),
    *("X-Callback-Event", "Client-Id", "Request-Id", "Request-Timestamp", "Signature", "Digest", "X-Client-Key"),
    *("Authorization", "X-Partner-Id", "X-OY-Signature", "X-Forwarded-For", "List-Security-Token"),
    *("X-Payoneer-Signature", "Content-Type", "Content-Length", "x-timestamp", "AUTHORIZATION", "", "é"),
)
_WEBHOOKS = webhooks(_HEADERS, bodies(SAMPLES))


@every_provider
@PROPERTY
@given(data=st.data())
def test_any_request_any_credentials_any_time(provider: Provider, data: st.DataObject) -> None:
    webhook, credentials = data.draw(_WEBHOOKS), data.draw(credentials_like(CREDENTIALS[provider.name]))
    call_everything(provider, webhook, credentials, data.draw(TIMES))


@every_provider
@PROPERTY
@given(webhook=_WEBHOOKS, now=TIMES)
def test_no_request_that_nobody_signed_is_valid(provider: Provider, webhook: Webhook, now: float) -> None:
    # OY has no signature: an address is all that it takes, so one that is allowed is left out here.
    nowhere = replace(webhook, source_ip="203.0.113.9") if provider.name == "oy" else webhook
    assert not call_everything(provider, nowhere, CREDENTIALS[provider.name], now).valid


@every_sample
@settings(PROPERTY, max_examples=60)
@given(data=st.data())
def test_an_event_with_one_field_of_any_value(sample: dict[str, Any], data: st.DataObject) -> None:
    headers = Headers(data.draw(st.lists(st.tuples(st.sampled_from(_HEADERS), TEXTS), max_size=2)))
    body = data.draw(with_one_odd_field(sample["body"]))
    extract_any(OURS[sample["provider"]], Webhook(method="POST", path=PATH, headers=headers, body=body))


# (provider, scheme) whose signature covers the whole body.
COVERING = [
    (provider, scheme)
    for provider in OURS.values()
    for scheme in provider.schemes
    if provider.covers_body(scheme) and scheme.name != "seed_simulator"
]
_SIGNED_BODY = b'{"paymentRequestId":"P-1","note":"a \\" b\\\\","data":{"state":"ok","list":[1, 2.50]} }'


@pytest.mark.parametrize(("provider", "scheme"), COVERING, ids=[f"{p.name}-{s.name}" for p, s in COVERING])
@settings(PROPERTY, max_examples=300)
@given(data=st.data())
def test_no_changed_body_is_valid(provider: Provider, scheme: SignatureScheme, data: st.DataObject) -> None:
    credentials = CREDENTIALS[provider.name]
    signed = sign_webhook(provider, _SIGNED_BODY, credentials, NOW, scheme=scheme.name, path=PATH)
    headers = Headers(list(signed.headers.items()))
    webhook = Webhook(method="POST", path=PATH, query=signed.query or "", headers=headers, body=signed.body)
    assert provider.verify(webhook, credentials, NOW).valid
    body = changed(data.draw, signed.body)
    if body != signed.body and provider.verify(replace(webhook, body=body), credentials, NOW).valid:
        # SNAP signs the body without the white space outside of texts: what is read is the same.
        assert scheme.name.startswith("snap_")
        assert _without_space(body) == _without_space(signed.body)


def _without_space(body: bytes) -> str:
    """By a JSON parser that has nothing to do with ours: texts and numbers stay as they are written."""
    document = json.loads(body, parse_float=str, parse_int=str, object_pairs_hook=list)
    return json.dumps(document)


_SPEC_VALUES = st.one_of(
    ANY,
    st.sampled_from(["/a", "", "~", "/~2", "{body}", "{timestamp}{body}", "{body}{body}", "{", "}}", "sha256", "X-A"]),
    st.sampled_from([200, 299, 1e400, 86_400, "pending", ["/a"], ["/a", 1], {"ok": "succeeded"}, "EUR"]),
)


@PROPERTY
@given(data=st.data())
def test_a_declaration_with_any_value_anywhere_is_read_or_its_field_is_named(data: st.DataObject) -> None:
    spec = json.loads(json.dumps(GENERIC_SPEC))
    for _ in range(data.draw(st.integers(1, 3))):
        node, path = spec, data.draw(st.sampled_from(list(paths_in(spec))))
        for name in path[:-1]:
            node = node[name]
        if data.draw(st.booleans()):
            node[path[-1]] = data.draw(_SPEC_VALUES)
        else:
            node[data.draw(TEXTS)] = node.pop(path[-1])
    _read_or_named(json.dumps({"providers": {"acme": spec}}), "providers.acme")


@PROPERTY
@given(st.one_of(st.text(), ANY.map(json.dumps), ANY.map(lambda value: json.dumps({"providers": value}))))
def test_a_document_of_any_shape_is_read_or_its_field_is_named(text: str) -> None:
    _read_or_named(text, "")


def _read_or_named(text: str, field: str) -> None:
    specs: tuple[GenericSpec, ...] = ()
    problem: GenericSpecError | None = None
    try:
        specs = parse_specs(text)
    except GenericSpecError as exc:
        problem = exc
    if problem is not None:
        assert problem.field == "document" or problem.field.startswith(field)
        assert str(problem).startswith(f"{problem.field}: ")
        str(problem).encode("utf-8")  # can be logged
    for spec in specs:
        provider = build_generic(spec)
        webhook = Webhook(
            method="POST", path=PATH, headers=Headers([("X-Signature", "v1=00"), ("X-Timestamp", "1")]), body=b"{}"
        )
        assert not call_everything(provider, webhook, CREDENTIALS["generic"], NOW).valid
