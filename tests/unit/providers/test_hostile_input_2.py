"""Whatever comes in, these providers answer: a verdict, an event, or one of the two errors that are documented."""

import contextlib
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.generic import GenericSpec, GenericSpecError, build_generic, parse_specs
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Headers,
    Outcome,
    Provider,
    Reply,
    SecretVersion,
    SignatureError,
    SignatureScheme,
    Verdict,
    Webhook,
)
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials

NOW = 1_785_000_000.0
PATH = "/v1.0/debit/notify"
# A hypothesis run never fails for being slow, and is the same in every run.
PROPERTY = settings(deadline=None, derandomize=True, max_examples=200)
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
CREDENTIALS = {
    name: simulated_credentials(provider, random.Random(1), ("current", "next")) for name, provider in OURS.items()
}
SAMPLES: list[dict[str, Any]] = [
    sample
    for sample in json.loads((Path(__file__).parents[2] / "data" / "samples.json").read_text())
    if sample["provider"] in OURS
]
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
_ODD = (
    *("", " ", "Bearer ", "Bearer AAAA", "bearer x y", "HMACSHA256=", "HMACSHA256=AAAA", "v1=", "v1=00,v1=" + "0" * 64),
    *("AAAA", "AAA", "AAA=", "A" * 344, "A" * 342 + "==", "A" * 5000, "00", "DEADBEEF" * 16, "deadbeef" * 16),
    *(
        "1785000000",
        "-1",
        "9" * 30,
        "253402300799",
        "1e9",
        "٣" * 10,
        "\uff11\uff17\uff18",
        "2026-07-25T17:20:00+07:00",
    ),
    *("9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "0000-00-00", "2026-07-25T17:20:00+99:99"),
    *("54.151.191.85", "127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.1, ::1,", "[::1]:80", "127.0.0.1:99999999"),
    *("," * 300, "unknown", "fe80::1%eth0", "payment_status", "\x00", "\r\n", "\ud800", "é", "\U0001d7d8"),
)
_TEXTS = st.one_of(st.sampled_from(_ODD), st.text(max_size=40))
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([0, -0.0, 1e308, 1e-308, 9.9, 25, 16.66, 2**63, -1]),
    _TEXTS,
)
_ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3), max_leaves=8
)
_BODIES = st.one_of(
    st.binary(max_size=120),
    _ANY.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.text(max_size=6), st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=4).map(
        lambda fields: urlencode(fields).encode()
    ),
    st.sampled_from(
        [b"[" * 70, b"{" * 100_000, b'{"a":' * 70, b'"\\', b"&" * 300, b"a=%", b"a=%00", b"\xef\xbb\xbf{}"]
    ),
    st.sampled_from([sample["body"].encode() for sample in SAMPLES]),
)
_TIMES = st.one_of(
    st.sampled_from([0.0, NOW, -1.0, 253_402_300_800.0, 1e30, -1e30, float("inf"), float("nan")]), st.floats()
)
_CREDENTIAL_TEXTS = st.one_of(
    _TEXTS,
    st.sampled_from(
        ["-----BEGIN PUBLIC KEY-----", '{"A": 1}', '{"A"', "A: b", "10.0.0.0/8", "/a /b", "0", "-----BEGIN\\n"]
    ),
)


@st.composite
def _webhooks(draw: st.DrawFn) -> Webhook:
    return Webhook(
        method=draw(st.sampled_from(["POST", "GET", "PUT", "DELETE", "post", "", "\ud800"])),
        path=draw(st.one_of(_TEXTS, st.sampled_from(["/a/token/b", "/token/", "/%ff/token/%ff", PATH]))),
        query=draw(st.one_of(_TEXTS, st.sampled_from(["token=", "token=a&token=b", "event=refund", "entity=payment"]))),
        headers=Headers(draw(st.lists(st.tuples(st.sampled_from(_HEADERS), _TEXTS), max_size=6))),
        body=draw(_BODIES),
        source_ip=draw(_TEXTS),
    )


@st.composite
def _credentials(draw: st.DrawFn, provider: Provider) -> Credentials:
    """Each field real, absent, without a version, or anything, in one version or two."""
    fields = dict(CREDENTIALS[provider.name].fields)
    for name in list(fields):
        match draw(st.sampled_from(["real", "real", "absent", "none", "any"])):
            case "absent":
                del fields[name]
            case "none":
                fields[name] = ()
            case "any":
                values = draw(st.lists(_CREDENTIAL_TEXTS, min_size=1, max_size=2))
                fields[name] = tuple(SecretVersion(str(n), Secret(value)) for n, value in enumerate(values))
    return Credentials(fields)


def _call_everything(provider: Provider, webhook: Webhook, credentials: Credentials, now: float) -> Verdict:
    """What the ingress calls. Whatever is raised besides the documented errors fails the test."""
    if provider.key_needed is not None:
        provider.key_needed(webhook, credentials)
    verdict = provider.verify(webhook, credentials, now)
    assert isinstance(verdict, Verdict)
    assert set(provider.replies_to(webhook)) == set(Outcome)
    assert all(isinstance(reply, Reply) for reply in provider.replies_to(webhook).values())
    if provider.handshake is not None and verdict.valid:
        with contextlib.suppress(SignatureError, MalformedWebhookError):
            provider.handshake(webhook, credentials, now)
    _extract(provider, webhook)
    return verdict


def _extract(provider: Provider, webhook: Webhook) -> None:
    with contextlib.suppress(SignatureError, MalformedWebhookError):
        event = provider.extract(webhook)
        assert isinstance(event, ExtractedEvent)
        assert 0 < len(event.event_id) <= 512
        assert event.amount_minor is None or 0 <= event.amount_minor <= 10**15
        assert event.occurred_at is None or event.occurred_at.tzinfo is not None


@every_provider
@PROPERTY
@given(data=st.data())
def test_any_request_any_credentials_any_time(provider: Provider, data: st.DataObject) -> None:
    webhook, credentials = data.draw(_webhooks()), data.draw(_credentials(provider))
    _call_everything(provider, webhook, credentials, data.draw(_TIMES))


@every_provider
@PROPERTY
@given(webhook=_webhooks(), now=_TIMES)
def test_no_request_that_nobody_signed_is_valid(provider: Provider, webhook: Webhook, now: float) -> None:
    # OY has no signature: an address is all that it takes, so one that is allowed is left out here.
    nowhere = replace(webhook, source_ip="203.0.113.9") if provider.name == "oy" else webhook
    assert not _call_everything(provider, nowhere, CREDENTIALS[provider.name], now).valid


@every_sample
@settings(PROPERTY, max_examples=60)
@given(data=st.data())
def test_an_event_with_one_field_of_any_value(sample: dict[str, Any], data: st.DataObject) -> None:
    provider, headers = (
        OURS[sample["provider"]],
        Headers(data.draw(st.lists(st.tuples(st.sampled_from(_HEADERS), _TEXTS), max_size=2))),
    )
    if sample["body"].startswith("{"):
        document = json.loads(sample["body"])
        node = document
        path = data.draw(st.sampled_from(list(_paths(document))))
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = data.draw(_ANY)
        body = json.dumps(document).encode()
    else:
        fields = dict(parse_qsl(sample["body"]))
        fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(
            st.one_of(
                st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["9.9", "-1", "1e5", "٣", "\0"])
            )
        )
        body = urlencode(fields).encode()
    _extract(provider, Webhook(method="POST", path=PATH, headers=headers, body=body))


def _paths(document: dict[str, Any], before: tuple[str, ...] = ()) -> Any:
    for name, value in document.items():
        yield (*before, name)
        if isinstance(value, dict):
            yield from _paths(value, (*before, name))


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
    changed = _changed(data, signed.body)
    if changed != signed.body and provider.verify(replace(webhook, body=changed), credentials, NOW).valid:
        # SNAP signs the body without the white space outside of texts: what is read is the same.
        assert scheme.name.startswith("snap_")
        assert _without_space(changed) == _without_space(signed.body)


def _changed(data: st.DataObject, body: bytes) -> bytes:
    at = data.draw(st.integers(0, len(body) - 1))
    match data.draw(st.sampled_from(["flip", "insert", "delete", "append", "prepend", "cut", "repeat"])):
        case "flip":
            return body[:at] + bytes([body[at] ^ 1 << data.draw(st.integers(0, 7))]) + body[at + 1 :]
        case "insert":
            added = data.draw(st.one_of(st.binary(min_size=1, max_size=3), st.sampled_from([b" ", b"\n", b"\\", b'"'])))
            return body[:at] + added + body[at:]
        case "delete":
            return body[:at] + body[at + 1 :]
        case "append":
            return body + data.draw(st.binary(min_size=1, max_size=3))
        case "prepend":
            return data.draw(st.binary(min_size=1, max_size=3)) + body
        case "cut":
            return body[:at]
    return body + body


def _without_space(body: bytes) -> str:
    """By a JSON parser that has nothing to do with ours: texts and numbers stay as they are written."""
    document = json.loads(body, parse_float=str, parse_int=str, object_pairs_hook=list)
    return json.dumps(document)


_SPEC_VALUES = st.one_of(
    _ANY,
    st.sampled_from(["/a", "", "~", "/~2", "{body}", "{timestamp}{body}", "{body}{body}", "{", "}}", "sha256", "X-A"]),
    st.sampled_from([200, 299, 1e400, 86_400, "pending", ["/a"], ["/a", 1], {"ok": "succeeded"}, "EUR"]),
)


@PROPERTY
@given(data=st.data())
def test_a_declaration_with_any_value_anywhere_is_read_or_its_field_is_named(data: st.DataObject) -> None:
    spec = json.loads(json.dumps(GENERIC_SPEC))
    for _ in range(data.draw(st.integers(1, 3))):
        node, path = spec, data.draw(st.sampled_from(list(_paths(spec))))
        for name in path[:-1]:
            node = node[name]
        if data.draw(st.booleans()):
            node[path[-1]] = data.draw(_SPEC_VALUES)
        else:
            node[data.draw(_TEXTS)] = node.pop(path[-1])
    _read_or_named(json.dumps({"providers": {"acme": spec}}), "providers.acme")


@PROPERTY
@given(st.one_of(st.text(), _ANY.map(json.dumps), _ANY.map(lambda value: json.dumps({"providers": value}))))
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
        assert not _call_everything(provider, webhook, CREDENTIALS["generic"], NOW).valid
