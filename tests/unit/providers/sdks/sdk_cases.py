"""Bodies, changes of them and a fixed time, for comparing our verifiers with the providers' official SDKs."""

import json
import random
from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, Provider, SignedWebhook, Verdict, Webhook
from tenrusl.simulator import simulated_credentials

NOW = 1_785_000_000
PATH = "/v1.0/debit/notify"
# A hypothesis run never fails for being slow, and is the same in every run.
PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "",
        " ",
        "  a  ",
        '"',
        "\\",
        '\\"',
        "é ✓ 漢 🎉",
        "\u2028",
        "\x7f",
        "</script>",
        "a:b",
        '{"a": "b"}',
        "1e5",
        "\\u00e9",
    ]
)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | _TEXTS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(_TEXTS, _VALUES, max_size=5)
# Compact, as Python writes it, with odd spaces, indented; escaped or raw.
_LAYOUTS = st.sampled_from([(None, (",", ":")), (None, (", ", ": ")), (None, (" ,", " :\t")), (2, (",", ": "))])


@st.composite
def layouts(draw: st.DrawFn, documents: st.SearchStrategy[dict[str, Any]] = DOCUMENTS) -> bytes:
    """A JSON object in UTF-8, with or without escapes and white space between and around its tokens."""
    indent, separators = draw(_LAYOUTS)
    text = json.dumps(draw(documents), indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    padding = st.sampled_from(["", "", " ", "\n", "\r\n\t"])
    return f"{draw(padding)}{text}{draw(padding)}".encode()


def flipped(body: bytes, data: st.DataObject) -> bytes:
    """The body with one ASCII character replaced by another one, so that it stays UTF-8."""
    places = [index for index, byte in enumerate(body) if byte < 0x80]
    index = data.draw(st.sampled_from(places), label="index")
    other = data.draw(st.integers(0x20, 0x7E).filter(lambda byte: byte != body[index]), label="byte")
    return body[:index] + bytes([other]) + body[index + 1 :]


def simulated(name: str, *fields: str) -> Credentials:
    """Credentials as the simulator makes them, of the given fields only if some are given."""
    made = simulated_credentials(PROVIDERS[name], random.Random(1)).fields
    return Credentials({field: made[field] for field in fields or made})


def revealed(credentials: Credentials, field: str) -> str:
    return credentials.versions(field)[-1].secret.reveal()


def judged(
    provider: Provider,
    credentials: Credentials,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float = NOW,
    path: str = PATH,
    method: str = "POST",
) -> Verdict:
    """Our verdict."""
    webhook = Webhook(method=method, path=path, headers=Headers(list(headers.items())), body=body)
    return provider.verify(webhook, credentials, now)


def header(signed: SignedWebhook, name: str) -> str:
    """One of the headers that a signer made."""
    return signed.headers[name]
