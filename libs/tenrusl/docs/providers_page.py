"""docs/providers.md: every built-in provider, from its declaration. Pure."""

from tenrusl.docs.generic_example import DECLARATION, generic_example
from tenrusl.docs.markdown import anchor, block, bullets, code, codes, table
from tenrusl.docs.provider_section import described, render_section, window
from tenrusl.providers import PROVIDERS
from tenrusl.providers.about import MARKS
from tenrusl.providers.types import Provider, SignatureScheme

_FILE_VARIABLE = "TENRUSL_GENERIC_PROVIDERS_FILE"
_INTRODUCTION = """\
# Providers

<!-- Made from libs/tenrusl/providers by `make docs`. Do not edit. -->

How each provider proves that a webhook is its own, what must be configured for it, and what it is answered. What its
events say, and to which states of a payment they lead, stands on a page for each, which is linked from its part.
"""
_PROOF = """\
## Proof

Where a provider has several schemes, those in use are asked in the order in which they stand here. The first whose
headers or place are there decides; the last takes the rest. A header that is read and stands twice is refused, and so
is a name that stands twice in a form or a JSON object: two readers could choose differently.
"""
_CREDENTIALS = """\
## Credentials

Each variable may end in `_NEXT`, for the version that a rotation brings in: both versions are accepted. Each, also with
`_NEXT`, may end in `_FILE` and then names a file that holds the value and is read again when it changes. A value that
no webhook could be verified with stops the start, and the error names the variable. Without its credentials all of a
provider's webhooks are refused. "Secret" says that who knows it can forge webhooks, or act as the merchant.
"""
_COVERAGE = """\
## Whether the proof covers the body

Where it does not, somebody who saw one request, or stands where it passes, may have written what it says. Such an event
is always marked `unauthenticated_body`. By default it changes its payment all the same. For the providers that
`TENRUSL_CONFIRM_PROVIDERS` names, it changes a payment only once a confirmer (a package's entry point of the group
`tenrusl.confirmers`) or an operator (`tenrusl events confirm`) says that it is true; until then its status is
`unconfirmed` ([why](decisions/0010-unconfirmed-events.md)). Events that report no state of a payment never wait.

The variable may name {names}. One whose every scheme covers the body stops the start there.
"""
_ANSWERS = """\
## Answers

Each part says what its provider is told after its webhook is stored (accepted), was stored before (duplicate), or is
not authentic (rejected). All other answers are the same for all and stand in [openapi.yaml](openapi.yaml).
"""
_EVIDENCE = """\
## Evidence

How well a statement is founded, best first:
"""


def render_providers() -> str:
    """The whole page, with a line feed at its end."""
    providers = list(PROVIDERS.values())
    generic = generic_example()
    uncovered = [provider.name for provider in providers if not provider.body_covered]
    parts = [
        _INTRODUCTION,
        _overview([*providers, generic]),
        _PROOF,
        _CREDENTIALS,
        _COVERAGE.format(names=codes(uncovered)),
        _ANSWERS,
        _EVIDENCE,
        bullets(f"{mark}: {meaning}" for mark, meaning in MARKS.items()),
    ]
    for provider in providers:
        parts += [f"## {described(provider).title}", render_section(provider, page=f"providers/{provider.name}.md")]
    parts += [f"## {described(generic).title}", _generic(generic)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def overview_algorithm(provider: Provider) -> str:
    """What its schemes compute, in short; without those that only simulators use."""
    shown = [scheme.describe().algorithm.split(",")[0].split(";")[0] for scheme in real_schemes(provider)]
    return "; ".join(dict.fromkeys(shown))


def real_schemes(provider: Provider) -> list[SignatureScheme]:
    """The schemes that the provider itself uses."""
    credentials = described(provider).credentials

    def is_real(scheme: SignatureScheme) -> bool:
        switch = provider.switches.get(scheme.name)
        return switch is None or not credentials[switch].needed.startswith("never")

    return [scheme for scheme in provider.schemes if is_real(scheme)]


def _overview(providers: list[Provider]) -> str:
    return table(
        ["provider", "name", "proof", "time", "covers the body", "known weakness", "evidence"],
        [_overview_row(provider) for provider in providers],
    )


def _overview_row(provider: Provider) -> list[str]:
    about = described(provider)
    marks = "".join(evidence.marks for evidence in about.evidence)
    windows = dict.fromkeys(window(scheme.describe()) for scheme in real_schemes(provider))
    return [
        f"[{about.title}](#{anchor(about.title)})",
        code(provider.name),
        overview_algorithm(provider),
        "; ".join(windows),
        _coverage(provider),
        about.weakness or "none known",
        "".join(mark for mark in MARKS if mark in marks),
    ]


def _coverage(provider: Provider) -> str:
    covering = [scheme.name for scheme in real_schemes(provider) if provider.covers_body(scheme)]
    if len(covering) == len(real_schemes(provider)):
        return "yes, but others may fit" if provider.replay_key else "yes"
    return f"only by {codes(covering)}" if covering else "no"


def _generic(example: Provider) -> str:
    declared = (
        f"Any name that stands in a JSON file, which `{_FILE_VARIABLE}` names. What follows is made from this "
        "declaration; its page tells all that one may say."
    )
    section = render_section(example, page="providers/generic.md")
    return "\n\n".join([declared, block("json", DECLARATION), section])
