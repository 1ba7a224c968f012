"""What docs/providers.md says about one provider. Pure."""

from collections.abc import Iterator, Mapping

from tenrusl.docs.markdown import block, bullets, code, codes, table
from tenrusl.docs.setups import lines, setups_of, variable
from tenrusl.providers.about import About, Credential, Proof
from tenrusl.providers.types import Credentials, Outcome, Provider, Reply, SecretVersion, SignatureScheme, Webhook
from tenrusl.secret import Secret

_DAY = 86_400
# The part of the page about proofs that leave out the body.
COVERAGE = "whether-the-proof-covers-the-body"


def render_section(provider: Provider, *, page: str) -> str:
    """The provider's part, without its heading. page: what is written by hand about it, relative to docs/."""
    about = described(provider)
    parts = [
        _address(provider, page),
        *(_scheme(provider, scheme) for scheme in provider.schemes),
        "**Credentials**",
        _credentials(provider, about),
        *_setups(provider),
        f"**Reply**. {capitalised(about.retries)}.",
        _replies(provider, about),
        f"**Dedup key**: {about.dedup_key}.",
        "**Known weaknesses**",
        bullets(about.weaknesses),
        "**Evidence**",
        bullets(f"{', '.join(evidence.marks)}: {evidence.source}" for evidence in about.evidence),
    ]
    return "\n\n".join(parts)


def described(provider: Provider) -> About:
    """What the provider says about itself. Raises ValueError when it says nothing."""
    if provider.about is None:
        raise ValueError(f"{provider.name} has no About")
    return provider.about


def window(proof: Proof) -> str:
    """The times that are accepted."""
    if proof.max_age is None and proof.max_ahead is None:
        return "not checked"
    if proof.max_age == proof.max_ahead and proof.max_age is not None:
        return f"{_duration(proof.max_age)} either way"
    past = "any age" if proof.max_age is None else f"at most {_duration(proof.max_age)} old"
    ahead = "any time ahead" if proof.max_ahead is None else f"at most {_duration(proof.max_ahead)} ahead"
    return f"{past}, {ahead}"


def coverage(provider: Provider, scheme: SignatureScheme) -> str:
    """Whether the scheme's proof covers the body."""
    if not provider.covers_body(scheme):
        return f"no ([what that means](#{COVERAGE}))"
    return "yes, but other bodies may fit the same proof" if provider.replay_key else "yes"


def capitalised(text: str) -> str:
    """With a capital letter where it starts a sentence."""
    return text[:1].upper() + text[1:]


def _duration(seconds: float) -> str:
    days, rest = divmod(seconds, _DAY)
    if days and not rest:
        return "a day" if days == 1 else f"{days:g} days"
    return f"{seconds:g} s"


def _address(provider: Provider, page: str) -> str:
    tail = ", with or without one more segment" if provider.takes_path_tail else ""
    return (
        f"`/api/webhooks/{provider.name}`{tail}. {' or '.join(sorted(provider.methods))}; "
        f"{codes(sorted(provider.content_types))}. [Its events, states and amounts]({page})."
    )


def _scheme(provider: Provider, scheme: SignatureScheme) -> str:
    proof = scheme.describe()
    switch = provider.switches.get(scheme.name)
    in_use = f", in use only where {code(variable(provider, switch))} is set" if switch else ""
    return f"**Scheme {code(scheme.name)}**{in_use}\n\n" + bullets(
        [
            f"Proof: {proof.place}",
            *([f"Headers: {codes(proof.headers)}"] if proof.headers else []),
            f"Algorithm: {proof.algorithm}",
            f"Signed: {described(provider).signed.get(scheme.name) or proof.signed}",
            f"Time: {window(proof)}",
            f"Covers the body: {coverage(provider, scheme)}",
        ]
    )


def _credentials(provider: Provider, about: About) -> str:
    def row(field: str, credential: Credential) -> list[str]:
        secret = "yes" if credential.secret else "no"
        return [code(variable(provider, field)), credential.what, credential.found, credential.needed, secret]

    return table(
        ["variable", "holds", "found", "needed", "secret"],
        [row(field, about.credentials[field]) for field in provider.credential_fields],
    )


def _setups(provider: Provider) -> Iterator[str]:
    for setup in setups_of(provider):
        if setup.title:
            yield f"{setup.title}:"
        yield block("sh", "\n".join(lines(provider, setup)))


def _replies(provider: Provider, about: About) -> str:
    cases: Mapping[str, Webhook | None] = about.reply_cases or {"": None}
    rows = [row for case, webhook in cases.items() for row in _reply_rows(provider, case, webhook)]
    if not about.reply_cases:
        return table(["outcome", "status", "content type", "body"], [row[1:] for row in rows])
    return table(["request", "outcome", "status", "content type", "body"], rows)


def _reply_rows(provider: Provider, case: str, webhook: Webhook | None) -> Iterator[list[str]]:
    replies = provider.replies if webhook is None else provider.replies_to(webhook)
    answer = None if webhook is None else _handshake(provider, webhook)
    if answer is not None:
        yield _reply_row(case, "answered, never stored; e.g.", answer)
        yield _reply_row(case, Outcome.REJECTED, replies[Outcome.REJECTED])
        return
    if replies[Outcome.ACCEPTED] == replies[Outcome.DUPLICATE]:
        yield _reply_row(case, f"{Outcome.ACCEPTED}, {Outcome.DUPLICATE}", replies[Outcome.ACCEPTED])
    else:
        yield _reply_row(case, Outcome.ACCEPTED, replies[Outcome.ACCEPTED])
        yield _reply_row(case, Outcome.DUPLICATE, replies[Outcome.DUPLICATE])
    yield _reply_row(case, Outcome.REJECTED, replies[Outcome.REJECTED])


def _handshake(provider: Provider, webhook: Webhook) -> Reply | None:
    """The answer to a request that is no event, with secrets that nobody has."""
    if provider.handshake is None:
        return None
    example = (SecretVersion("current", Secret("example")),)
    return provider.handshake(webhook, Credentials(dict.fromkeys(provider.credential_fields, example)), 0.0)


def _reply_row(case: str, outcome: str, reply: Reply) -> list[str]:
    body = code(reply.body.decode()) if reply.body else "none"
    return [case, outcome, str(reply.status), code(reply.content_type) if reply.content_type else "none", body]
