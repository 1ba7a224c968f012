"""What a provider and its schemes say about themselves, for docs/providers.md. Nothing here is read at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenrusl.providers.types import Webhook  # which holds an About


# How well a statement is founded, best first.
MARKS: Mapping[str, str] = MappingProxyType(
    {
        "V": "verified by computing it: a signature that the provider made or published, or its own SDK that was run",
        "S": "read in the source of an official SDK or plugin",
        "D": "read in official documentation",
        "T": "third parties' code or tests only",
        "R": "general knowledge, no source at hand",
        "I": "our inference",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a scheme proves that a request is the provider's. Texts are Markdown, without a full stop.

    place: where the proof stands. headers: every header that the verifier needs, as providers write it.
    algorithm: what is computed, and how it is written. signed: over what; empty where only the provider knows, which
    then says it in About.signed. max_age, max_ahead: seconds that what is signed may lie in the past and in the
    future; None where no time is checked.
    """

    place: str
    algorithm: str
    headers: tuple[str, ...] = ()
    signed: str = ""
    max_age: float | None = None
    max_ahead: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A field of a provider's credentials. Texts are Markdown, without a full stop.

    what: what it holds. found: where the merchant gets it. needed: "always", or when. secret: who knows it can forge
    webhooks, or act as the merchant.
    """

    what: str
    found: str
    needed: str = "always"
    secret: bool = True


@dataclass(frozen=True, slots=True)
class Setup:
    """A set of credentials that belongs together. title: what it is for; Markdown, without a full stop.

    fields: by credential field an example of its value; empty for what a mounted file should hold: secrets and keys.
    """

    title: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A source. marks: letters of MARKS. source: a public name or address, and what it tells; Markdown."""

    marks: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What no scheme and no reply can say of itself. Texts are Markdown.

    signed: by scheme, for those whose Proof does not tell. credentials: by field. setups: without any, there is one of
    what is always needed. retries: what the provider does after an answer that it does not like. dedup_key: what
    becomes the event's id. weakness: in a phrase, empty for none that is known. weaknesses: in sentences. reply_cases:
    requests whose answers differ, by a name, where Provider.replies_for decides; without any the answers are
    Provider.replies.
    """

    title: str
    credentials: Mapping[str, Credential]
    retries: str
    dedup_key: str
    weakness: str
    weaknesses: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    signed: Mapping[str, str] = field(default_factory=dict)
    setups: tuple[Setup, ...] = ()
    reply_cases: Mapping[str, Webhook] = field(default_factory=dict)
