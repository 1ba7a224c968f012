"""Strategies and calls for the tests of hostile input: what a stranger may send, and what the ingress does with it."""

import contextlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import settings
from hypothesis import strategies as st

from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Headers,
    Outcome,
    Provider,
    Reply,
    SecretVersion,
    SignatureError,
    Verdict,
    Webhook,
)
from tenrusl.secret import Secret
from tenrusl.simulator import simulated_credentials

NOW = 1_785_000_000.0
PATH = "/v1.0/debit/notify"
# A hypothesis run never fails for being slow, and is the same in every run.
PROPERTY = settings(deadline=None, derandomize=True, max_examples=200)

ODD_TEXTS = (
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
TEXTS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=40))
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([0, -0.0, 1e308, 1e-308, 9.9, 25, 16.66, 2**63, -1, 10**4000]),
    TEXTS,
)
ANY = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
# JSON that no dumper writes: out of range, no number, names that stand twice, half a surrogate pair, too deep.
_RAW_JSON = (
    *("1e400", "-1e400", "1E-400", "1e999999999", "NaN", "-Infinity", "9" * 4000, "9" * 5000, "-0", "0." + "1" * 4000),
    *('"\\ud800"', '"\\u0000"', '{"id":1,"id":2}', "[" * 70 + "]" * 70, '{"a":' * 70 + "1" + "}" * 70),
)
_PLACEHOLDER = "raw JSON stands here"
TIMES = st.one_of(
    st.sampled_from([0.0, NOW, -1.0, 253_402_300_800.0, 1e30, -1e30, float("inf"), float("nan")]), st.floats()
)
_CREDENTIAL_TEXTS = st.one_of(
    TEXTS,
    st.sampled_from(
        ["-----BEGIN PUBLIC KEY-----", '{"A": 1}', '{"A"', "A: b", "10.0.0.0/8", "/a /b", "0", "-----BEGIN\\n"]
    ),
)


def samples_of(names: Iterable[str]) -> list[dict[str, Any]]:
    """The sample payloads of these providers."""
    samples = json.loads((Path(__file__).parents[2] / "data" / "samples.json").read_text())
    return [sample for sample in samples if sample["provider"] in set(names)]


def credentials_by_name(providers: Mapping[str, Provider]) -> dict[str, Credentials]:
    """Two versions of everything, for each provider."""
    return {
        name: simulated_credentials(provider, random.Random(1), ("current", "next"))
        for name, provider in providers.items()
    }


def bodies(samples: Sequence[Mapping[str, Any]]) -> st.SearchStrategy[bytes]:
    """Bytes, JSON, forms, what overloads a parser, and real ones."""
    return st.one_of(
        st.binary(max_size=120),
        ANY.map(lambda value: json.dumps(value).encode()),
        st.sampled_from(_RAW_JSON).map(lambda raw: b'{"id":%s}' % raw.encode()),
        st.dictionaries(
            st.text(max_size=6), st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=4
        ).map(lambda fields: urlencode(fields).encode()),
        st.sampled_from(
            [b"[" * 70, b"{" * 100_000, b'{"a":' * 70, b'"\\', b"&" * 300, b"a=%", b"a=%00", b"\xef\xbb\xbf{}"]
        ),
        st.sampled_from([sample["body"].encode() for sample in samples]),
    )


@st.composite
def webhooks(
    draw: st.DrawFn, names: Sequence[str], body: st.SearchStrategy[bytes], values: st.SearchStrategy[str] = TEXTS
) -> Webhook:
    """Any request with headers of these names."""
    return Webhook(
        method=draw(st.sampled_from(["POST", "GET", "PUT", "DELETE", "post", "", "\ud800"])),
        path=draw(st.one_of(TEXTS, st.sampled_from(["/a/token/b", "/token/", "/%ff/token/%ff", PATH]))),
        query=draw(st.one_of(TEXTS, st.sampled_from(["token=", "token=a&token=b", "event=refund", "entity=payment"]))),
        headers=Headers(draw(st.lists(st.tuples(st.sampled_from(names), values), max_size=6))),
        body=draw(body),
        source_ip=draw(TEXTS),
    )


@st.composite
def credentials_like(draw: st.DrawFn, real: Credentials) -> Credentials:
    """Each field real, absent, without a version, or anything, in one version or two."""
    fields = dict(real.fields)
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


def call_everything(provider: Provider, webhook: Webhook, credentials: Credentials, now: float) -> Verdict:
    """What the ingress calls. Whatever is raised besides the documented errors fails the test."""
    if provider.key_needed is not None:
        provider.key_needed(webhook, credentials)
    if provider.questions is not None:
        provider.questions(webhook, credentials, now)
    verdict = provider.verify(webhook, credentials, now)
    assert isinstance(verdict, Verdict)
    assert set(provider.replies_to(webhook)) == set(Outcome)
    assert all(isinstance(reply, Reply) for reply in provider.replies_to(webhook).values())
    if provider.handshake is not None and verdict.valid:
        with contextlib.suppress(SignatureError, MalformedWebhookError):
            provider.handshake(webhook, credentials, now)
    extract_any(provider, webhook)
    return verdict


def extract_any(provider: Provider, webhook: Webhook) -> ExtractedEvent | None:
    """The event, within the limits of the database, or None for one of the documented errors."""
    with contextlib.suppress(SignatureError, MalformedWebhookError):
        event = provider.extract(webhook)
        assert isinstance(event, ExtractedEvent)
        assert 0 < len(event.event_id) <= 512
        assert event.amount_minor is None or 0 <= event.amount_minor <= 10**15
        assert event.occurred_at is None or event.occurred_at.tzinfo is not None
        return event
    return None


@st.composite
def with_one_odd_field(draw: st.DrawFn, body: str) -> bytes:
    """A sample's body with one of its fields of any value."""
    if not body.startswith("{"):
        return _odd_form(draw, body)
    document = json.loads(body)
    node = document
    path = draw(st.sampled_from(list(paths_in(document))))
    for name in path[:-1]:
        node = node[name]
    raw = draw(st.one_of(st.none(), st.sampled_from(_RAW_JSON)))
    node[path[-1]] = draw(ANY) if raw is None else _PLACEHOLDER
    text = json.dumps(document)
    return (text if raw is None else text.replace(json.dumps(_PLACEHOLDER), raw)).encode()


def _odd_form(draw: st.DrawFn, body: str) -> bytes:
    fields = dict(parse_qsl(body))
    fields[draw(st.sampled_from(sorted(fields)))] = draw(
        st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["9.9", "-1", "1e5", "٣", "\0"]))
    )
    return urlencode(fields).encode()


def paths_in(document: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every field of an object and of the objects inside."""
    for name, value in document.items():
        yield (*before, name)
        if isinstance(value, dict):
            yield from paths_in(value, (*before, name))


def changed(draw: Callable[[st.SearchStrategy[Any]], Any], body: bytes) -> bytes:
    """A body in which something is flipped, added, left out or repeated."""
    at = draw(st.integers(0, len(body) - 1))
    match draw(st.sampled_from(["flip", "insert", "delete", "append", "prepend", "cut", "repeat"])):
        case "flip":
            return body[:at] + bytes([body[at] ^ 1 << draw(st.integers(0, 7))]) + body[at + 1 :]
        case "insert":
            odd = st.one_of(st.binary(min_size=1, max_size=3), st.sampled_from([b" ", b"\n", b"\\", b'"']))
            added: bytes = draw(odd)
            return body[:at] + added + body[at:]
        case "delete":
            return body[:at] + body[at + 1 :]
        case "append":
            return body + bytes(draw(st.binary(min_size=1, max_size=3)))
        case "prepend":
            return bytes(draw(st.binary(min_size=1, max_size=3))) + body
        case "cut":
            return body[:at]
    return body + body
